//! What a switch of the reference is, and how a list of them becomes a policy.

use super::Policy;
use super::notes;

/// One misconduct or alternative, off by default.
#[derive(Clone, Copy, Debug)]
pub struct Switch {
    id: &'static str,
    pub(super) on: bool,
}

impl Switch {
    pub(super) const fn off(id: &'static str) -> Self {
        Self { id, on: false }
    }

    /// Whether the reference behaves so. That it was asked is noted.
    pub fn on(self) -> bool {
        notes::consulted(self.id);
        self.on
    }
}

/// What a defect or variation cannot do without; who starts the reference provides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Tokens signed RS256.
    Rs256,
    /// All origins behind TLS.
    Tls,
    /// The services in processes of their own.
    SplitProcesses,
    /// A source tree written by the reference.
    Source,
    /// Two PostgreSQL databases.
    PostgreSql,
    /// A browser.
    Browser,
    /// A contract in which a ticket opens a socket.
    Tickets,
    /// The conduct of production: logins for tests are closed.
    Production,
}

/// Something the reference can do wrong.
#[derive(Clone, Copy)]
pub struct Defect {
    /// Name: the bad act.
    pub id: &'static str,
    /// What it does, in one sentence.
    pub sentence: &'static str,
    /// What it needs to show.
    pub needs: Option<Setting>,
    pub(super) apply: fn(&mut Policy),
}

/// Something the reference can do otherwise, within the contract.
#[derive(Clone, Copy)]
pub struct Variation {
    /// Name: what is otherwise.
    pub id: &'static str,
    /// What it does, in one sentence.
    pub sentence: &'static str,
    pub(super) apply: fn(&mut Policy),
}

macro_rules! policy {
    (
        groups {
            $($(#[$group_doc:meta])* $group:ident: $type:ident {
                $($field:ident = $id:literal $(needs $need:ident)?: $sentence:literal,)*
            })*
        }
        filters { $($filter_id:literal: $filter_sentence:literal => $filter:expr,)* }
        variations { $($variation:ident = $variation_id:literal: $variation_sentence:literal,)* }
    ) => {
        $(
            $(#[$group_doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $type { $(#[doc = $sentence] pub $field: Switch,)* }

            impl Default for $type {
                fn default() -> Self {
                    Self { $($field: Switch::off($id),)* }
                }
            }
        )*

        /// What the contract permits beside the default.
        #[derive(Clone, Copy, Debug)]
        pub struct Permitted { $(#[doc = $variation_sentence] pub $variation: Switch,)* }

        impl Default for Permitted {
            fn default() -> Self {
                Self { $($variation: Switch::off($variation_id),)* }
            }
        }

        /// All switches of the reference; the default is correct.
        #[derive(Clone, Debug, Default)]
        pub struct Policy {
            $($(#[$group_doc])* pub $group: $type,)*
            /// What the contract permits beside the default.
            pub permitted: Permitted,
            /// A client message that gets no answer and has no effect.
            pub ignores: Option<Kind>,
            /// What is done to messages on their way out.
            pub filters: Vec<Filter>,
        }

        /// All defects.
        pub const DEFECTS: &[Defect] = &[
            $($(Defect {
                id: $id,
                sentence: $sentence,
                needs: policy!(@need $($need)?),
                apply: |policy| policy.$group.$field.on = true,
            },)*)*
            $(Defect {
                id: $filter_id,
                sentence: $filter_sentence,
                needs: None,
                apply: |policy| { let apply: fn(&mut Policy) = $filter; apply(policy) },
            },)*
        ];

        /// All variations.
        pub const VARIATIONS: &[Variation] = &[
            $(Variation {
                id: $variation_id,
                sentence: $variation_sentence,
                apply: |policy| policy.permitted.$variation.on = true,
            },)*
        ];
    };
    (@need) => { None };
    (@need $need:ident) => { Some(Setting::$need) };
}

pub(super) use policy;
