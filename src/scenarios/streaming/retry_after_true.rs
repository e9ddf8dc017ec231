use std::time::Duration;

use super::burst::{cheap, exhaust, retry_after};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Finding, Group, Judgement};
use crate::target::Socket;
use crate::wire::{ErrorCode, Kind};

pub(super) static CHECK: Check = check!("streaming/retry-after-true", run)
    .effects(&[Effect::Quota])
    .group(Group::Quota)
    .wait(|waits| Duration::from_secs_f64(waits.config.rate_limit.window_s + 1.0));

/// A retry time may be so much too long.
const GENEROUS: Duration = Duration::from_secs(1);
/// What is tried earlier than this says nothing; and so much later than told it is tried.
const MARGIN: Duration = Duration::from_millis(250);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let round_trip = socket.rtt().await.unwrap_or_default();
    let refusal = exhaust(cx, socket).await?;
    let after = retry_after(cx, socket, &refusal)?;
    cx.figure(format!("retry_after_ms {} of a window of {} s", after.as_millis(), cx.config().rate_limit.window_s));

    let half = after.saturating_sub(GENEROUS) / 2;
    if half > MARGIN {
        cx.step(format!("a message {} ms after the refusal", half.as_millis()));
        // Not a wait for something to happen: the target has told this time.
        tokio::time::sleep_until((refusal.at + half).into()).await;
        let (passes, told) = passes(cx, socket).await?;
        let expected = format!("RATE_LIMIT_EXCEEDED: {} ms were told", after.as_millis());
        cx.holds(!passes, Finding::Accepted, expected, || told, || socket.evidence())?;
    }
    let due = after + MARGIN + round_trip;
    cx.step(format!("a message {} ms after the refusal", due.as_millis()));
    tokio::time::sleep_until((refusal.at + due).into()).await;
    let (passes, told) = passes(cx, socket).await?;
    let expected = format!("thread_list: {} ms were told", after.as_millis());
    cx.holds(passes, Finding::Refused, expected, || told, || socket.evidence())?;
    session.close().await;
    cx.conforms()
}

/// Whether a message passes now, and its answer.
async fn passes(cx: &Context, socket: &mut Socket) -> Result<(bool, String), crate::model::Stop> {
    let answer = cx.answer(socket, cheap()).await?;
    let refused = answer.error_code() == Some(ErrorCode::RateLimitExceeded);
    let told = answer.error_code().map_or_else(|| answer.kind.to_string(), |code| format!("{} {code}", answer.kind));
    Ok((!refused && answer.kind != Kind::Error, told))
}
