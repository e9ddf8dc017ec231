use std::time::{Duration, Instant};

use super::expiry;
use crate::check;
use crate::check::{Check, Context, in_time};
use crate::model::{Judgement, Need};
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("handshake/idle-socket-closed-at-expiry", run)
    .needs(&[Need::Short])
    .wait(|waits| waits.short_token() + waits.recheck());

async fn run(cx: &Context) -> Judgement {
    in_time(|| attempt(cx)).await
}

async fn attempt(cx: &Context) -> Judgement {
    let (long, short) = (cx.login().await?, cx.short_login(Duration::ZERO).await?);
    let (mut ending, mut staying) = (cx.session(&short.access).await?, cx.session(&long.access).await?);
    cx.still_before(&short.access).await?;
    cx.step("expires_at of the first frame");
    for (session, login) in [(&ending, &short), (&staying, &long)] {
        expiry::told(cx, &session.welcome, &login.access, || session.socket.evidence())?;
    }

    cx.step("the idle socket at its token's end");
    let over = cx.gone_by(&short.access).await?;
    let within = over.saturating_duration_since(Instant::now());
    cx.thrown_out(&mut ending.socket, within, &ErrorCode::TokenExpired).await?;

    cx.step("the socket with a later token");
    cx.alive(&mut staying.socket).await?;
    staying.close().await;
    cx.conforms()
}
