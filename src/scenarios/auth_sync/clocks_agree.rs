use std::time::Instant;

use serde_json::Value;

use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, NotVerified, Stop};
use crate::wire::{Endpoint, read_timestamp};

pub(super) static CHECK: Check = check!("auth-sync/clocks-agree", run);

/// Seconds by which the services' clocks may differ (contract, section 1).
const APART: f64 = 2.0;

/// How far a service's clock is ahead of ours: somewhere between the two, in seconds.
struct Ahead {
    least: f64,
    most: f64,
}

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let base = Instant::now();
    cx.step("the auth service's clock");
    let answer = cx.call(Endpoint::AuthHealth).send().await?;
    cx.success(Endpoint::AuthHealth, &answer)?;
    let body = answer.logical_body(cx.contract(), Endpoint::AuthHealth).unwrap_or_default();
    let auth = ahead(cx, body.get("timestamp"), base, answer.sent, answer.received)?;

    cx.step("the backend's clock");
    let session = cx.session(&login.access).await?;
    let welcomed = session.socket.seen().first().map_or_else(Instant::now, |welcome| welcome.at);
    let backend = ahead(cx, session.welcome.field("server_time"), base, session.response.sent, welcomed)?;

    cx.step("the two clocks");
    // Each is known as an interval: only what lies between the two is certainly a difference.
    let apart = (auth.least - backend.most).max(backend.least - auth.most).max(0.0);
    let seen = || format!("at least {apart:.1} s apart");
    let expected = format!("at most {APART} s apart");
    cx.holds(apart <= APART, Finding::WrongValue, expected, seen, || cx.evidence())?;
    session.close().await;
    cx.conforms()
}

/// A clock that was read between `sent` and `received`, against ours (seconds since `base`).
fn ahead(
    cx: &Context,
    told: Option<&Value>,
    base: Instant,
    sent: Instant,
    received: Instant,
) -> Result<Ahead, Stop> {
    let told = told.and_then(|told| read_timestamp(told, cx.contract().timestamp_forms()));
    let untold = || NotVerified::NotInContract("a time told by both services".into());
    let (told, _) = told.ok_or_else(untold)?;
    // A clock that tells whole seconds may be one further.
    let grain = if told.fract() == 0.0 { 1.0 } else { 0.001 };
    let ours = |at: Instant| at.saturating_duration_since(base).as_secs_f64();
    Ok(Ahead { least: told - ours(received), most: told + grain - ours(sent) })
}
