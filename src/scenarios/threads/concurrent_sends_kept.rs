use serde_json::Value;

use super::owner::Owner;
use crate::check;
use crate::check::work::{about, stop};
use crate::check::{Check, Context, PLAIN_PROMPT, text};
use crate::model::{Effect, Finding, Judgement};
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("threads/concurrent-sends-kept", run).effects(&[Effect::Create]);

/// Messages of each socket: each starts a run.
const EACH: usize = 3;

async fn run(cx: &Context) -> Judgement {
    let mut owner = Owner::of(cx).await?;
    let thread = cx.thread(&mut owner.asking.socket, "written by two").await?;
    cx.step(format!("two sockets send {EACH} messages each, at once"));
    let message = |_| {
        let content = format!("{PLAIN_PROMPT} {}", cx.target().unique("said"));
        about(Kind::UserMessage, &thread).with("content", content).id(cx.target().unique("message"))
    };
    let said: [Vec<Message>; 2] = [(0..EACH).map(message).collect(), (0..EACH).map(message).collect()];
    owner.asking.socket.burst(EACH as u64).await;
    owner.second.socket.burst(EACH as u64).await;
    for (one, other) in said[0].iter().zip(&said[1]) {
        tokio::join!(owner.asking.socket.send(one), owner.second.socket.send(other));
    }
    let mut stored = Vec::new();
    for ((_, socket), said) in owner.sockets().into_iter().zip(&said) {
        for message in said {
            let answers = |it: &Message| it.in_reply_to() == message.message_id.as_deref();
            let created = cx.told(socket, "the answer to each message", answers).await?;
            cx.same("the answer", &Kind::MessageCreated, &created.kind, || socket.evidence())?;
            stored.push(created);
        }
    }
    cx.step("the history of the thread");
    let count = |history: &[Value], created: &Message| {
        let (id, content) = (created.text("id").unwrap_or_default(), created.content().unwrap_or_default());
        history.iter().filter(|it| text(it, "id") == id && text(it, "content") == content).count()
    };
    let whole = |history: &[Value]| stored.iter().all(|created| count(history, created) == 1);
    let rest = owner.rest.clone();
    let (history, answer) = cx.settled(|| rest.messages(&thread, 100, 0), |(history, _)| whole(history)).await?;
    for created in &stored {
        let times = count(&history, created);
        let finding = if times == 0 { Finding::Lost } else { Finding::Duplicated };
        let seen = || format!("{:?} is there {times} times", created.content());
        cx.holds(times == 1, finding, "every message that was answered, once", seen, || answer.evidence())?;
    }
    for created in &stored {
        stop(cx, &mut owner.asking.socket, created.run_id().unwrap_or_default()).await?;
    }
    owner.leave().await;
    cx.conforms()
}
