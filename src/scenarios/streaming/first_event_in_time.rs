use std::time::{Duration, Instant};

use crate::check;
use crate::check::{Check, Context, PLAIN_PROMPT};
use crate::model::{Effect, Finding, Group, Judgement};
use crate::target::Socket;
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check =
    check!("streaming/first-event-in-time", run).effects(&[Effect::Create]).group(Group::Timing);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let thread = cx.thread(socket, "first content").await?;
    cx.step("the first content of a stream");
    let round_trip = socket.rtt().await.unwrap_or_default();
    let began = Instant::now();
    let request = Message::new(Kind::UserMessage).with("content", PLAIN_PROMPT).with("thread_id", thread);
    let run = cx.whole_run(socket, request).await?;
    let (started, deltas) = (times(socket, &run, &Kind::AgentStarted), times(socket, &run, &Kind::PartialResult));
    let none = || "none in the whole run".into();
    let begun = !started.is_empty() && !deltas.is_empty();
    cx.holds(begun, Finding::MissingEvent, "agent_started and partial_result", none, || socket.evidence())?;
    let took = deltas[0].saturating_duration_since(started[0]);
    let gaps: Vec<_> = deltas.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0])).collect();
    cx.figure(format!("first content {} ms after agent_started", took.as_millis()));
    cx.figure(format!("gaps between partial_result: {}", quantiles(gaps)));

    let window = cx.profile().thresholds.first_content;
    let in_time = took <= window + round_trip;
    if !in_time {
        cx.punctual(began, window)?;
    }
    let expected = format!("partial_result within {} s of agent_started", window.as_secs_f64());
    let seen = || format!("after {:.1} s", took.as_secs_f64());
    cx.holds(in_time, Finding::Late, expected, seen, || socket.evidence())
        .map_err(|stop| stop.within("thresholds.first_content_s"))?;
    session.close().await;
    cx.conforms()
}

/// When the events of this kind of a run came.
fn times(socket: &Socket, run: &str, kind: &Kind) -> Vec<Instant> {
    let is_it = |message: &Message| message.run_id() == Some(run) && message.kind == *kind;
    let own = socket.seen().iter().filter(|received| received.message.as_ref().is_ok_and(is_it));
    own.map(|received| received.at).collect()
}

/// Half, nineteen of twenty, and all of the gaps are at most so long.
fn quantiles(mut gaps: Vec<Duration>) -> String {
    gaps.sort_unstable();
    let at = |part: f64| gaps.get(((gaps.len().max(1) - 1) as f64 * part).round() as usize);
    let told = [("50 %", 0.5), ("95 %", 0.95), ("longest", 1.0)].map(|(name, part)| {
        at(part).map_or_else(|| format!("{name} –"), |gap| format!("{name} {:.1} ms", gap.as_secs_f64() * 1e3))
    });
    told.join(", ")
}
