use std::collections::BTreeSet;

use futures_util::future::try_join_all;

use super::owner::Owner;
use crate::check;
use crate::check::work::entry;
use crate::check::{Check, Context};
use crate::model::{Effect, Finding, Judgement};
use crate::target::Socket;
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("threads/concurrent-creates-distinct", run).effects(&[Effect::Create]);

/// Most threads that are created at once.
const MOST: u64 = 20;
/// Of four of them, one is created over REST.
const OVER_REST: u64 = 4;

async fn run(cx: &Context) -> Judgement {
    let mut owner = Owner::of(cx).await?;
    let count = MOST.min(cx.config().rate_limit.messages / 2).max(1);
    let over_rest = count / OVER_REST;
    cx.step(format!("{count} threads are created at once, {over_rest} of them over REST"));
    let mut asked = [Vec::new(), Vec::new()];
    for number in 0..count - over_rest {
        let create = Message::new(Kind::CreateThread).with("title", cx.target().title("at once"));
        asked[usize::from(number % 2 == 1)].push(create.id(cx.target().unique("create")));
    }
    owner.asking.socket.burst(asked[0].len() as u64).await;
    owner.second.socket.burst(asked[1].len() as u64).await;
    let rest = owner.rest.clone();
    let mut threads = {
        let [(_, asking), (_, second)] = owner.sockets();
        let create = || rest.create("at once, over REST");
        let by_rest = try_join_all((0..over_rest).map(|_| create()));
        let (_, _, by_rest) = tokio::join!(send_all(asking, &asked[0]), send_all(second, &asked[1]), by_rest);
        by_rest?
    };
    for ((_, socket), asked) in owner.sockets().into_iter().zip(&asked) {
        for request in asked {
            let id = request.message_id.as_deref();
            let answers = |it: &Message| it.kind == Kind::ThreadCreated && it.in_reply_to() == id;
            let created = cx.told(socket, "thread_created that answers each of them", answers).await?;
            threads.push(created.thread_id().unwrap_or_default().to_owned());
        }
    }
    let distinct: BTreeSet<_> = threads.iter().collect();
    let seen = || format!("{} different ids", distinct.len());
    let expected = format!("{count} ids");
    cx.holds(distinct.len() == threads.len(), Finding::Duplicated, expected, seen, || cx.evidence())?;
    let all = |list: &[serde_json::Value]| threads.iter().all(|thread| entry(list, thread).is_some());
    let (list, answer) = cx.settled(|| owner.rest.threads(), |(list, _)| all(list)).await?;
    let seen = || "some of them are missing".into();
    cx.holds(all(&list), Finding::Lost, "all of them in the list", seen, || answer.evidence())?;
    owner.leave().await;
    cx.conforms()
}

/// Sends them without waiting for answers.
async fn send_all(socket: &Socket, messages: &[Message]) {
    for message in messages {
        socket.send(message).await;
    }
}
