use super::course::Course;
use super::flows::PLAIN;
use crate::check;
use crate::check::{Check, Recording};
use crate::model::{Finding, Judgement};
use crate::wire::Kind;

pub(super) static CHECK: Check = check!("lifecycle/stream-equals-history", judge: judge, of: &PLAIN).smoke();

fn judge(recording: &Recording) -> Judgement {
    let run = recording.told("run")?;
    recording.step("the run's message in the history");
    let stored = Course::asked(recording)?.stored(recording)?;

    for part in ["asking", "second"] {
        recording.step(format!("the deltas of the {part} socket, joined"));
        let course = Course::of(recording, part, run)?;
        let deltas: Vec<_> = course.all(&Kind::PartialResult).filter_map(|seen| seen.message.content()).collect();
        let expected = format!("the message in the history: {stored:?}");
        let streamed = deltas.concat();
        let told = || format!("{streamed:?}");
        let finding = difference(&stored, &deltas);
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
