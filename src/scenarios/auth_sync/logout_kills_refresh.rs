use super::renewal;
use super::surfaces::{self, Surface};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Judgement};
use crate::wire::{Endpoint, ErrorCode};

pub(super) static CHECK: Check = check!("auth-sync/logout-kills-refresh", run).effects(&[Effect::Revoke]);

async fn run(cx: &Context) -> Judgement {
    let older = cx.throwaway_login().await?;
    cx.refresh_token(&older)?;
    cx.step("control: a refresh leaves the older access token valid");
    let newer = cx.target().refresh(cx.recorder(), &older).await?;
    let answer = cx.call(Endpoint::Verify).bearer(&older.access).send().await?;
    cx.success(Endpoint::Verify, &answer).map_err(|stop| cx.control_failed("the older token is valid", stop))?;
    cx.step("logout with the newer access token");
    let answer = cx.target().logout(cx.recorder(), &newer).await?;
    cx.status(&answer, cx.contract().success(Endpoint::Logout))?;

    let window = (answer.received, cx.profile().limits.settle);
    for (which, token) in [("newer", &newer.access), ("older", &older.access)] {
        cx.step(format!("the {which} access token after the logout"));
        let verify = Surface::Bearer(Endpoint::Verify);
        surfaces::until_refused(cx, verify, token, &ErrorCode::TokenRevoked, window).await?;
    }
    cx.step("the refresh token after the logout");
    renewal::refused(cx, cx.refresh_token(&newer)?).await?;
    cx.step("a second logout");
    cx.status(&cx.target().logout(cx.recorder(), &newer).await?, &[200, 401])?;
    cx.conforms()
}
