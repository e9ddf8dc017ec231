//! Runs checks: side by side, in groups, under deadlines; one owner tells what happens, in order.

mod claims;
mod clear;
mod judges;
mod preflight;
mod ready;
mod run;
mod schedule;
mod sweep;
mod unit;
mod users;

pub use preflight::{Known, obstacle};
pub use ready::{Grade, Recognition, Step, recognise, survey};
pub use run::{RunOptions, run};
pub use schedule::{Selected, Selection, SelectionError, SuiteChoice, matcher, phases};
pub use sweep::{Leftover, Swept, sweep};
