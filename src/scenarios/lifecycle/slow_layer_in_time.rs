use std::time::Duration;

use super::course::Course;
use super::flows::PLAIN;
use crate::check;
use crate::check::{Check, Recording, ends_run};
use crate::model::{Finding, Judgement, NotVerified};

pub(super) static CHECK: Check = check!("lifecycle/slow-layer-in-time", judge: judge, of: &PLAIN);

fn judge(recording: &Recording) -> Judgement {
    let course = Course::asked(recording)?;
    let seconds = |name| recording.fact(name).map(|fact| fact.as_f64().unwrap_or_default());
    let (asked, waited) = (seconds("asked_s")?, Duration::from_secs_f64(seconds("window_s")?));
    let limit = recording.thresholds.run;
    let end = course.events.iter().find(|seen| ends_run(&seen.message.kind));
    let took = end.map(|seen| seen.at.as_secs_f64() - asked);
    recording.step("from the request to the run's end");
    if took.is_none() && waited < limit {
        return Err(NotVerified::TooLong { needs: limit * 4 / 3, limit: waited * 4 / 3 }.into());
    }
    if let Some(took) = took {
        recording.figure(format!("the run took {:.0} ms (at most {} s)", took * 1e3, limit.as_secs_f64()));
    }
    let expected = format!("the run's end within {} s", limit.as_secs_f64());
    let told = || took.map_or_else(|| "no end by then".to_owned(), |took| format!("{took:.1} s"));
    let in_time = took.is_some_and(|took| took <= limit.as_secs_f64());
    if !in_time {
        recording.punctual(limit)?;
    }
    recording.holds(in_time, Finding::Late, expected, told, || course.evidence(recording))
        .map_err(|stop| stop.within("thresholds.run_s"))?;
    recording.conforms()
}
