use std::time::{Duration, Instant};

use super::{away, expiry};
use crate::check;
use crate::check::{Check, Context, in_time};
use crate::model::{Effect, Judgement, Need};

pub(super) static CHECK: Check = check!("reconnection/refreshed-token-reconnects", run)
    .needs(&[Need::Short])
    .effects(&[Effect::Create])
    .wait(|waits| waits.short_token() + waits.recheck());

async fn run(cx: &Context) -> Judgement {
    in_time(|| attempt(cx)).await
}

async fn attempt(cx: &Context) -> Judgement {
    // To post by while the other one's token is expired; the short one's life is for its session alone.
    let other = cx.login().await?;
    let mut helper = cx.session(&other.access).await?;
    let thread = away::thread(cx, &mut helper).await?;
    helper.close().await;
    let login = cx.short_login(Duration::ZERO).await?;
    cx.step("a session is begun with a token that lives seconds");
    let opened = cx.session(&login.access).await;
    cx.still_before(&login.access).await?;
    let mut session = opened?;

    cx.step("waiting until the target closes the connection at its token's end");
    let over = cx.gone_by(&login.access).await?;
    let closed = cx.ends(&mut session.socket, over.saturating_duration_since(Instant::now()), &[1008], false).await;
    closed.map_err(|stop| cx.control_failed("the socket ends with its token", stop))?;
    let lost = session.lost();
    let posted = away::post(cx, &other.access, &thread).await?;

    cx.step("the expired token is refused, and refreshed");
    let renewed = expiry::refreshed(cx, &login).await?;
    cx.step("the session is restored with the new token");
    let (mut session, restored) = cx.restored(cx.upgrade_with(&renewed.access), &lost).await?;
    cx.resumed(&session, &restored, &lost)?;
    away::replayed_once(cx, &mut session, &posted).await?;
    session.close().await;
    cx.conforms()
}
