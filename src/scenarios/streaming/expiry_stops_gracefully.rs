use std::time::Instant;

use super::stream::{marker, middle_at, short_lived, staying, terminated};

use crate::check;
use crate::check::{Check, Context, in_time};
use crate::model::{Effect, Judgement, Need, Trigger};
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("streaming/expiry-stops-gracefully", run)
    .needs(&[Need::Short, Need::Trigger(Trigger::LongStream)])
    .effects(&[Effect::Create])
    .wait(|waits| waits.short_token() + waits.recheck());

async fn run(cx: &Context) -> Judgement {
    in_time(|| attempt(cx)).await
}

async fn attempt(cx: &Context) -> Judgement {
    let (login, mut witness) = staying(cx, "witness").await?;
    let (_, mut streaming, end) = short_lived(cx, "expiring").await?;
    cx.step("a stream that its token does not outlast");
    middle_at(cx, end).await;
    streaming.begin_before(cx, end).await?;

    cx.step("the session whose token ends");
    let left = (end + cx.waits().recheck()).saturating_duration_since(Instant::now());
    cx.thrown_out(&mut streaming.session.socket, left, &ErrorCode::TokenExpired).await?;
    let after = Instant::now().saturating_duration_since(end);
    cx.figure(format!("closed {} ms after the token's end", after.as_millis()));
    let said = terminated(cx, &streaming.session.socket, &streaming.run, &ErrorCode::TokenExpired)?;

    cx.step("the user's other session, to the end of a further run");
    marker(cx, &mut witness).await?;
    terminated(cx, &witness.session.socket, &streaming.run, &ErrorCode::TokenExpired)?;
    cx.step("the stopped run's message in the history");
    cx.kept(&login, &streaming.thread, &streaming.run, &said).await?;
    witness.session.close().await;
    cx.conforms()
}
