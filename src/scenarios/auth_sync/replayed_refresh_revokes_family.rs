use super::renewal;
use super::surfaces::{self, Surface};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Judgement};
use crate::wire::{Endpoint, ErrorCode};

pub(super) static CHECK: Check =
    check!("auth-sync/replayed-refresh-revokes-family", run).should().effects(&[Effect::Revoke]);

async fn run(cx: &Context) -> Judgement {
    let (login, sibling) = (cx.throwaway_login().await?, cx.throwaway_login().await?);
    let used = cx.refresh_token(&login)?;
    cx.step("control: refresh");
    let renewed = cx.target().refresh(cx.recorder(), &login).await?;
    cx.step("the used refresh token, sent again");
    let replay = renewal::ask(cx, used).await?;
    cx.status(&replay, &[401])?;

    cx.step("the successor's refresh token after the replay");
    renewal::refused(cx, cx.refresh_token(&renewed)?).await?;
    cx.step("the successor's access token after the replay");
    let window = (replay.received, cx.profile().limits.settle);
    let verify = Surface::Bearer(Endpoint::Verify);
    surfaces::until_refused(cx, verify, &renewed.access, &ErrorCode::TokenRevoked, window).await?;

    cx.step("the sibling family's access token");
    let answer = cx.call(Endpoint::Verify).bearer(&sibling.access).send().await?;
    cx.success(Endpoint::Verify, &answer)?;
    cx.step("the sibling family's refresh token");
    cx.success(Endpoint::Refresh, &renewal::ask(cx, cx.refresh_token(&sibling)?).await?)?;
    cx.conforms()
}
