use serde_json::Value;

use super::interrupted::FLOW;
use super::tale::{evidence, event, places, tales, witnessed};
use crate::check;
use crate::check::{Check, Recording, Seen};
use crate::model::{Finding, Judgement};

pub(super) static CHECK: Check = check!("reconnection/replay-before-live", judge: judge, of: &FLOW);

fn judge(recording: &Recording) -> Judgement {
    for tale in tales(recording)? {
        let witnessed = witnessed(recording, &tale)?;
        let places = places(&witnessed);
        for (number, restore) in tale.restores.iter().enumerate() {
            recording.step(format!("the first frames after {}", restore.style.words()));
            let taken = tale.taken_after(recording, number)?;
            let replayed = tale.restored(recording, number)?.message.field("replayed").and_then(Value::as_u64);
            let last_missed = restore.lost.sequence.zip(replayed).map(|(last, replayed)| last + replayed);
            // Without numbers: what the witness had before the session was asked for was surely missed, of the
            // session's own runs; the rest may be live.
            let is_missed = |seen: &Seen| match (seen.message.sequence, last_missed) {
                (Some(number), Some(last)) => Some(number <= last),
                _ => Some(witnessed[*places.get(event(seen))?].at.as_secs_f64() < restore.asked_s),
            };
            let Some(last) = taken.iter().rposition(|seen| is_missed(seen) == Some(true)) else { continue };
            let early = taken[..last].iter().find(|seen| is_missed(seen) == Some(false));
            let expected = "every missed frame before the first live one";
            let seen = || early.map_or_else(String::new, |seen| format!("{} of a later time before one", seen.message.kind));
            let shown = || evidence(recording, early.into_iter().chain([&taken[last]]));
            recording.holds(early.is_none(), Finding::WrongOrder, expected, seen, shown)?;
        }
    }
    recording.conforms()
}
