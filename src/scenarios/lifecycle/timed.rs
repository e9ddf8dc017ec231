//! Several runs one after the other, for windows of a second and less.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::course::Course;
use super::flows::{prompt, since_start, thread, until_end, window};
use crate::check::{Context, Flow, PLAIN_PROMPT, Recording, Scene, is_of_a_run};
use crate::model::{Blame, Effect, Evidence, Finding, Group, Inconclusive, Need, Stop, Trigger};
use crate::target::{Next, Socket};
use crate::wire::{Kind, Message};

/// Runs by which a window is judged.
pub(super) const RUNS: usize = 5;

/// So many of them must exceed it: a single late one is a hiccup.
const EXCEED: usize = 4;

/// Five plain runs: each is asked for when the one before it has started, and all go on side by side.
pub(super) static PLAIN: Flow =
    Flow::new("lifecycle/timed-runs", |cx| Box::pin(plain(cx))).effects(&[Effect::Create]).group(Group::Timing);

/// The same with tools.
pub(super) static TOOLS: Flow = Flow::new("lifecycle/timed-tools", |cx| Box::pin(tools(cx)))
    .needs(&[Need::Trigger(Trigger::ToolUse)])
    .effects(&[Effect::Create])
    .group(Group::Timing);

async fn plain(cx: &Context) -> Result<Scene, Stop> {
    runs(cx, |thread| prompt(PLAIN_PROMPT, thread)).await
}

async fn tools(cx: &Context) -> Result<Scene, Stop> {
    let message = cx.prompt(Trigger::ToolUse)?;
    runs(cx, |thread| message.clone().with("thread_id", thread)).await
}

async fn runs(cx: &Context, message: impl Fn(&str) -> Message) -> Result<Scene, Stop> {
    let mut scene = Scene::new();
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    scene.socket("asking", socket);
    let mut threads = Vec::new();
    for _ in 0..RUNS {
        threads.push(thread(cx, socket).await?);
    }
    cx.step("the socket's round trip");
    let no_pong = || Inconclusive::new(Blame::Target, "the socket answers no ping: no round trip to measure by");
    let round_trip = socket.rtt().await.ok_or_else(no_pong)?;
    scene.fact("round_trip_s", round_trip.as_secs_f64());

    // Their times count: none of them waits for its turn.
    socket.burst(RUNS as u64).await;
    let mut asked = Vec::new();
    for (number, thread) in threads.iter().enumerate() {
        cx.step(format!("timed run {} of {RUNS}", number + 1));
        let at = since_start(cx);
        let started = cx.ask(socket, message(thread)).await?;
        let run = started.run_id().unwrap_or_default().to_owned();
        first_event(cx, socket, &run).await;
        asked.push(json!({"run": run, "asked_s": at}));
    }
    let over = Instant::now() + window(cx);
    for run in asked.iter().filter_map(|asked| asked["run"].as_str()) {
        until_end(socket, run, over.saturating_duration_since(Instant::now())).await;
    }
    scene.fact("runs", asked);
    session.close().await;
    Ok(scene)
}

/// Reads until the run has said something, so that the next one is asked of a server at rest.
async fn first_event(cx: &Context, socket: &mut Socket, run: &str) {
    let is_it = |message: &Message| message.run_id() == Some(run) && is_of_a_run(&message.kind);
    if socket.seen().iter().any(|received| received.message.as_ref().is_ok_and(is_it)) {
        return;
    }
    let deadline = Instant::now() + cx.profile().thresholds.reply;
    loop {
        match socket.next(deadline.saturating_duration_since(Instant::now())).await {
            Next::Message(received) if received.message.as_ref().is_ok_and(is_it) => return,
            Next::Message(_) | Next::Pong(_) => {}
            Next::Ended(_) | Next::Silence => return,
        }
    }
}

/// The timed runs: when each was asked for, and its course.
///
/// # Errors
/// Inconclusive when the flow does not tell them.
pub(super) fn told(recording: &Recording) -> Result<Vec<(Duration, Course)>, Stop> {
    let runs = recording.fact("runs")?.as_array().cloned().unwrap_or_default();
    let told = runs.iter().map(|run| {
        let asked = Duration::from_secs_f64(run["asked_s"].as_f64().unwrap_or_default());
        Ok((asked, Course::of(recording, "asking", run["run"].as_str().unwrap_or_default())?))
    });
    told.collect()
}

/// How long it took in each run; `None` where it never came. Judged by how many exceed `window` and
/// the socket's round trip.
///
/// # Errors
/// Deviates with [`Finding::Late`] when four of five do, or all of fewer; inconclusive when we were late ourselves.
pub(super) fn within(
    recording: &Recording,
    what: &str,
    window: Duration,
    took: &[Option<Duration>],
    evidence: impl FnOnce() -> Evidence,
) -> Result<(), Stop> {
    let round_trip = recording.fact("round_trip_s").ok().and_then(Value::as_f64).unwrap_or_default();
    let limit = window + Duration::from_secs_f64(round_trip);
    let late = took.iter().filter(|took| took.is_none_or(|took| took > limit)).count();
    let figures = || {
        let one = |took: &Option<Duration>| took.map_or("never".to_owned(), |took| format!("{} ms", took.as_millis()));
        took.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let expected = format!(
        "{what} within {} ms and the round trip of {:.1} ms in two of {} runs",
        window.as_millis(),
        round_trip * 1e3,
        took.len()
    );
    recording.figure(format!(
        "{what}: {} (window {} ms, round trip {:.1} ms)",
        figures(),
        window.as_millis(),
        round_trip * 1e3
    ));
    let in_time = !took.is_empty() && late < EXCEED.min(took.len());
    if !in_time {
        recording.punctual(window)?;
    }
    recording.holds(in_time, Finding::Late, expected, figures, evidence)
}

/// The time of the first event of this kind.
pub(super) fn first(course: &Course, kinds: &[Kind]) -> Option<Duration> {
    course.events.iter().find(|seen| kinds.contains(&seen.message.kind)).map(|seen| seen.at)
}
