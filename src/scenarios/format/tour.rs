//! The traffic that the run-wide judges bring along: every kind of message once, so that each of
//! them has something to judge when it is selected alone.

use serde_json::json;

use crate::check::{Context, Session, ends_run};
use crate::model::{Evidence, Stop, Trigger};
use crate::profile::TriggerSpec;
use crate::target::{Login, Socket};
use crate::wire::{Endpoint, Kind, Message};

/// Login, thread, run, error, stop, restore, lists, history, REST.
///
/// # Errors
/// Inconclusive where the tour cannot be made: it is no check of its own.
pub(super) async fn tour(cx: &Context) -> Result<(), Stop> {
    walk(cx).await.map_err(|stop| cx.control_failed("a tour of every kind of message", stop))
}

async fn walk(cx: &Context) -> Result<(), Stop> {
    cx.step("tour: login and socket");
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    cx.alive(socket).await?;

    let thread = threads(cx, socket).await?;
    runs(cx, socket, &thread).await?;

    cx.step("tour: an error, and a refreshed token");
    cx.answer(socket, Message::new(Kind::SwitchThread).with("thread_id", cx.target().unique("no-thread"))).await?;
    cx.answer(socket, Message::new(Kind::TokenRefresh).with("token", login.access.expose())).await?;

    rest(cx, &login, &thread).await?;
    let mut session = restored(cx, &login, session).await?;
    cx.step("tour: the thread is deleted");
    cx.answer(&mut session.socket, Message::new(Kind::DeleteThread).with("thread_id", thread)).await?;
    session.close().await;
    Ok(())
}

/// Threads with a title and without, lists and history; the thread to go on with.
async fn threads(cx: &Context, socket: &mut Socket) -> Result<String, Stop> {
    cx.step("tour: threads");
    let title = cx.target().title("tour");
    // Without a title the server must think of one, or of none.
    let untitled = cx.ask(socket, Message::new(Kind::CreateThread)).await?;
    let created = cx.ask(socket, Message::new(Kind::CreateThread).with("title", title.as_str())).await?;
    let thread = created.thread_id().unwrap_or_default().to_owned();
    let about = |kind: Kind| Message::new(kind).with("thread_id", thread.as_str());
    cx.answer(socket, about(Kind::RenameThread).with("title", format!("{title}, renamed"))).await?;
    cx.answer(socket, about(Kind::SwitchThread)).await?;
    cx.answer(socket, Message::new(Kind::ListThreads)).await?;
    cx.answer(socket, about(Kind::GetThreadHistory)).await?;
    let untitled = untitled.thread_id().unwrap_or_default();
    cx.answer(socket, Message::new(Kind::DeleteThread).with("thread_id", untitled)).await?;
    Ok(thread)
}

/// A run to its end, one with tools and one that is stopped, as far as the profile can provoke them.
async fn runs(cx: &Context, socket: &mut Socket, thread: &str) -> Result<(), Stop> {
    cx.step("tour: a run");
    let prompts = [Some("Say hello.".to_owned()), prompt(cx, Trigger::ToolUse)];
    for content in prompts.into_iter().flatten() {
        let message = Message::new(Kind::UserMessage).with("content", content).with("thread_id", thread);
        run_to_its_end(cx, socket, message).await?;
    }
    if let Some(content) = prompt(cx, Trigger::LongStream) {
        cx.step("tour: a run that is stopped");
        let message = Message::new(Kind::StartAgent).with("content", content).with("thread_id", thread);
        let started = cx.ask(socket, message).await?;
        let stop = Message::new(Kind::StopAgent).with("run_id", started.run_id().unwrap_or_default());
        cx.answer(socket, stop).await?;
    }
    Ok(())
}

/// The prompt of a trigger, where the profile has it: the tour takes what there is.
pub(super) fn prompt(cx: &Context, trigger: Trigger) -> Option<String> {
    match cx.profile().triggers.get(&trigger)? {
        TriggerSpec::Prompt { content, .. } => Some(content.clone()),
        TriggerSpec::Outage { .. } => None,
    }
}

/// Starts a run and reads all of it; its `run_id`.
pub(super) async fn run_to_its_end(cx: &Context, socket: &mut Socket, start: Message) -> Result<String, Stop> {
    let started = cx.ask(socket, start).await?;
    let run = started.run_id().unwrap_or_default().to_owned();
    let within = cx.profile().thresholds.run;
    let is_last = |message: &Message| message.run_id() == Some(&run) && ends_run(&message.kind);
    let end = cx.message_within(socket, within, "the end of the run", is_last).await;
    end.map_err(|stop| stop.within("thresholds.run_s"))?;
    Ok(run)
}

/// The same over HTTP.
async fn rest(cx: &Context, login: &Login, thread: &str) -> Result<(), Stop> {
    cx.step("tour: REST");
    let at_thread = |endpoint| cx.call(endpoint).path_param("id", thread).bearer(&login.access);
    cx.call(cx.contract().authenticated_call()).bearer(&login.access).send().await?;
    cx.call(Endpoint::ListThreads).bearer(&login.access).send().await?;
    at_thread(Endpoint::GetThread).send().await?;
    at_thread(Endpoint::PostMessage).json(&json!({"content": "Noted."})).send().await?;
    at_thread(Endpoint::ListMessages).send().await?;
    Ok(())
}

/// The connection is lost and its session taken up again on another one.
async fn restored(cx: &Context, login: &Login, session: Session) -> Result<Session, Stop> {
    if cx.contract().answer_to(&Kind::SessionRestore).is_none() {
        return Ok(session);
    }
    cx.step("tour: the session is restored");
    let lost = session.lost();
    session.socket.reset().await;
    let mut session = cx.session(&login.access).await?;
    cx.answer(&mut session.socket, lost.request()).await?;
    Ok(session)
}

/// All messages of a run whose text is fixed, each with its evidence; none where the profile cannot have one.
pub(super) async fn steady_run(cx: &Context) -> Result<Vec<(Message, Evidence)>, Stop> {
    let Some(content) = prompt(cx, Trigger::SteadyRun) else { return Ok(Vec::new()) };
    cx.step("a run of a fixed text");
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let run = async {
        let socket = &mut session.socket;
        let thread = cx.thread(socket, "fixed text").await?;
        let message = Message::new(Kind::UserMessage).with("content", content).with("thread_id", thread);
        run_to_its_end(cx, socket, message).await
    };
    let run = run.await.map_err(|stop| cx.control_failed("a run of a fixed text", stop))?;
    let evidence = session.socket.evidence();
    let messages = session.socket.seen().iter().filter_map(|received| received.message.clone().ok());
    let messages: Vec<_> =
        messages.filter(|message| message.run_id() == Some(&run)).map(|message| (message, evidence.clone())).collect();
    session.close().await;
    Ok(messages)
}
