use serde_json::Value;

use crate::check;
use crate::check::work::{about, messages, run_ends};
use crate::check::{Check, Context, PLAIN_PROMPT, text};
use crate::model::{Effect, Finding, Judgement, Stop};
use crate::target::Socket;
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("isolation/events-reach-their-run", run).effects(&[Effect::Create]);

/// What no completed run lacks.
const DUE: [Kind; 4] = [Kind::AgentStarted, Kind::PartialResult, Kind::AgentCompleted, Kind::FinalReport];

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let (one, other) = (cx.thread(socket, "one").await?, cx.thread(socket, "other").await?);
    cx.step("three runs at once: one on a thread of its own, two on another thread");
    let threads = [&one, &other, &one];
    let ask = |thread: &&String| {
        let content = format!("{PLAIN_PROMPT} {}", cx.target().unique("asked"));
        about(Kind::UserMessage, thread).with("content", content).id(cx.target().unique("message"))
    };
    let asked: Vec<Message> = threads.iter().map(ask).collect();
    socket.burst(asked.len() as u64).await;
    for message in &asked {
        socket.send(message).await;
    }
    let mut runs = Vec::new();
    for (message, thread) in asked.iter().zip(threads) {
        let is_answer = |it: &Message| it.in_reply_to() == message.message_id.as_deref();
        let created = cx.told(socket, "the answer to each message", is_answer).await?;
        cx.same("thread_id of the answer", &Some(thread.as_str()), &created.thread_id(), || socket.evidence())?;
        runs.push((created.run_id().unwrap_or_default().to_owned(), thread));
    }
    for (run, _) in &runs {
        run_ends(cx, socket, run, cx.profile().thresholds.run).await?;
    }
    for (number, (run, thread)) in runs.iter().enumerate() {
        cx.step(format!("the events of run {}", number + 1));
        bound(cx, socket, run, thread)?;
    }
    for (number, (run, thread)) in runs.iter().enumerate() {
        cx.step(format!("run {} is whole", number + 1));
        for kind in &DUE {
            let is_there = messages(socket).any(|it| it.kind == *kind && it.run_id() == Some(run));
            let seen = || "none".into();
            cx.holds(is_there, Finding::MissingEvent, format!("{kind} of the run"), seen, || socket.evidence())?;
        }
        let (history, answer) = cx.rest(&login).messages(thread, 100, 0).await?;
        let is_own = |message: &&Value| message.pointer("/metadata/run_id").and_then(Value::as_str) == Some(run);
        let stored: String = history.iter().filter(is_own).map(|message| text(message, "content")).collect();
        let deltas = messages(socket).filter(|it| it.kind == Kind::PartialResult && it.run_id() == Some(run));
        let said: String = deltas.filter_map(Message::content).collect();
        cx.same("what the run has said", &stored, &said, || answer.evidence())?;
    }
    session.close().await;
    cx.conforms()
}

/// All events of the run name its thread.
fn bound(cx: &Context, socket: &Socket, run: &str, thread: &str) -> Result<(), Stop> {
    let stray = messages(socket).find(|it| it.run_id() == Some(run) && it.thread_id() != Some(thread));
    let seen = || stray.map_or_else(String::new, |it| format!("{} of thread {:?}", it.kind, it.thread_id()));
    let expected = format!("all events of run {run} on thread {thread}");
    cx.holds(stray.is_none(), Finding::WrongValue, expected, seen, || socket.evidence())
}
