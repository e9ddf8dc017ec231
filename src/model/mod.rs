//! The words of the product: pure data, no I/O, known to every other module.

mod check_id;
mod declaration;
mod event;
mod history;
mod judgement;
mod outcome;
mod ready;

pub use check_id::{CheckId, Scenario};
pub use declaration::{Effect, Group, Level, Need, Priority, Suite, Trigger};
pub use event::{Event, RunFacts, RunResult, Sink};
pub use history::{ConnectionId, Direction, Entry, Head, History, Origin, Record};
pub use judgement::{
    Blame, Conforms, Deviation, Evidence, Finding, Inconclusive, Judgement, NotVerified, Observation, Stop,
};
pub use outcome::{ExitCode, Gate, Outcome, Totals, Verdict};
pub use ready::NotReady;
