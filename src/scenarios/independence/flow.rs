//! What a user needs of the auth service, from its configuration to the logout.

use serde_json::Value;

use crate::check::Context;
use crate::model::{Blame, Finding, Stop};
use crate::target::{Login, Response, Token};
use crate::wire::Endpoint;

/// Configuration, login, verification, refresh: the refreshed login.
pub(super) async fn until_refreshed(cx: &Context) -> Result<Login, Stop> {
    cx.step("configuration");
    let config = cx.call(Endpoint::AuthConfig).send().await?;
    cx.success(Endpoint::AuthConfig, &config)?;
    cx.step("login");
    let login = cx.login().await?;
    cx.step("verification");
    verified(cx, &login).await?;
    cx.step("refresh");
    let refreshed = cx.target().refresh(cx.recorder(), &login).await?;
    cx.step("verification of the refreshed token");
    verified(cx, &refreshed).await?;
    Ok(refreshed)
}

/// The whole flow of a service that stands alone: here its failure is a deviation.
pub(super) async fn alone(cx: &Context) -> Result<(), Stop> {
    must(cx, "the whole flow of a service that stands alone", whole(cx).await)
}

/// The whole flow, with the logout of its own login.
pub(super) async fn whole(cx: &Context) -> Result<(), Stop> {
    let login = until_refreshed(cx).await?;
    cx.step("logout");
    let answer = cx.target().logout(cx.recorder(), &login).await?;
    cx.status(&answer, cx.contract().success(Endpoint::Logout))
}

/// `/auth/verify` says whose token it is.
async fn verified(cx: &Context, login: &Login) -> Result<(), Stop> {
    let answer = verify(cx, &login.access).await?;
    cx.success(Endpoint::Verify, &answer)?;
    names(cx, Endpoint::Verify, &answer, login)
}

/// What `/auth/verify` says about a token.
pub(super) async fn verify(cx: &Context, token: &Token) -> Result<Response, Stop> {
    Ok(cx.call(Endpoint::Verify).bearer(token).send().await?)
}

/// A verdict that must call the token of `login` valid, and name its user.
pub(super) fn names(cx: &Context, endpoint: Endpoint, verdict: &Response, login: &Login) -> Result<(), Stop> {
    let body = verdict.logical_body(cx.contract(), endpoint).unwrap_or_default();
    let valid = body.get("valid").and_then(Value::as_bool);
    let seen = || body.get("error_code").map_or_else(|| "valid: false".into(), |code| format!("valid: false, {code}"));
    cx.holds(valid == Some(true), Finding::Refused, "valid: true", seen, || verdict.evidence())?;
    let user = body.get("user_id").and_then(Value::as_str);
    cx.same("user_id", &Some(login.user_id.as_str()), &user, || verdict.evidence())
}

/// Where a service must do without another, its failure is a deviation and no lack of knowledge.
pub(super) fn must<T>(cx: &Context, what: &str, result: Result<T, Stop>) -> Result<T, Stop> {
    result.map_err(|stop| match stop {
        Stop::Inconclusive(why) if !matches!(why.blame, Blame::Harness | Blame::Throttled) => {
            cx.deviation(Finding::NotStandalone, [what], why.what, why.evidence)
        }
        other => other,
    })
}
