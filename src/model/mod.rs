//! The words of the product: pure data, no I/O, known to every other module.

mod check_id;
mod declaration;
mod event;
mod gate;
mod history;
mod judgement;
mod nearest;
mod outcome;
mod ready;
mod trace;

pub use check_id::{CheckId, Scenario};
pub use declaration::{Effect, Group, Level, Need, Priority, Suite, Trigger};
pub use event::{Event, Repetition, RunFacts, RunResult, Sink};
pub use gate::{Gate, GateRules};
pub use history::{ConnectionId, Direction, Entry, Head, History, Origin, Record};
pub use judgement::{
    Blame, Conforms, Deviation, Evidence, Finding, Inconclusive, Judgement, NotVerified, Observation, Stop,
};
pub use nearest::did_you_mean;
pub use outcome::{ExitCode, Outcome, Totals, Verdict};
pub use ready::NotReady;
pub use trace::Trace;
