use super::course::Course;
use super::flows::TOOLS;
use crate::check;
use crate::check::{Check, Recording};
use crate::model::{Finding, Judgement};
use crate::wire::Kind;

pub(super) static CHECK: Check = check!("lifecycle/tool-events-emitted", judge: judge, of: &TOOLS);

fn judge(recording: &Recording) -> Judgement {
    let course = Course::asked(recording)?;
    let count = |kind: &Kind| course.all(kind).count();
    let (begun, ended) = (count(&Kind::ToolExecuting), count(&Kind::ToolCompleted));
    recording.step("a run that uses tools");
    let seen = || format!("{begun} tool_executing and {ended} tool_completed");
    let evidence = || course.evidence(recording);
    let expected = "tool_executing and tool_completed for each tool, and at least one tool";
    recording.holds(begun > 0 && begun == ended, Finding::MissingEvent, expected, seen, evidence)?;
    recording.conforms()
}
