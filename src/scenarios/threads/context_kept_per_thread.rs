use serde_json::Value;

use super::history::{Line, same};
use crate::check;
use crate::check::work::{about, long_stream, messages, run_ends, stop};
use crate::check::{Check, Context, PLAIN_PROMPT, Rest, items, text};
use crate::model::{Effect, Finding, Judgement, Need, Stop, Trigger};
use crate::target::Socket;
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("threads/context-kept-per-thread", run)
    .needs(&[Need::Trigger(Trigger::LongStream)])
    .effects(&[Effect::Create])
    .wait(|waits| waits.long_stream());

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let rest = cx.rest(&login);
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let (first, second) = (cx.thread(socket, "first").await?, cx.thread(socket, "second").await?);

    cx.step("a stream begins in the first thread");
    cx.ask(socket, about(Kind::SwitchThread, &first)).await?;
    let started = long_stream(cx, socket, None).await?;
    cx.same("thread_id", &Some(first.as_str()), &started.thread_id(), || socket.evidence())?;
    let run = started.run_id().unwrap_or_default().to_owned();

    cx.step("a message in the second thread, while the stream goes on");
    cx.ask(socket, about(Kind::SwitchThread, &second)).await?;
    let elsewhere = cx.ask(socket, Message::new(Kind::UserMessage).with("content", PLAIN_PROMPT)).await?;
    cx.same("thread_id", &Some(second.as_str()), &elsewhere.thread_id(), || socket.evidence())?;
    stop(cx, socket, elsewhere.run_id().unwrap_or_default()).await?;
    next_content(cx, socket, &run).await?;

    cx.step("back in the first thread");
    cx.ask(socket, about(Kind::SwitchThread, &first)).await?;
    let is_loaded = |it: &Message| it.kind == Kind::ThreadLoaded && it.thread_id() == Some(&first);
    let loaded = cx.message_where(socket, "thread_loaded", is_loaded).await?;
    let seen = items(&Value::Object(loaded.payload), "messages");
    let of_users: Vec<_> = seen.into_iter().filter(|message| text(message, "role") == "user").collect();
    let asked = line(&started);
    same(cx, "the user's part of the thread", std::slice::from_ref(&asked), &of_users, || socket.evidence())?;
    let next = cx.ask(socket, Message::new(Kind::UserMessage).with("content", PLAIN_PROMPT)).await?;
    cx.same("thread_id", &Some(first.as_str()), &next.thread_id(), || socket.evidence())?;
    stop(cx, socket, next.run_id().unwrap_or_default()).await?;

    run_ends(cx, socket, &run, cx.profile().thresholds.run).await?;
    bound(cx, socket, &run, &first)?;
    whole(cx, socket, &rest, &run, &first).await?;
    cx.step("the second thread");
    let (seen, answer) = rest.messages(&second, 100, 0).await?;
    let of_users: Vec<_> = seen.into_iter().filter(|message| text(message, "role") == "user").collect();
    same(cx, "the user's part of the thread", &[line(&elsewhere)], &of_users, || answer.evidence())?;
    session.close().await;
    cx.conforms()
}

/// Waits for a further event of the stream, so that one falls between the switches.
async fn next_content(cx: &Context, socket: &mut Socket, run: &str) -> Result<(), Stop> {
    let progress = cx.contract().progress();
    let is_content = |message: &Message| message.kind == progress && message.run_id() == Some(run);
    let within = cx.profile().thresholds.first_content;
    let came = cx.message_within(socket, within, "more of the stream", is_content).await;
    came.map(drop).map_err(|stop| cx.control_failed("the stream outlasts a switch", stop))
}

fn line(created: &Message) -> Line {
    Line::of_user(created.text("id").unwrap_or_default(), created.content().unwrap_or_default())
}

/// Every event of the run names its thread, wherever the session was meanwhile.
fn bound(cx: &Context, socket: &Socket, run: &str, thread: &str) -> Result<(), Stop> {
    cx.step("the events of the stream");
    let mut events = messages(socket).filter(|message| message.run_id() == Some(run));
    let stray = events.find(|message| message.thread_id() != Some(thread));
    let seen = || stray.map_or_else(String::new, |it| format!("{} of thread {:?}", it.kind, it.thread_id()));
    let expected = format!("all of thread {thread}");
    cx.holds(stray.is_none(), Finding::WrongValue, expected, seen, || socket.evidence())
}

/// The history holds all that was streamed, as one message.
async fn whole(cx: &Context, socket: &Socket, rest: &Rest<'_>, run: &str, thread: &str) -> Result<(), Stop> {
    cx.step("the history of the first thread");
    let deltas = messages(socket).filter(|it| it.kind == Kind::PartialResult && it.run_id() == Some(run));
    let said: String = deltas.filter_map(Message::content).collect();
    let is_own = |message: &Value| message.pointer("/metadata/run_id").and_then(Value::as_str) == Some(run);
    let read = || rest.messages(thread, 100, 0);
    let (history, answer) = cx.settled(read, |(seen, _)| seen.iter().any(is_own)).await?;
    let stored: Vec<_> = history.iter().filter(|message| is_own(message)).map(|it| text(it, "content")).collect();
    let seen = || format!("{} messages of the run, {} characters", stored.len(), stored.concat().chars().count());
    let expected = format!("one message of the run with its {} characters", said.chars().count());
    cx.holds(stored == [said], Finding::Lost, expected, seen, || answer.evidence())
}
