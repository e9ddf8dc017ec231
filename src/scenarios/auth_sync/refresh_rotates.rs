use super::{renewal, surfaces};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Finding, Judgement};
use crate::target::Response;

pub(super) static CHECK: Check = check!("auth-sync/refresh-rotates", run).effects(&[Effect::Revoke]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.throwaway_login().await?;
    let used = cx.refresh_token(&login)?;
    cx.step("refresh");
    let renewed = cx.target().refresh(cx.recorder(), &login).await?;
    let rotated = renewed.refresh.as_ref().is_some_and(|successor| successor.expose() != used.expose());
    let seen = || match renewed.refresh {
        Some(_) => "the refresh token that was sent".to_owned(),
        None => "no refresh token".to_owned(),
    };
    let evidence = || renewed.answer.as_ref().map(Response::evidence).unwrap_or_default();
    cx.holds(rotated, Finding::WrongValue, "another refresh token than the one sent", seen, evidence)?;
    // First, since a used refresh token that comes again may end the whole family.
    surfaces::same_user(cx, &renewed).await?;
    cx.step("the used refresh token");
    renewal::refused(cx, used).await?;
    cx.conforms()
}
