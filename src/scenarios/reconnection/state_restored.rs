use serde_json::Value;

use super::interrupted::FLOW;
use super::tale::{Restore, Tale, tales, witnessed};
use crate::check;
use crate::check::{Check, Recording, Seen, ends_run};
use crate::model::{Finding, Judgement, Stop};
use crate::wire::Kind;

pub(super) static CHECK: Check = check!("reconnection/state-restored", judge: judge, of: &FLOW);

fn judge(recording: &Recording) -> Judgement {
    for tale in tales(recording)? {
        for (number, restore) in tale.restores.iter().enumerate() {
            recording.step(format!("session_restored after {}", restore.style.words()));
            told(recording, &tale, restore, &tale.restored(recording, number)?)?;
        }
    }
    recording.conforms()
}

/// What is told must be true of the run, as the witness saw it.
fn told(recording: &Recording, tale: &Tale, restore: &Restore, restored: &Seen) -> Result<(), Stop> {
    let same = |what: &str, due: &[Value], seen: Option<&Value>| {
        let expected = due.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        let told = || format!("{what} {}", seen.unwrap_or(&Value::Null));
        let right = due.contains(seen.unwrap_or(&Value::Null));
        recording.holds(right, Finding::WrongValue, format!("{what} {expected}"), told, || recording.around(restored))
    };
    let message = &restored.message;
    let run = message.field("run");
    let of_run = |name: &str| run.and_then(|run| run.get(name));
    same("thread_id", &[tale.thread.as_str().into()], message.field("thread_id"))?;
    same("run.run_id", &[restore.run.as_str().into()], of_run("run_id"))?;

    let witnessed = witnessed(recording, tale)?;
    let events = || witnessed.iter().filter(|seen| seen.message.run_id() == Some(&restore.run));
    let before = |seen: &&Seen| seen.at.as_secs_f64() < restore.asked_s;
    let end = events().find(|seen| ends_run(&seen.message.kind));
    let last = match end.map(|seen| &seen.message.kind) {
        Some(Kind::AgentError) => "failed",
        Some(Kind::AgentStopped) => "stopped",
        Some(Kind::StreamTerminated) => "terminated",
        _ => "completed",
    };
    // Between the question and its answer the run may have ended.
    let statuses: &[Value] = match end {
        Some(end) if before(&end) => &[last.into()],
        _ => &["running".into(), last.into()],
    };
    same("run.status", statuses, of_run("status"))?;

    // The step that was told of last before the question, or a later one.
    let step = |seen: &Seen| seen.message.field("step_number").and_then(Value::as_u64);
    let known = events().filter(before).filter_map(step).next_back();
    let mut steps: Vec<Value> = events().filter_map(step).filter(|step| Some(*step) >= known).map(Value::from).collect();
    steps.dedup();
    if known.is_none() {
        steps.push(Value::Null);
    }
    same("run.step_number", &steps, of_run("step_number"))
}
