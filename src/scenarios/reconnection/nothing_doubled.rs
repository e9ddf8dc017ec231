use std::collections::BTreeSet;

use super::interrupted::FLOW;
use super::tale::{event, places, tales, witnessed};
use crate::check;
use crate::check::{Check, Recording};
use crate::model::{Finding, Judgement};

pub(super) static CHECK: Check = check!("reconnection/nothing-doubled", judge: judge, of: &FLOW);

fn judge(recording: &Recording) -> Judgement {
    for tale in tales(recording)? {
        let witnessed = witnessed(recording, &tale)?;
        let known = places(&witnessed);
        let mut had = BTreeSet::new();
        for number in 0..tale.parts.len() {
            let (step, taken) = match number.checked_sub(1) {
                None => ("before the first drop".to_owned(), tale.taken(recording, 0)?),
                Some(before) => {
                    let style = tale.restores[before].style.words();
                    (format!("after {style}"), tale.taken_after(recording, before)?)
                }
            };
            recording.step(step);
            for seen in taken {
                let first = event(&seen).is_empty() || had.insert(event(&seen).to_owned());
                let what = || format!("{} `{}`, a second time", seen.message.kind, event(&seen));
                let expected = "each event once, before a drop or after it";
                recording.holds(first, Finding::Duplicated, expected, what, || recording.around(&seen))?;
                let is_known = !tale.concerns(&seen.message) || known.contains_key(event(&seen));
                let what = || format!("{} `{}`", seen.message.kind, event(&seen));
                let expected = "only events that a second socket saw, too";
                recording.holds(is_known, Finding::UnexpectedEvent, expected, what, || recording.around(&seen))?;
            }
        }
    }
    recording.conforms()
}
