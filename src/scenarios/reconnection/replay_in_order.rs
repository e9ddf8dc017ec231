use std::collections::BTreeMap;

use super::interrupted::FLOW;
use super::tale::{Restore, Tale, event, evidence, places, tales, witnessed};
use crate::check;
use crate::check::{Check, Recording, Seen};
use crate::model::{Finding, Judgement, Stop};

pub(super) static CHECK: Check = check!("reconnection/replay-in-order", judge: judge, of: &FLOW);

fn judge(recording: &Recording) -> Judgement {
    for tale in tales(recording)? {
        for (number, restore) in tale.restores.iter().enumerate() {
            let taken = tale.taken_after(recording, number)?;
            recording.step(format!("numbers after {}", restore.style.words()));
            numbered_on(recording, restore, &taken)?;
            recording.step(format!("order after {}", restore.style.words()));
            in_order(recording, &tale, &taken)?;
        }
    }
    recording.conforms()
}

/// Where frames are numbered: from the last one seen + 1, without a gap.
fn numbered_on(recording: &Recording, restore: &Restore, taken: &[Seen]) -> Result<(), Stop> {
    let Some(last) = restore.lost.sequence else { return Ok(()) };
    let numbers: Vec<_> = taken.iter().map(|seen| seen.message.sequence).collect();
    for (due, seen) in (last + 1..).zip(taken) {
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        let only_order = sorted.iter().copied().eq((last + 1..).map(Some).take(sorted.len()));
        let finding = if only_order { Finding::WrongOrder } else { Finding::WrongValue };
        let told = || seen.message.sequence.map_or_else(|| "no sequence".into(), |number| format!("sequence {number}"));
        let right = seen.message.sequence == Some(due);
        recording.holds(right, finding, format!("sequence {due}"), told, || recording.around(seen))?;
    }
    Ok(())
}

/// The events of each run in the order in which the witness saw them.
fn in_order(recording: &Recording, tale: &Tale, taken: &[Seen]) -> Result<(), Stop> {
    let witnessed = witnessed(recording, tale)?;
    let places = places(&witnessed);
    let mut latest: BTreeMap<&str, (usize, &Seen)> = BTreeMap::new();
    for seen in taken.iter().filter(|seen| tale.concerns(&seen.message)) {
        let run = seen.message.run_id().unwrap_or_default();
        let Some(place) = places.get(event(seen)).copied() else { continue };
        let before = latest.insert(run, (place, seen)).filter(|(before, _)| *before > place);
        let told = || before.map_or_else(String::new, |(_, it)| format!("{} after it: {}", it.message.kind, event(seen)));
        let expected = "the order in which a second socket saw them";
        let shown = || evidence(recording, before.map(|(_, it)| it).into_iter().chain([seen]));
        recording.holds(before.is_none(), Finding::WrongOrder, expected, told, shown)?;
    }
    Ok(())
}
