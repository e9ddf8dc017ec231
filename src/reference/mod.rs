//! The reference environment: one complete, correct implementation of the contract, with
//! switchable defects and permitted variations, all off by default.
//!
//! Its callers own the listeners and the shutdown ([`serve`]). It shares wire types with the
//! checker and nothing else: a bug of one must not hide in the other.

mod auth;
mod backend;
mod clock;
mod conduct;
mod control;
mod database;
mod dialect;
mod facts;
mod filter;
mod frontend;
mod gateway;
mod http_error;
mod id;
mod listen;
mod notes;
mod oauth_news;
mod policy;
mod provider;
mod seed;
mod serve;
mod site;
mod source_fixture;
mod switch;
mod tokens;

pub use conduct::{Algorithm, ClientIdentity, Conduct, Settings, TlsIdentity};
pub use database::{DatabaseError, Databases};
pub use facts::{Facts, PasswordUser, SigningKey, UserState};
pub use filter::{Change, Filter, Subject};
pub use gateway::{Gateway, NoHeader};
pub use notes::{Noted, Notes};
pub use policy::{DEFECTS, Permitted, Policy, VARIATIONS};
pub use seed::PROMPTS;
pub use serve::{Addresses, Listeners, Peers, ServeError, serve};
pub use source_fixture::write_source;
pub use switch::{Defect, Setting, Switch, Variation};
