use std::time::Duration;

use super::burst::{Burst, at_once, retry_after, send, too_many};
use crate::check;
use crate::check::{Check, Context, Waits};
use crate::model::{Effect, Finding, Group, Judgement, Stop};
use crate::target::{Login, Socket};

pub(super) static CHECK: Check =
    check!("streaming/rate-limit-enforced", run).effects(&[Effect::Quota]).group(Group::Quota).wait(window);

fn window(waits: &Waits<'_>) -> Duration {
    Duration::from_secs_f64(waits.config.rate_limit.window_s)
}

async fn run(cx: &Context) -> Judgement {
    let limit = cx.config().rate_limit.messages;
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let count = too_many(cx);
    let mut burst = after_silence(cx, &login, socket, count).await?;
    if at_once(cx, count, burst.took).is_err() {
        burst = after_silence(cx, &login, socket, count).await?;
        at_once(cx, count, burst.took)?;
    }
    let refused: Vec<_> = burst.refused().map(|place| place as u64 + 1).collect();
    cx.figure(format!(
        "{} of {} messages refused, the first is number {}, in {} ms",
        refused.len(),
        burst.answers.len(),
        refused.first().map_or("none".into(), u64::to_string),
        burst.took.as_millis()
    ));
    burst.is_answered(cx, socket)?;
    let expected = format!("the first {limit} messages after a silent window pass");
    let seen = || format!("message {} was refused", refused[0]);
    let passed = refused.first().is_none_or(|first| *first > limit);
    cx.holds(passed, Finding::Refused, expected, seen, || socket.evidence())?;
    let (expected, seen) = (format!("RATE_LIMIT_EXCEEDED beyond {limit}"), || "every message passed".into());
    cx.holds(!refused.is_empty(), Finding::Accepted, expected, seen, || socket.evidence())?;
    if let Some(refusal) = burst.last_refusal() {
        retry_after(cx, socket, refusal)?;
    }
    cx.alive(socket).await?;
    session.close().await;
    cx.conforms()
}

async fn after_silence(cx: &Context, login: &Login, socket: &mut Socket, count: u64) -> Result<Burst, Stop> {
    cx.step("a silent window");
    cx.silent_window(login).await?;
    cx.step(format!("{count} messages at once"));
    Ok(send(cx, socket, count).await)
}
