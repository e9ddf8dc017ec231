use serde_json::Value;

use super::history::{Line, same};
use crate::check;
use crate::check::work::about;
use crate::check::{Check, Context, Rest, items};
use crate::model::{Effect, Finding, Judgement, Stop};
use crate::target::{Received, Socket};
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("threads/switch-loads-history", run).smoke().effects(&[Effect::Create]);

/// Texts that differ in what careless code sorts, escapes or cuts.
const TEXTS: [&str; 3] = ["zebra first", "Äpfel & <b>Birnen</b>", "1, \"two\",\nthree"];

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let rest = cx.rest(&login);
    let mut session = cx.session(&login.access).await?;
    cx.step("two threads with messages");
    let (first, second) = (written(cx, &rest, &TEXTS).await?, written(cx, &rest, &TEXTS[..2]).await?);
    let switches = [("first", &first), ("second", &second), ("first", &first)];
    for (name, (thread, lines)) in switches {
        cx.step(format!("switching to the {name} thread"));
        loads(cx, &mut session.socket, thread, lines).await?;
    }
    cx.step("what came beside that, up to the answer to a ping");
    cx.ask(&mut session.socket, Message::new(Kind::Ping)).await?;
    let is_loaded = |received: &&Received| received.kind() == Some(&Kind::ThreadLoaded);
    let loaded = session.socket.seen().iter().filter(is_loaded).count();
    let (expected, seen) = ("thread_loaded once for each switch", || format!("{loaded} for {} switches", switches.len()));
    cx.holds(loaded == switches.len(), Finding::Duplicated, expected, seen, || session.socket.evidence())?;
    session.close().await;
    cx.conforms()
}

/// A thread with these messages.
async fn written(cx: &Context, rest: &Rest<'_>, texts: &[&str]) -> Result<(String, Vec<Line>), Stop> {
    let thread = rest.create("to be switched to").await?;
    let mut lines = Vec::new();
    for text in texts {
        let content = format!("{text} – {}", cx.target().unique("line"));
        lines.push(Line::of_user(rest.post(&thread, &content).await?, content));
    }
    Ok((thread, lines))
}

/// `thread_switched`, then `thread_loaded` with exactly these messages.
async fn loads(cx: &Context, socket: &mut Socket, thread: &str, lines: &[Line]) -> Result<(), Stop> {
    let switched = cx.ask(socket, about(Kind::SwitchThread, thread)).await?;
    cx.same("thread_id of thread_switched", &Some(thread), &switched.thread_id(), || socket.evidence())?;
    let is_loaded = |message: &Message| message.kind == Kind::ThreadLoaded;
    let loaded = cx.message_where(socket, "thread_loaded", is_loaded).await?;
    cx.same("thread_id of thread_loaded", &Some(thread), &loaded.thread_id(), || socket.evidence())?;
    let seen = items(&Value::Object(loaded.payload.clone()), "messages");
    same(cx, "thread_loaded", lines, &seen, || socket.evidence())?;
    cx.same("has_more", &Some(&Value::Bool(false)), &loaded.field("has_more"), || socket.evidence())
}
