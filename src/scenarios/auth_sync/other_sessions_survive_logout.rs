use super::logout_reaches_every_service::within;
use super::{renewal, surfaces};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Judgement};
use crate::wire::{Endpoint, ErrorCode};

pub(super) static CHECK: Check =
    check!("auth-sync/other-sessions-survive-logout", run).effects(&[Effect::Revoke]).wait(within);

async fn run(cx: &Context) -> Judgement {
    let (ending, staying) = (cx.throwaway_login().await?, cx.login().await?);
    let (mut closing, mut open) = (cx.session(&ending.access).await?, cx.session(&staying.access).await?);
    cx.step("logout of the first login");
    let answer = cx.target().logout(cx.recorder(), &ending).await?;
    cx.status(&answer, cx.contract().success(Endpoint::Logout))?;
    let since = answer.received;
    // The end of its socket shows that the logout has come to the backend.
    let heard = cx.thrown_out(&mut closing.socket, within(&cx.waits()), &ErrorCode::TokenRevoked).await;
    heard.map_err(|stop| cx.control_failed("the logged out socket ends", stop))?;

    surfaces::same_user(cx, &staying).await?;
    if let Some(refresh) = &staying.refresh {
        cx.step("the refresh token of the second login");
        cx.success(Endpoint::Refresh, &renewal::ask(cx, refresh).await?)?;
    }
    // Each socket is asked about in its own time: only when that of all is over this one has been spared.
    cx.step("the socket of the second login");
    cx.outlasts(&mut open.socket, since + within(&cx.waits())).await?;
    cx.alive(&mut open.socket).await?;
    open.close().await;
    cx.conforms()
}
