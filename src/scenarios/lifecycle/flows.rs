//! Runs that are made once and judged by many checks.

use std::time::Duration;

use tokio::time::Instant;

use crate::check::{Context, Flow, PLAIN_PROMPT, Scene, ends_run};
use crate::model::{Effect, Need, Stop, Trigger};
use crate::profile::TriggerSpec;
use crate::target::{Login, Next, Socket};
use crate::wire::{Endpoint, Kind, Message};

/// A run without tools, seen by two sockets of its user, a further one as marker, and the history.
pub(super) static PLAIN: Flow = Flow::new("lifecycle/plain-run", |cx| Box::pin(plain(cx))).effects(&[Effect::Create]);

/// A run with tools.
pub(super) static TOOLS: Flow = Flow::new("lifecycle/run-with-tools", |cx| Box::pin(tools(cx)))
    .needs(&[Need::Trigger(Trigger::ToolUse)])
    .effects(&[Effect::Create]);

async fn plain(cx: &Context) -> Result<Scene, Stop> {
    let mut scene = Scene::new();
    let login = cx.login().await?;
    let (mut asking, mut second) = (cx.session(&login.access).await?, cx.session(&login.access).await?);
    scene.socket("asking", &asking.socket);
    scene.socket("second", &second.socket);
    let thread = thread(cx, &mut asking.socket).await?;
    scene.fact("thread", thread.as_str());

    cx.step("a run, seen by two sockets");
    let message = prompt(PLAIN_PROMPT, &thread);
    let (run, ended) = whole_run(cx, &mut scene, &mut asking.socket, message).await?;
    scene.fact("run", run.as_str());
    scene.fact("window_s", window(cx).as_secs_f64());
    if ended {
        cx.step("a further run, after which nothing of the first may come");
        let marker = marker(cx, &mut asking.socket, &thread).await?;
        scene.fact("marker", marker.as_str());
        until_end(&mut second.socket, &marker, cx.profile().thresholds.stop).await;
    }
    history(cx, &mut scene, &login, &thread).await?;
    asking.close().await;
    second.close().await;
    Ok(scene)
}

async fn tools(cx: &Context) -> Result<Scene, Stop> {
    let mut scene = Scene::new();
    let login = cx.login().await?;
    let mut asking = cx.session(&login.access).await?;
    scene.socket("asking", &asking.socket);
    let thread = thread(cx, &mut asking.socket).await?;
    cx.step("a run that uses tools");
    let message = cx.prompt(Trigger::ToolUse)?.with("thread_id", thread);
    let (run, _) = whole_run(cx, &mut scene, &mut asking.socket, message).await?;
    scene.fact("run", run);
    asking.close().await;
    Ok(scene)
}

/// A user message for a thread.
pub(super) fn prompt(content: &str, thread: &str) -> Message {
    Message::new(Kind::UserMessage).with("content", content).with("thread_id", thread)
}

/// A thread of the check's own.
///
/// # Errors
/// As [`Context::ask`].
pub(super) async fn thread(cx: &Context, socket: &mut Socket) -> Result<String, Stop> {
    cx.thread(socket, "lifecycle").await
}

/// Starts a run and reads to its end; its id, and whether the end came. Told as `asked_s`: when it was asked for.
///
/// # Errors
/// As [`Context::ask`].
pub(super) async fn whole_run(
    cx: &Context,
    scene: &mut Scene,
    socket: &mut Socket,
    message: Message,
) -> Result<(String, bool), Stop> {
    // The time counts from here on: not before it is the message's turn.
    socket.burst(1).await;
    scene.fact("asked_s", since_start(cx));
    let started = cx.ask(socket, message).await?;
    let run = started.run_id().unwrap_or_default().to_owned();
    let ended = until_end(socket, &run, window(cx)).await;
    Ok((run, ended))
}

/// A run that the trigger asks for, to its end, or a plain one; its id, and none where the profile lacks the trigger.
///
/// # Errors
/// As [`Context::ask`].
pub(super) async fn provoke(
    cx: &Context,
    socket: &mut Socket,
    thread: &str,
    trigger: Option<Trigger>,
) -> Result<Option<String>, Stop> {
    let message = match trigger.map(|trigger| (trigger, cx.profile().triggers.get(&trigger))) {
        None => prompt(PLAIN_PROMPT, thread),
        Some((_, Some(TriggerSpec::Prompt { content, .. }))) => prompt(content, thread),
        Some(_) => return Ok(None),
    };
    cx.step(trigger.map_or_else(|| "a plain run".to_owned(), |trigger| format!("the trigger {}", trigger.slug())));
    let started = cx.ask(socket, message).await?;
    let run = started.run_id().unwrap_or_default().to_owned();
    until_end(socket, &run, window(cx)).await;
    // What follows a run's end, as the news that a service has recovered, comes before this answer.
    cx.alive(socket).await?;
    Ok(Some(run))
}

/// A run that is stopped as soon as it has begun: its end is soon there, and comes after everything
/// that was sent before it.
async fn marker(cx: &Context, socket: &mut Socket, thread: &str) -> Result<String, Stop> {
    let started = cx.ask(socket, prompt(PLAIN_PROMPT, thread)).await?;
    let run = started.run_id().unwrap_or_default().to_owned();
    socket.send(&Message::new(Kind::StopAgent).with("run_id", run.as_str())).await;
    // A run that was over before it could be stopped has ended as well.
    until_end(socket, &run, cx.profile().thresholds.stop + cx.profile().thresholds.reply).await;
    Ok(run)
}

/// Seconds on the transcript's clock.
pub(super) fn since_start(cx: &Context) -> f64 {
    cx.target().transcript().start().elapsed().as_secs_f64()
}

/// Longest wait for the end of a run: its threshold, or what the check's limit leaves of it.
pub(super) fn window(cx: &Context) -> Duration {
    cx.profile().thresholds.run.min(cx.profile().limits.check * 3 / 4)
}

/// Reads until the run has ended; `false` when the time or the connection ends first.
pub(super) async fn until_end(socket: &mut Socket, run: &str, within: Duration) -> bool {
    let is_last = |message: &Message| message.run_id() == Some(run) && ends_run(&message.kind);
    // What other waits have passed over counts, too.
    if socket.seen().iter().any(|received| received.message.as_ref().is_ok_and(is_last)) {
        return true;
    }
    let deadline = Instant::now() + within;
    loop {
        match socket.next(deadline.saturating_duration_since(Instant::now())).await {
            Next::Message(received) if received.message.as_ref().is_ok_and(is_last) => return true,
            Next::Message(_) | Next::Pong(_) => {}
            Next::Ended(_) | Next::Silence => return false,
        }
    }
}

/// The thread's history over REST, as the part `history`.
///
/// # Errors
/// Inconclusive when there is no answer.
pub(super) async fn history(cx: &Context, scene: &mut Scene, login: &Login, thread: &str) -> Result<(), Stop> {
    cx.step("the history over REST");
    let call = cx.call(Endpoint::ListMessages).path_param("id", thread).query("limit", 100);
    let answer = call.bearer(&login.access).send().await?;
    scene.line("history", &answer.line);
    Ok(())
}
