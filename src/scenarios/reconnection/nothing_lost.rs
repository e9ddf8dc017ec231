use std::collections::BTreeSet;

use super::interrupted::FLOW;
use super::tale::{Tale, event, evidence, tales, witnessed};
use crate::check;
use crate::check::{Check, Recording, Seen};
use crate::model::{Blame, Finding, Inconclusive, Judgement, NotVerified, Stop};

pub(super) static CHECK: Check = check!("reconnection/nothing-lost", judge: judge, of: &FLOW);

fn judge(recording: &Recording) -> Judgement {
    for tale in tales(recording)? {
        recording.step(format!("the session that lost {} connections", tale.restores.len()));
        let due = witnessed(recording, &tale)?;
        let missed = missed(recording, &tale, &due)?;
        let mut taken: Vec<Seen> = Vec::new();
        for number in 0..tale.parts.len() {
            taken.extend(tale.taken(recording, number)?.into_iter().filter(|seen| tale.concerns(&seen.message)));
        }
        let had: BTreeSet<&str> = taken.iter().map(event).collect();
        let known: BTreeSet<&str> = due.iter().map(event).collect();
        let lost: Vec<&Seen> = due.iter().filter(|seen| !had.contains(event(seen))).collect();
        let sums = format!(
            "{}: {} events, {} missed in {} drops, {} recovered, {} lost, {} duplicated, {} unexpected",
            tale.name,
            due.len(),
            missed.len(),
            tale.restores.len(),
            missed.iter().filter(|id| had.contains(id.as_str())).count(),
            lost.len(),
            taken.len() - had.len(),
            had.difference(&known).count(),
        );
        recording.figure(sums.as_str());
        let seen = || format!("{} of {} events never came, first {}", lost.len(), due.len(), lost[0].message.kind);
        let expected = "every event of the runs, before a drop or after it";
        recording.holds(lost.is_empty(), Finding::Lost, expected, seen, || evidence(recording, lost.iter().copied()))?;
    }
    recording.conforms()
}

/// Events that the witness had seen and the session had not when it was asked for again.
fn missed(recording: &Recording, tale: &Tale, due: &[Seen]) -> Result<BTreeSet<String>, Stop> {
    let (mut missed, mut had) = (BTreeSet::new(), BTreeSet::new());
    for (number, restore) in tale.restores.iter().enumerate() {
        had.extend(tale.taken(recording, number)?.iter().map(|seen| event(seen).to_owned()));
        let before = |seen: &&Seen| seen.at.as_secs_f64() < restore.asked_s && !had.contains(event(seen));
        let now: Vec<_> = due.iter().filter(before).map(|seen| event(seen).to_owned()).collect();
        if now.len() as u64 >= recording.config.replay.events {
            let what = format!("{} events passed within one drop, more than must be kept", now.len());
            return Err(NotVerified::NotProvoked(what).into());
        }
        missed.extend(now);
    }
    if missed.is_empty() {
        let what = format!("nothing happened while the session `{}` was away", tale.name);
        return Err(Inconclusive::new(Blame::Target, what).into());
    }
    Ok(missed)
}
