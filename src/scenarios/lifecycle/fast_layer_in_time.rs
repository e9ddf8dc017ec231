use super::timed::{self, PLAIN};
use crate::check;
use crate::check::{Check, Recording};
use crate::model::Judgement;
use crate::wire::Kind;

pub(super) static CHECK: Check = check!("lifecycle/fast-layer-in-time", judge: judge, of: &PLAIN);

fn judge(recording: &Recording) -> Judgement {
    let runs = timed::told(recording)?;
    recording.step("from the request to agent_started");
    let took: Vec<_> = runs
        .iter()
        .map(|(asked, course)| Some(timed::first(course, &[Kind::AgentStarted])?.saturating_sub(*asked)))
        .collect();
    let evidence = || recording.end_of("asking");
    timed::within(recording, "agent_started", recording.thresholds.fast, &took, evidence)
        .map_err(|stop| stop.within("thresholds.fast_s"))?;
    recording.conforms()
}
