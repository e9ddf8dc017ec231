use std::time::{Duration, Instant};

use super::expiry;
use crate::check;
use crate::check::{Check, Context, in_time};
use crate::model::{Finding, Judgement, Need};
use crate::target::Received;
use crate::wire::{ErrorCode, Kind};

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
    cx.ends(&mut ending.socket, over.saturating_duration_since(Instant::now()), &[1008], false).await?;
    let is_extension = |kind: &Kind| matches!(kind, Kind::Other(name) if cx.contract().is_extension(name));
    let judged = |received: &&Received| !received.kind().is_some_and(is_extension);
    let code = ending.socket.seen().iter().rev().find(judged).and_then(Received::error_code);
    let seen = || code.as_ref().map_or_else(|| "no error".to_owned(), |code| format!("error {code}"));
    let told = code == Some(ErrorCode::TokenExpired);
    let expected = "error TOKEN_EXPIRED before the Close";
    cx.holds(told, Finding::WrongCode, expected, seen, || ending.socket.evidence())?;

    cx.step("the socket with a later token");
    cx.alive(&mut staying.socket).await?;
    staying.close().await;
    cx.conforms()
}
