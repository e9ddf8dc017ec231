use std::time::Duration;

use super::failure::{FLOW, error};
use crate::check;
use crate::check::{Check, Recording};
use crate::model::{Finding, Judgement};

pub(super) static CHECK: Check = check!("recovery/failure-emits-error", judge: judge, of: &FLOW);

fn judge(recording: &Recording) -> Judgement {
    let (run, thread) = (recording.told("run")?, recording.told("thread")?);
    for part in ["asking", "second"] {
        recording.step(format!("the failure on the {part} socket"));
        let told = error(recording, part)?;
        let never = || "none".to_owned();
        let expected = "agent_error of the run that failed";
        recording.holds(told.is_some(), Finding::MissingEvent, expected, never, || recording.end_of(part))?;
        let Some(told) = told else { continue };
        for (field, due) in [("run_id", run), ("thread_id", thread)] {
            let seen = told.message.text(field);
            let (expected, other) = (format!("{field} {due}"), || format!("{field} {}", seen.unwrap_or("missing")));
            recording.holds(seen == Some(due), Finding::WrongValue, expected, other, || recording.around(&told))?;
        }
        recording.fits(&told)?;
    }

    recording.step("the time until agent_error");
    let Some(told) = error(recording, "asking")? else { return recording.conforms() };
    let seconds = |name| recording.fact(name).map(|fact| fact.as_f64().unwrap_or_default());
    let (took, window) = (told.at.as_secs_f64() - seconds("asked_s")?, Duration::from_secs_f64(seconds("window_s")?));
    recording.figure(format!("agent_error after {:.0} ms (window {} ms)", took * 1e3, window.as_millis()));
    let in_time = took <= window.as_secs_f64();
    if !in_time {
        recording.punctual(window)?;
    }
    let (expected, seen) = (format!("agent_error within {} s", window.as_secs_f64()), || format!("after {took:.1} s"));
    recording
        .holds(in_time, Finding::Late, expected, seen, || recording.around(&told))
        .map_err(|stop| stop.within("thresholds.agent_error_s"))?;
    recording.conforms()
}
