//! How checks are written: the declaration, the page, the context that gives out what was
//! declared, and the verifiers in whose words every failure is told.

mod admission;
mod context;
mod declaration;
mod lasting;
mod page;
mod provoke;
mod tally;
mod tokens;
mod verify;

pub use admission::{Admission, Refusal, RefusalForm, Session};
pub use context::Context;
pub use declaration::{Body, Check, Flow, Run, RunWide, Waits};
pub use page::{Catch, Page};
pub use tally::Tally;
