use std::time::Duration;

use super::stream::{marker, ready, staying, terminated};
use crate::check;
use crate::check::{Check, Context, Waits};
use crate::model::{Effect, Judgement, Need, Trigger};
use crate::wire::{Endpoint, ErrorCode};

pub(super) static CHECK: Check = check!("streaming/auth-rechecked-while-streaming", run)
    .needs(&[Need::Trigger(Trigger::LongStream)])
    .effects(&[Effect::Create, Effect::Revoke])
    .wait(within);

/// From the logout's answer until the stream and its socket have ended: `recheck + 1 s`.
fn within(waits: &Waits<'_>) -> Duration {
    Duration::from_secs_f64(waits.config.auth_recheck_s + 1.0)
}

async fn run(cx: &Context) -> Judgement {
    let login = cx.throwaway_login().await?;
    let (_, mut witness) = staying(cx, "witness").await?;
    let mut streaming = ready(cx, &login.access, "logged out").await?;
    cx.step("a stream begins");
    streaming.flow(cx).await?;
    cx.step("logout in mid-stream");
    let answer = cx.target().logout(cx.recorder(), &login).await?;
    cx.status(&answer, cx.contract().success(Endpoint::Logout))?;

    cx.step("the session that was logged out");
    let left = within(&cx.waits()).saturating_sub(answer.received.elapsed());
    cx.thrown_out(&mut streaming.session.socket, left, &ErrorCode::TokenRevoked).await?;
    cx.figure(format!("closed {} ms after the logout", answer.received.elapsed().as_millis()));
    terminated(cx, &streaming.session.socket, &streaming.run, &ErrorCode::TokenRevoked)?;

    // What would still be sent reaches this socket, too.
    cx.step("the user's other session, to the end of a further run");
    marker(cx, &mut witness).await?;
    terminated(cx, &witness.session.socket, &streaming.run, &ErrorCode::TokenRevoked)?;
    witness.session.close().await;
    cx.conforms()
}
