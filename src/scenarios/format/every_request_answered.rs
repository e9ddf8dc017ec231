use super::requests::{Due, missing, one_answer};
use super::tour::prompt;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Judgement, Stop, Trigger};
use crate::target::{Login, Socket};
use crate::wire::{ErrorCode, Kind, Message};

pub(super) static CHECK: Check = check!("format/every-request-answered", run).effects(&[Effect::Create]);

const NO_THREAD: Due<'_> = Due::Error(&[ErrorCode::ThreadNotFound]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    cx.step("ping");
    one_answer(cx, socket, Message::new(Kind::Ping), Due::Answer).await?;
    cx.step("create_thread");
    let create = Message::new(Kind::CreateThread).with("title", cx.target().title("requests"));
    let created = one_answer(cx, socket, create, Due::Answer).await?;
    let thread = created.thread_id().unwrap_or_default();

    runs(cx, socket, thread).await?;
    threads(cx, socket, thread).await?;
    tokens(cx, socket, &login).await?;

    let lost = session.welcome.connection_id().unwrap_or_default().to_owned();
    let last = session.socket.seen().iter().rev().find_map(|received| received.message.as_ref().ok()?.message_id.clone());
    session.close().await;
    restores(cx, &login, &lost, last).await?;
    cx.conforms()
}

/// Messages that run agents. A run of the profile's long stream is still going on when it is stopped.
async fn runs(cx: &Context, socket: &mut Socket, thread: &str) -> Result<(), Stop> {
    let content = prompt(cx, Trigger::LongStream).unwrap_or_else(|| "Count to a hundred.".to_owned());
    let mut runs = Vec::new();
    for kind in [Kind::UserMessage, Kind::StartAgent] {
        let start = |thread: String| Message::new(kind.clone()).with("content", content.as_str()).with("thread_id", thread);
        cx.step(kind.slug());
        let started = one_answer(cx, socket, start(thread.to_owned()), Due::Answer).await?;
        runs.push(started.run_id().unwrap_or_default().to_owned());
        cx.step(format!("{kind} for a missing thread"));
        one_answer(cx, socket, start(missing(thread)), NO_THREAD).await?;
    }
    cx.step("start_agent of a missing agent");
    let agent = Message::new(Kind::StartAgent).with("content", content).with("thread_id", thread);
    let agent = agent.with("agent_name", cx.target().unique("no-agent"));
    one_answer(cx, socket, agent, Due::Error(&[ErrorCode::AgentNotFound])).await?;
    for run in &runs {
        cx.step("stop_agent");
        let stop = Message::new(Kind::StopAgent).with("run_id", run.as_str());
        one_answer(cx, socket, stop, Due::Either(&[ErrorCode::RunNotFound])).await?;
    }
    cx.step("stop_agent of a missing run");
    let stop = Message::new(Kind::StopAgent).with("run_id", missing(&runs.concat()));
    one_answer(cx, socket, stop, Due::Error(&[ErrorCode::RunNotFound])).await.map(drop)
}

/// Messages about threads; the thread is gone afterwards.
async fn threads(cx: &Context, socket: &mut Socket, thread: &str) -> Result<(), Stop> {
    cx.step("list_threads");
    one_answer(cx, socket, Message::new(Kind::ListThreads), Due::Answer).await?;
    for kind in [Kind::SwitchThread, Kind::RenameThread, Kind::GetThreadHistory, Kind::DeleteThread] {
        let about = |thread: String| {
            let message = Message::new(kind.clone()).with("thread_id", thread);
            if kind == Kind::RenameThread { message.with("title", cx.target().title("renamed")) } else { message }
        };
        cx.step(format!("{kind} of a missing thread"));
        one_answer(cx, socket, about(missing(thread)), NO_THREAD).await?;
        cx.step(kind.slug());
        one_answer(cx, socket, about(thread.to_owned()), Due::Answer).await?;
    }
    Ok(())
}

async fn tokens(cx: &Context, socket: &mut Socket, login: &Login) -> Result<(), Stop> {
    cx.step("token_refresh");
    let refresh = |token: &str| Message::new(Kind::TokenRefresh).with("token", token);
    one_answer(cx, socket, refresh(login.access.expose()), Due::Answer).await?;
    cx.step("token_refresh with what is no token");
    one_answer(cx, socket, refresh("no token"), Due::Error(&[ErrorCode::TokenInvalid])).await.map(drop)
}

/// `session_restore` is the first message of its connection: one for each.
async fn restores(cx: &Context, login: &Login, lost: &str, last: Option<String>) -> Result<(), Stop> {
    let unknown = [ErrorCode::SessionUnknown];
    let cases = [("", lost.to_owned(), Due::Answer), (" of a missing session", missing(lost), Due::Error(&unknown))];
    for (of, connection, due) in cases {
        cx.step(format!("session_restore{of}"));
        let mut session = cx.session(&login.access).await?;
        let restore = Message::new(Kind::SessionRestore).with("connection_id", connection);
        let restore = restore.with("last_message_id", last.as_deref().unwrap_or_default());
        one_answer(cx, &mut session.socket, restore, due).await?;
        session.close().await;
    }
    Ok(())
}
