use super::flows::PLAIN;
use crate::check;
use crate::check::{Check, Recording};
use crate::model::{Finding, Judgement};

pub(super) static CHECK: Check = check!("lifecycle/sequence-gap-free", judge: judge, of: &PLAIN);

fn judge(recording: &Recording) -> Judgement {
    for part in ["asking", "second"] {
        recording.step(format!("the numbers on the {part} socket"));
        let seen = recording.seen(part)?;
        let is_numbered = seen.iter().any(|seen| seen.message.sequence.is_some());
        for (place, seen) in seen.iter().enumerate() {
            let due = is_numbered.then_some(place as u64 + 1);
            let told = seen.message.sequence;
            let finding = if told < due { Finding::Duplicated } else { Finding::Lost };
            let word = |number: Option<u64>| number.map_or_else(|| "no number".to_owned(), |it| format!("number {it}"));
            let other = || format!("{} on {}", word(told), seen.message.kind);
            recording.holds(told == due, finding, word(due), other, || recording.around(seen))?;
        }
    }
    recording.conforms()
}
