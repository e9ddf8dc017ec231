//! The wire contract as data: what a conforming environment says and in which form.
//!
//! A contract is one YAML file ([`Contract::builtin`], or the user's own). Everything else in the
//! program speaks of *logical* kinds, fields and endpoints and asks the contract how they stand on
//! the wire, so another dialect is another file.

mod code;
mod contract;
mod contract_file;
mod endpoint;
mod file_schema;
mod kind;
mod load;
mod locate;
mod message;
mod places;
mod schema;
mod shape;
mod timestamp;
mod token_form;
mod ws_config;

pub use code::ErrorCode;
pub use contract::Contract;
pub use contract_file::{Carrier, TokenRules};
pub use endpoint::{Endpoint, Service};
pub use file_schema::contract_schema;
pub use kind::Kind;
pub use load::ContractError;
pub use message::{EnvelopeFault, Message};
pub use schema::SchemaFault;
pub use timestamp::{TimestampForm, read_timestamp};
pub use ws_config::{ConfigFault, RateLimit, WsConfig};
