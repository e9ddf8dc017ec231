use std::time::Duration;

use super::course::{Course, agent};
use super::timed::{self, TOOLS};
use crate::check;
use crate::check::{Check, Recording};
use crate::model::Judgement;
use crate::wire::Kind;

pub(super) static CHECK: Check = check!("lifecycle/tools-announced-in-time", judge: judge, of: &TOOLS);

fn judge(recording: &Recording) -> Judgement {
    let runs = timed::told(recording)?;
    recording.step("what a tool takes beyond the time between its two events");
    let took: Vec<_> = runs.iter().map(|(_, course)| longest(course)).collect();
    let evidence = || recording.end_of("asking");
    timed::within(recording, "tool_executing", recording.thresholds.fast, &took, evidence)
        .map_err(|stop| stop.within("thresholds.fast_s"))?;
    recording.conforms()
}

/// By how much the slowest tool's own `duration_ms` exceeds the time between its two events: so late
/// was it announced. `None` where no tool was seen to its end.
fn longest(course: &Course) -> Option<Duration> {
    let late = course.all(&Kind::ToolCompleted).filter_map(|ended| {
        let (agent_name, tool) = (agent(&ended.message), ended.message.text("tool_name"));
        let is_it = |begun: &&crate::check::Seen| {
            begun.at <= ended.at && agent(&begun.message) == agent_name && begun.message.text("tool_name") == tool
        };
        let begun = course.all(&Kind::ToolExecuting).rfind(is_it)?;
        let stated = ended.message.field("duration_ms")?.as_f64()? / 1e3;
        Some(Duration::try_from_secs_f64(stated).ok()?.saturating_sub(ended.at - begun.at))
    });
    late.max()
}
