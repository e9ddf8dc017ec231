use super::course::Course;
use super::flows::PLAIN;
use crate::check;
use crate::check::{Check, Recording};
use crate::model::{Finding, Judgement};
use crate::wire::Kind;

pub(super) static CHECK: Check =
    check!("lifecycle/required-events-emitted", judge: judge, of: &PLAIN).smoke().required();

/// What every completed run shows.
const REQUIRED: [Kind; 5] =
    [Kind::AgentStarted, Kind::AgentThinking, Kind::PartialResult, Kind::AgentCompleted, Kind::FinalReport];

fn judge(recording: &Recording) -> Judgement {
    let course = Course::asked(recording)?;
    for kind in REQUIRED.into_iter().filter(|kind| recording.contract().declares_kind(kind)) {
        recording.step(format!("a plain run shows {kind}"));
        let seen = || {
            let kinds: Vec<_> = course.events.iter().map(|seen| seen.message.kind.slug()).collect();
            format!("only {}", if kinds.is_empty() { "silence".to_owned() } else { kinds.join(", ") })
        };
        let expected = format!("at least one {kind}");
        let is_there = course.all(&kind).next().is_some();
        recording.holds(is_there, Finding::MissingEvent, expected, seen, || course.evidence(recording))?;
    }
    recording.conforms()
}
