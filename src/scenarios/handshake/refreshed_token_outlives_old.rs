use std::time::Duration;

use super::{expiry, refresh};
use crate::check;
use crate::check::{Check, Context, in_time};
use crate::model::{Finding, Judgement, Need, Stop};

pub(super) static CHECK: Check = check!("handshake/refreshed-token-outlives-old", run)
    .needs(&[Need::Short])
    .wait(|waits| waits.short_token() + waits.recheck());

async fn run(cx: &Context) -> Judgement {
    in_time(|| attempt(cx)).await
}

async fn attempt(cx: &Context) -> Judgement {
    let (new, old) = (cx.login().await?, cx.short_login(Duration::ZERO).await?);
    let mut session = cx.session(&old.access).await?;
    let socket = &mut session.socket;
    cx.step("token_refresh with a later token");
    let refreshed = match cx.ask(socket, refresh::with(&new.access)).await {
        Err(Stop::Deviates(closed)) if closed.finding == Finding::Closed => {
            // Its token may simply have come to its end.
            cx.still_before(&old.access).await?;
            return Err(Stop::Deviates(closed));
        }
        other => other?,
    };
    expiry::told(cx, &refreshed, &new.access, || socket.evidence())?;
    cx.still_before(&old.access).await?;

    cx.step("waiting past the old token's end");
    cx.outlasts(socket, cx.gone_by(&old.access).await?).await?;
    cx.alive(socket).await?;
    session.close().await;
    cx.conforms()
}
