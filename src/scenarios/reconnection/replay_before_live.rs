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
            let taken = tale.taken(recording, number + 1)?;
            let witnessed_at = |seen: &Seen| places.get(event(seen)).map(|place| witnessed[*place].at.as_secs_f64());
            // What the witness had before the session was asked for was surely missed.
            let is_missed = |seen: &&Seen| witnessed_at(seen).is_some_and(|at| at < restore.asked_s);
            let is_live = |seen: &&Seen| witnessed_at(seen).is_some_and(|at| at >= restore.asked_s);
            let last_missed = taken.iter().rposition(|seen| is_missed(&seen)).unwrap_or_default();
            let overtaken = &taken[last_missed.min(taken.len())..];
            let early = taken[..last_missed].iter().find(is_live);
            let seen = || early.map_or_else(String::new, |seen| format!("{} of a later time before it", seen.message.kind));
            let expected = "every missed frame before the first live one";
            let shown = || evidence(recording, early.into_iter().chain(overtaken.first()));
            recording.holds(early.is_none(), Finding::WrongOrder, expected, seen, shown)?;
        }
    }
    recording.conforms()
}
