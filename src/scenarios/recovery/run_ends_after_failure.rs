use std::collections::BTreeSet;

use super::failure::{FLOW, told_error};
use crate::check;
use crate::check::{Check, Recording, Seen, ends_run};
use crate::model::{Blame, Finding, Inconclusive, Judgement, Stop};
use crate::wire::{ErrorCode, Kind};

pub(super) static CHECK: Check = check!("recovery/run-ends-after-failure", judge: judge, of: &FLOW);

fn judge(recording: &Recording) -> Judgement {
    let run = told_error(recording)?.message.run_id().unwrap_or_default().to_owned();
    let events = recording.events_of("asking", &run)?;
    let end = events.iter().position(|seen| seen.is(&Kind::AgentError)).unwrap_or(events.len());
    let (before, after) = events.split_at((end + 1).min(events.len()));

    recording.step("stop_agent of the run that has failed");
    let answer = recording.answer_to("asking", recording.told("stop")?)?;
    let told = || match &answer {
        Some(answer) => match answer.message.error_code() {
            Some(code) => format!("{} {code}", answer.message.kind),
            None => answer.message.kind.to_string(),
        },
        None => "no answer".into(),
    };
    let over = answer.as_ref().and_then(|answer| answer.message.error_code()) == Some(ErrorCode::RunNotFound);
    let finding = if answer.is_some() { Finding::Accepted } else { Finding::NoAnswer };
    let expected = "error RUN_NOT_FOUND: the run is over";
    recording.holds(over, finding, expected, told, || recording.end_of("asking"))?;

    recording.step("what came after agent_error");
    let open = open_segments(before);
    let forbidden: Vec<_> = after.iter().filter(|seen| !is_stop_of(seen, &open)).collect();
    let told = || forbidden.iter().map(|seen| seen.message.kind.slug()).collect::<Vec<_>>().join(", ");
    let expected = "nothing of the run but agent_stopped of segments that were open";
    recording.holds(forbidden.is_empty(), Finding::UnexpectedEvent, expected, told, || {
        recording.only(forbidden.iter().copied())
    })?;
    let stopped: BTreeSet<_> = after.iter().filter_map(|seen| seen.message.text("agent_name")).collect();
    let left: Vec<_> = open.difference(&stopped).copied().collect();
    let (expected, told) = ("agent_stopped of every open segment", || format!("none of {}", left.join(", ")));
    recording.holds(left.is_empty(), Finding::MissingEvent, expected, told, || recording.only(&events))?;
    marker(recording)?;
    recording.conforms()
}

/// Agents whose segments were open when another one failed.
fn open_segments(events: &[Seen]) -> BTreeSet<&str> {
    let mut open = BTreeSet::new();
    for seen in events {
        let Some(agent) = seen.message.text("agent_name") else { continue };
        match &seen.message.kind {
            Kind::AgentStarted => drop(open.insert(agent)),
            kind if ends_run(kind) || *kind == Kind::AgentCompleted => drop(open.remove(agent)),
            _ => {}
        }
    }
    open
}

fn is_stop_of(seen: &Seen, open: &BTreeSet<&str>) -> bool {
    seen.is(&Kind::AgentStopped) && seen.message.text("agent_name").is_some_and(|agent| open.contains(agent))
}

/// A later run on the thread was seen to its end: what should have come before it has.
fn marker(recording: &Recording) -> Result<(), Stop> {
    let created = recording.answer_to("asking", recording.told("next")?)?;
    let next = created.as_ref().and_then(|created| created.message.run_id()).unwrap_or_default();
    let ended = recording.events_of("asking", next)?.iter().any(|seen| ends_run(&seen.message.kind));
    let missing = || {
        let what = "the run after it did not come to its end, so nothing tells what may still come of this one";
        Inconclusive::new(Blame::Target, what).with(recording.end_of("asking"))
    };
    ended.then_some(()).ok_or_else(|| missing().into())
}
