use super::failure::{FLOW, told_error};
use crate::check;
use crate::check::{Check, Recording, said};
use crate::model::{Judgement, NotVerified};

pub(super) static CHECK: Check = check!("recovery/partial-work-kept", judge: judge, of: &FLOW);

fn judge(recording: &Recording) -> Judgement {
    told_error(recording)?;
    let run = recording.told("run")?;
    let events = recording.events_of("asking", run)?;
    let said = said(events.iter().map(|seen| &seen.message), run);
    if said.is_empty() {
        let what = "the run failed before its first partial_result: let `triggers.agent_failure` fail later";
        return Err(NotVerified::NotProvoked(what.into()).into());
    }
    recording.step("the failed run's message in the history");
    recording.kept("history", run, &said)?;
    recording.conforms()
}
