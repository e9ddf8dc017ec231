use std::collections::BTreeSet;

use super::interrupted::FLOW;
use super::tale::{Tale, event, evidence, is_resumed, tales, witnessed};
use crate::check;
use crate::check::{Check, Recording, Seen};
use crate::model::{Blame, Finding, Inconclusive, Judgement, NotVerified, Stop};

pub(super) static CHECK: Check = check!("reconnection/nothing-lost", judge: judge, of: &FLOW);

fn judge(recording: &Recording) -> Judgement {
    for tale in tales(recording)? {
        recording.step(format!("the session that lost {} connections", tale.restores.len()));
        let due = witnessed(recording, &tale)?;
        let missed = missed(recording, &tale, &due)?;
        let mut everything: Vec<Seen> = Vec::new();
        for number in 0..tale.parts.len() {
            everything.extend(tale.taken(recording, number)?);
        }
        let taken: Vec<&Seen> = everything.iter().filter(|seen| tale.concerns(&seen.message)).collect();
        let had: BTreeSet<&str> = taken.iter().map(|seen| event(seen)).collect();
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
        no_gap(recording, &tale, &everything)?;
    }
    recording.conforms()
}

/// Where frames are numbered, none may be missing, whatever it said; a new session counts anew.
fn no_gap(recording: &Recording, tale: &Tale, everything: &[Seen]) -> Result<(), Stop> {
    for number in 0..tale.restores.len() {
        if !is_resumed(&tale.restored(recording, number)?) {
            return Ok(());
        }
    }
    let numbers: BTreeSet<u64> = everything.iter().filter_map(|seen| seen.message.sequence).collect();
    let gap = (1..=numbers.last().copied().unwrap_or_default()).find(|number| !numbers.contains(number));
    let after = everything.iter().filter(|seen| seen.message.sequence > gap);
    let seen = || format!("number {} never came", gap.unwrap_or_default());
    let expected = "every number of the session, on one connection or another";
    recording.holds(gap.is_none(), Finding::Lost, expected, seen, || evidence(recording, after))
}

/// Events that the witness had seen and the session had not when it was asked for again.
fn missed(recording: &Recording, tale: &Tale, due: &[Seen]) -> Result<BTreeSet<String>, Stop> {
    let (mut missed, mut had) = (BTreeSet::new(), BTreeSet::new());
    let everything = recording.seen("witness")?;
    for (number, restore) in tale.restores.iter().enumerate() {
        let taken = tale.taken(recording, number)?;
        had.extend(taken.iter().map(|seen| event(seen).to_owned()));
        let before = |seen: &&Seen| seen.at.as_secs_f64() < restore.asked_s;
        let last = taken.last().map(|seen| seen.at).unwrap_or_default();
        let passed = everything.iter().filter(before).filter(|seen| seen.at >= last).count() as u64;
        if passed >= recording.config.replay.events && !is_resumed(&tale.restored(recording, number)?) {
            let what = format!("{passed} frames passed within one drop, more than must be kept");
            return Err(NotVerified::NotProvoked(what).into());
        }
        let new = due.iter().filter(before).map(event).filter(|id| !had.contains(*id));
        missed.extend(new.map(str::to_owned));
    }
    if missed.is_empty() {
        let what = format!("nothing happened while the session `{}` was away", tale.name);
        return Err(Inconclusive::new(Blame::Target, what).into());
    }
    Ok(missed)
}
