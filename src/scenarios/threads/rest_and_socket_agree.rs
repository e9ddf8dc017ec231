use std::collections::BTreeSet;
use std::time::Instant;

use super::operations::{Operation, script};
use super::player::{Player, Stumble};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Deviation, Effect, Judgement, Stop};

pub(super) static CHECK: Check = check!("threads/rest-and-socket-agree", run).effects(&[Effect::Create]);

/// Most operations.
const MOST: u64 = 50;
/// A deviation is made shorter within this part of the check's limit.
const SHRINKING: u32 = 3;

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let session = cx.session(&login.access).await?;
    let count = MOST.min(cx.config().rate_limit.messages / 2).max(1);
    let script = script(cx.target().seed(), usize::try_from(count).unwrap_or_default());
    cx.figure(format!("{count} operations of seed {}", cx.target().seed()));
    let mut player = Player::new(cx, cx.rest(&login), session.socket);
    match player.play(&script).await {
        Ok(()) => cx.conforms(),
        Err(Stumble { at, why: Stop::Deviates(deviation) }) => {
            Err(shrunk(cx, &mut player, &script, at, *deviation).await)
        }
        Err(other) => Err(other.why),
    }
}

/// The deviation, with the shortest script found that leads to one of its kind.
async fn shrunk(cx: &Context, player: &mut Player<'_>, script: &[Operation], at: usize, first: Deviation) -> Stop {
    let end = Instant::now() + cx.profile().limits.check / SHRINKING;
    let finding = first.finding;
    let (mut best, mut shortest) = (first, until(script, at));
    let of_thread = |thread: usize| move |operation: &&Operation| operation.thread == thread;
    let threads: BTreeSet<usize> = shortest.iter().rev().map(|operation| operation.thread).collect();
    let mut candidates: Vec<Vec<Operation>> =
        threads.iter().map(|thread| shortest.iter().filter(of_thread(*thread)).copied().collect()).collect();
    // The thread at which it was seen comes first: popped from the end.
    candidates.sort_by_key(|candidate| script.get(at).is_some_and(|last| candidate.contains(last)));
    while let Some(candidate) = candidates.pop() {
        if candidate.len() >= shortest.len() || Instant::now() >= end {
            continue;
        }
        let Err(Stumble { at, why: Stop::Deviates(deviation) }) = player.play(&candidate).await else { continue };
        if deviation.finding == finding {
            (best, shortest) = (*deviation, until(&candidate, at));
            candidates = without_each(&shortest);
        }
    }
    let scripted = shortest.iter().enumerate().map(|(number, operation)| format!("{}. {operation}", number + 1));
    best.evidence.facts.push(format!("script of {} operations, shrunk from {}:", shortest.len(), until(script, at).len()));
    best.evidence.facts.extend(scripted);
    best.into()
}

/// What was played when it stumbled.
fn until(script: &[Operation], at: usize) -> Vec<Operation> {
    script[..script.len().min(at + 1)].to_vec()
}

/// The script without its first operation, its second one, and so on: the last is tried first.
fn without_each(script: &[Operation]) -> Vec<Vec<Operation>> {
    let without = |left_out: usize| {
        let kept = script.iter().enumerate().filter(move |(number, _)| *number != left_out);
        kept.map(|(_, operation)| *operation).collect()
    };
    (0..script.len()).map(without).collect()
}
