//! Runs that fail: how they are provoked, and the one that several checks judge.

use std::time::Duration;

use crate::check::{Context, Flow, PLAIN_PROMPT, Recording, Scene, Seen, ends_run, recorded};
use crate::model::{Effect, Finding, Group, Need, NotVerified, Stop, Trigger};
use crate::profile::{Profile, TriggerSpec};
use crate::target::{Login, Socket};
use crate::wire::{Endpoint, Kind, Message};

/// A run that fails, seen by two sockets of its user; then what can be done with run, thread and socket.
pub(super) static FLOW: Flow = Flow::new("recovery/failed-run", |cx| Box::pin(act(cx)))
    .needs(&[Need::Trigger(Trigger::AgentFailure)])
    .effects(&[Effect::Create])
    .group(Group::Breaker);

async fn act(cx: &Context) -> Result<Scene, Stop> {
    let mut scene = Scene::new();
    let login = cx.login().await?;
    let (mut asking, mut second) = (cx.session(&login.access).await?, cx.session(&login.access).await?);
    scene.socket("asking", &asking.socket);
    scene.socket("second", &second.socket);
    let thread = cx.thread(&mut asking.socket, "failure").await?;
    scene.fact("thread", thread.as_str());
    scene.fact("window_s", window(cx.profile(), Trigger::AgentFailure).as_secs_f64());

    cx.step("a run that fails");
    let request = cx.prompt(Trigger::AgentFailure)?.with("thread_id", thread.as_str());
    // The time counts from here on: not before it is the message's turn.
    asking.socket.burst(1).await;
    scene.fact("asked_s", since_start(cx));
    let run = cx.starts(&mut asking.socket, request).await?;
    scene.fact("run", run.as_str());
    told_of(cx, &mut asking.socket, &run).await?;

    cx.step("stop_agent of the run that has failed");
    let stop = cx.target().unique("stop");
    scene.fact("stop", stop.as_str());
    let request = Message::new(Kind::StopAgent).with("run_id", run.as_str()).id(stop);
    recorded(cx.answer(&mut asking.socket, request).await)?;

    cx.step("the next run on the thread");
    let next = cx.target().unique("next");
    scene.fact("next", next.as_str());
    let request = healthy(cx, Trigger::AgentFailure)?.with("thread_id", thread.as_str()).id(next);
    let created = recorded(cx.answer(&mut asking.socket, request).await)?;
    if let Some(run) = created.as_ref().and_then(Message::run_id) {
        recorded(cx.run_end(&mut asking.socket, run).await)?;
        recorded(cx.run_end(&mut second.socket, run).await)?;
    }
    history(cx, &mut scene, &login, &thread).await?;
    asking.close().await;
    second.close().await;
    Ok(scene)
}

/// Within which a failure must be told after the request.
pub(super) fn window(profile: &Profile, trigger: Trigger) -> Duration {
    let fails_within = match profile.triggers.get(&trigger) {
        Some(TriggerSpec::Prompt { fails_within, .. }) => fails_within.unwrap_or_default(),
        _ => Duration::ZERO,
    };
    profile.thresholds.agent_error + fails_within
}

/// What the agent that a trigger makes fail can answer.
pub(super) fn healthy(cx: &Context, trigger: Trigger) -> Result<Message, Stop> {
    Ok(cx.prompt(trigger)?.with("content", PLAIN_PROMPT))
}

/// Waits until a failure is told, of whichever run; twice as long as it may take, so that *late* can be told from
/// *never*.
async fn told_of(cx: &Context, socket: &mut Socket, run: &str) -> Result<(), Stop> {
    let is_it = |message: &Message| {
        message.kind == Kind::AgentError || message.run_id() == Some(run) && ends_run(&message.kind)
    };
    let within = window(cx.profile(), Trigger::AgentFailure) * 2;
    let end = recorded(cx.event(socket, within, "agent_error", is_it).await)?;
    match end {
        Some(end) if end.kind == Kind::FinalReport => Err(no_failure(Trigger::AgentFailure)),
        _ => Ok(()),
    }
}

fn no_failure(trigger: Trigger) -> Stop {
    let what = format!("the run of `triggers.{}` completed instead of failing: correct the trigger", trigger.slug());
    NotVerified::NotProvoked(what).into()
}

/// Provokes a failure on a thread; the `agent_error` that must tell it in time.
///
/// # Errors
/// Deviates when none comes in time; not verified when the run completes.
pub(super) async fn provoked(
    cx: &Context,
    socket: &mut Socket,
    trigger: Trigger,
    thread: &str,
) -> Result<Message, Stop> {
    let request = cx.prompt(trigger)?.with("thread_id", thread);
    socket.burst(1).await;
    let run = cx.starts(socket, request).await?;
    let is_end = |message: &Message| message.run_id() == Some(&run) && ends_run(&message.kind);
    let end = cx.event(socket, window(cx.profile(), trigger), "agent_error of the run", is_end).await;
    let end = end.map_err(|stop| stop.within("thresholds.agent_error_s"))?;
    if end.kind == Kind::FinalReport {
        return Err(no_failure(trigger));
    }
    let (is_error, seen) = (end.kind == Kind::AgentError, || end.kind.to_string());
    cx.holds(is_error, Finding::MissingEvent, "agent_error of the run", seen, || socket.evidence())?;
    Ok(end)
}

/// The thread's history over REST, as the part `history`.
async fn history(cx: &Context, scene: &mut Scene, login: &Login, thread: &str) -> Result<(), Stop> {
    cx.step("the history over REST");
    let call = cx.call(Endpoint::ListMessages).path_param("id", thread).query("limit", 100);
    scene.line("history", &call.bearer(&login.access).send().await?.line);
    Ok(())
}

/// Seconds on the transcript's clock.
pub(super) fn since_start(cx: &Context) -> f64 {
    cx.target().transcript().start().elapsed().as_secs_f64()
}

/// The `agent_error` of the flow's run on this part: the first one that came at all.
pub(super) fn error(recording: &Recording, part: &str) -> Result<Option<Seen>, Stop> {
    Ok(recording.seen(part)?.into_iter().find(|seen| seen.is(&Kind::AgentError)))
}

/// The `agent_error` of the flow's run, as the means to an end.
///
/// # Errors
/// Inconclusive, blaming the target, when there is none.
pub(super) fn told_error(recording: &Recording) -> Result<Seen, Stop> {
    let missing = || {
        let what = "the run that was to fail told no agent_error: see recovery/failure-emits-error";
        let blame = crate::model::Blame::Target;
        crate::model::Inconclusive::new(blame, what).with(recording.end_of("asking")).into()
    };
    error(recording, "asking")?.ok_or_else(missing)
}
