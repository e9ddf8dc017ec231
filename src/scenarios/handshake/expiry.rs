//! When a token ends: as the target tells it, and by our clock.

use std::time::{Duration, Instant};

use crate::check::Context;
use crate::model::{Blame, Evidence, Finding, Inconclusive, Judgement, NotVerified, Stop};
use crate::target::Token;
use crate::wire::{Message, read_timestamp};

/// What must be over before a token ends is over this much earlier, or it proves nothing.
const MARGIN: Duration = Duration::from_millis(500);

/// `exp`, seconds since 1970.
fn exp(token: &Token) -> Result<f64, Stop> {
    token
        .time_claim("exp")
        .ok_or_else(|| NotVerified::NotInContract("access tokens that tell their `exp`".into()).into())
}

/// `expires_at` of a message must be the token's `exp`.
pub(super) fn told(
    cx: &Context,
    message: &Message,
    token: &Token,
    evidence: impl FnOnce() -> Evidence,
) -> Result<(), Stop> {
    let exp = exp(token)?;
    let told = message.field("expires_at").and_then(|told| read_timestamp(told, cx.contract().timestamp_forms()));
    // Forms differ in what they keep of a second.
    let right = told.is_some_and(|(told, _)| (told - exp).abs() < 1.0);
    let seen =
        || told.map_or_else(|| "no expires_at".to_owned(), |(told, _)| format!("{:+.0} s beside it", told - exp));
    cx.holds(right, Finding::WrongValue, "expires_at equal to the token's exp", seen, evidence)
}

/// When the token ends, by our clock.
async fn end(cx: &Context, token: &Token) -> Result<Instant, Stop> {
    let left = exp(token)? - cx.target().clock(cx.recorder()).await?;
    Ok(Instant::now() + Duration::from_secs_f64(left.max(0.0)))
}

/// When a socket that lived by the token alone must be gone, by our clock: `exp + leeway + recheck + 1 s`.
pub(super) async fn over(cx: &Context, token: &Token) -> Result<Instant, Stop> {
    Ok(end(cx, token).await? + cx.waits().recheck())
}

/// What was done just now had to come before the token's end.
pub(super) async fn still_before(cx: &Context, token: &Token) -> Result<(), Stop> {
    if Instant::now() + MARGIN < end(cx, token).await? {
        return Ok(());
    }
    let what = format!("the short token was about to expire before this was done: {}", cx.doing());
    Err(Inconclusive::new(Blame::Harness, what).with(cx.evidence()).into())
}

/// `attempt`, once more from the start when we were too slow for the token's life.
pub(super) async fn in_time<F: Future<Output = Judgement>>(attempt: impl Fn() -> F) -> Judgement {
    match attempt().await {
        Err(Stop::Inconclusive(why)) if why.blame == Blame::Harness => attempt().await,
        judgement => judgement,
    }
}
