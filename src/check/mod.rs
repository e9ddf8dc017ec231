//! How checks are written: the declaration, the page, the context that gives out what was
//! declared, and the verifiers in whose words every failure is told.

mod admission;
mod browse;
mod context;
mod declaration;
mod expiry;
mod flow;
mod lasting;
mod page;
mod provoke;
mod recording;
mod rest;
mod restore;
mod runs;
mod tally;
mod tokens;
mod verify;
mod window;
pub mod work;

pub use admission::{Admission, Refusal, RefusalForm, Session};
pub use browse::{Brought, Opened};
pub use context::Context;
pub use declaration::{Body, Check, Declared, Run, RunWide, Traffic, Waits};
pub use expiry::in_time;
pub use flow::{Act, Flow, Scene};
pub use page::{Catch, Page};
pub use recording::{Judge, Recording, Seen};
pub use rest::{Rest, Told, absent, items, text};
pub use restore::Lost;
pub use runs::{PLAIN_PROMPT, ends_run, is_of_a_run, recorded, said};
pub use tally::Tally;
