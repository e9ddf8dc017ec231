use crate::check;
use crate::check::work::{about, messages, stop};
use crate::check::{Check, Context, PLAIN_PROMPT};
use crate::model::{Effect, Finding, Judgement, Stop};
use crate::target::Socket;
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("threads/first-message-creates-thread", run).effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    cx.step("the first message of a session names no thread");
    let first = cx.ask(socket, hello()).await?;
    let (thread, run) = (first.thread_id().unwrap_or_default().to_owned(), first.run_id().unwrap_or_default().to_owned());
    let started = cx.told(socket, "agent_started of its run", |it| is_of(it, &Kind::AgentStarted, "run_id", &run)).await?;
    cx.same("thread_id of the run", &Some(thread.as_str()), &started.thread_id(), || socket.evidence())?;
    cx.told(socket, "thread_created", |it| is_of(it, &Kind::ThreadCreated, "thread_id", &thread)).await?;
    in_order(cx, socket, &thread, &run)?;
    stop(cx, socket, &run).await?;

    cx.step("the next message names no thread either");
    let next = cx.ask(socket, hello()).await?;
    cx.same("thread_id", &Some(thread.as_str()), &next.thread_id(), || socket.evidence())?;
    stop(cx, socket, next.run_id().unwrap_or_default()).await?;

    cx.step("the thread is given a title, by which it is found again");
    cx.ask(socket, about(Kind::RenameThread, &thread).with("title", cx.target().title("by a message"))).await?;
    session.close().await;
    cx.conforms()
}

fn hello() -> Message {
    Message::new(Kind::UserMessage).with("content", PLAIN_PROMPT)
}

fn is_of(message: &Message, kind: &Kind, field: &str, id: &str) -> bool {
    message.kind == *kind && message.text(field) == Some(id)
}

/// First the thread, then the message, then its run.
fn in_order(cx: &Context, socket: &Socket, thread: &str, run: &str) -> Result<(), Stop> {
    let place = |kind: Kind, field: &str, id: &str| messages(socket).position(|it| is_of(it, &kind, field, id));
    let acknowledges = cx.contract().declares_kind(&Kind::MessageCreated);
    let places: Vec<_> = [
        ("thread_created", place(Kind::ThreadCreated, "thread_id", thread)),
        ("message_created", place(Kind::MessageCreated, "run_id", run)),
        ("agent_started", place(Kind::AgentStarted, "run_id", run)),
    ]
    .into_iter()
    .filter(|(name, _)| acknowledges || *name != "message_created")
    .collect();
    let mut seen = places.clone();
    seen.sort_by_key(|(_, place)| *place);
    let told = || seen.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let expected = places.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    cx.holds(places.is_sorted_by_key(|(_, place)| *place), Finding::WrongOrder, expected, told, || socket.evidence())
}
