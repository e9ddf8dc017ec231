use serde_json::Value;

use super::course::Course;
use super::flows::PLAIN;
use crate::check;
use crate::check::{Check, Recording};
use crate::model::{Finding, Judgement};
use crate::wire::{Endpoint, Kind};

pub(super) static CHECK: Check = check!("lifecycle/stream-equals-history", judge: judge, of: &PLAIN).smoke();

fn judge(recording: &Recording) -> Judgement {
    let run = recording.told("run")?;
    let page = recording.contract().read_body(Endpoint::ListMessages, &recording.body("history")?);
    let messages = page.get("messages").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_own = |message: &&Value| message.pointer("/metadata/run_id").and_then(Value::as_str) == Some(run);
    let own: Vec<_> = messages.iter().filter(is_own).filter_map(|message| message.get("content")?.as_str()).collect();
    recording.step("the run's message in the history");
    let told = || format!("{} messages with its run_id in metadata", own.len());
    let evidence = || recording.end_of("history");
    recording.holds(own.len() == 1, Finding::MissingEvent, "one assistant message of the run", told, evidence)?;
    let stored = own.first().copied().unwrap_or_default();

    for part in ["asking", "second"] {
        recording.step(format!("the deltas of the {part} socket, joined"));
        let course = Course::of(recording, part, run)?;
        let deltas: Vec<_> = course.all(&Kind::PartialResult).filter_map(|seen| seen.message.content()).collect();
        let expected = format!("the message in the history: {stored:?}");
        let streamed = deltas.concat();
        let told = || format!("{streamed:?}");
        let finding = difference(stored, &deltas);
        let is_equal = !stored.is_empty() && streamed == stored;
        recording.holds(is_equal, finding, expected, told, || course.evidence(recording))?;
    }
    recording.conforms()
}

/// What became of the stream on its way, as far as the deltas themselves tell.
fn difference(stored: &str, deltas: &[&str]) -> Finding {
    let streamed = deltas.concat();
    let twice = (1..deltas.len()).any(|place| deltas[place] == deltas[place - 1] && {
        let (before, after) = deltas.split_at(place);
        before.concat() + &after[1..].concat() == stored
    });
    let letters = |text: &str| {
        let mut letters: Vec<_> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    if twice {
        Finding::Duplicated
    } else if letters(&streamed) == letters(stored) {
        Finding::WrongOrder
    } else if streamed.len() < stored.len() {
        Finding::Lost
    } else {
        Finding::WrongValue
    }
}
