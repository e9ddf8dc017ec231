//! Names of scenarios and checks.

use std::fmt;

use super::Priority;

/// Name of a check: `scenario/fact-that-holds`, for example `handshake/expired-token-refused`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckId(&'static str);

impl CheckId {
    /// Wraps a literal; [`Scenario`] and shape are proved by the registry's tests.
    pub const fn new(id: &'static str) -> Self {
        Self(id)
    }

    /// The whole name.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// The part before the slash.
    pub fn scenario(self) -> Scenario {
        let slug = self.0.split_once('/').map_or(self.0, |(scenario, _)| scenario);
        Scenario::ALL
            .into_iter()
            .find(|scenario| scenario.slug() == slug)
            .unwrap_or_else(|| panic!("check `{}` names no scenario; the registry's test catches this", self.0))
    }

    /// The part after the slash: the fact that holds when the check conforms.
    pub fn fact(self) -> &'static str {
        self.0.split_once('/').map_or(self.0, |(_, fact)| fact)
    }
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// One of the plan's ten critical areas, in the plan's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scenario {
    /// 1: authentication of the WebSocket handshake.
    Handshake,
    /// 2: events of an agent's run.
    Lifecycle,
    /// 3: one token, one session, every service.
    AuthSync,
    /// 4: a dropped session comes back whole.
    Reconnection,
    /// 5: users, threads and runs never mix.
    Isolation,
    /// 6: failures are told and survived.
    Recovery,
    /// 7: every message has the agreed form.
    Format,
    /// 8: the auth service stands alone.
    Independence,
    /// 9: threads and their history.
    Threads,
    /// 10: streams respect authentication and limits.
    Streaming,
}

impl Scenario {
    /// All scenarios in the plan's order.
    pub const ALL: [Self; 10] = [
        Self::Handshake,
        Self::Lifecycle,
        Self::AuthSync,
        Self::Reconnection,
        Self::Isolation,
        Self::Recovery,
        Self::Format,
        Self::Independence,
        Self::Threads,
        Self::Streaming,
    ];

    /// The first half of its check ids.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Lifecycle => "lifecycle",
            Self::AuthSync => "auth-sync",
            Self::Reconnection => "reconnection",
            Self::Isolation => "isolation",
            Self::Recovery => "recovery",
            Self::Format => "format",
            Self::Independence => "independence",
            Self::Threads => "threads",
            Self::Streaming => "streaming",
        }
    }

    /// Its number in the plan, from 1.
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }

    /// Its priority in the plan.
    pub const fn priority(self) -> Priority {
        match self {
            Self::Handshake | Self::Lifecycle | Self::AuthSync | Self::Format | Self::Independence => Priority::P0,
            Self::Reconnection | Self::Isolation | Self::Recovery | Self::Threads | Self::Streaming => Priority::P1,
        }
    }

    /// What a person calls it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Handshake => "Auth–WebSocket handshake",
            Self::Lifecycle => "Agent lifecycle events",
            Self::AuthSync => "Cross-service auth synchronisation",
            Self::Reconnection => "Reconnection with auth state",
            Self::Isolation => "Multi-agent isolation",
            Self::Recovery => "Agent failure recovery",
            Self::Format => "Message format",
            Self::Independence => "Auth service independence",
            Self::Threads => "Thread management",
            Self::Streaming => "Streaming with auth",
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.slug())
    }
}
