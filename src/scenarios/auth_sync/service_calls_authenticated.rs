use serde_json::json;

use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, Need, NotVerified, Stop};
use crate::target::{Call, Response};
use crate::wire::Endpoint;

pub(super) static CHECK: Check = check!("auth-sync/service-calls-authenticated", run).needs(&[Need::Service]);

/// What no service is called, and no secret is.
const NOBODY: &str = "netra-check-nobody";

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let service = cx.profile().service.as_ref().ok_or(NotVerified::Lacks(Need::Service))?;
    let validate = || cx.call(Endpoint::Validate).json(&json!({"token": login.access.expose(), "token_type": "access"}));
    let by = |id: &str, secret: &str| validate().header("X-Service-ID", id).header("X-Service-Secret", secret);
    let right = || by(&service.id, service.secret.expose());
    cx.step("the service token as it is issued");
    let issued = issued(cx, &service.id, service.secret.expose()).await?;
    cx.success(Endpoint::ServiceToken, &issued)?;
    let token = cx.service_token().await?;

    control(cx, right(), validate().bearer(&token)).await?;
    for (step, call) in [
        ("no credentials", validate()),
        ("the service's id with a wrong secret", by(&service.id, NOBODY)),
        ("the right secret under an unknown id", by(NOBODY, service.secret.expose())),
        ("the service's id without a secret", validate().header("X-Service-ID", &service.id)),
        ("a user's token as Bearer", validate().bearer(&login.access)),
    ] {
        cx.step(format!("`{}` with {step}", Endpoint::Validate.slug()));
        refused(cx, &call.send().await?)?;
    }
    control(cx, right(), validate().bearer(&token)).await?;
    cx.conforms()
}

async fn issued(cx: &Context, id: &str, secret: &str) -> Result<Response, Stop> {
    let body = json!({"service_id": id, "service_secret": secret});
    Ok(cx.call(Endpoint::ServiceToken).json(&body).send().await?)
}

/// Whoever is no service learns nothing about a token, in contracts that say so with success, too.
fn refused(cx: &Context, answer: &Response) -> Result<(), Stop> {
    cx.status(answer, &[cx.contract().unauthorized(Endpoint::Validate)])?;
    let body = answer.logical_body(cx.contract(), Endpoint::Validate).unwrap_or_default();
    let valid = &body["valid"];
    cx.holds(
        *valid != true,
        Finding::Accepted,
        "no word that it is valid".to_owned(),
        || "valid: true".to_owned(),
        || answer.evidence(),
    )
}

/// Both ways by which a service is known are open.
async fn control(cx: &Context, by_secret: Call<'_>, by_token: Call<'_>) -> Result<(), Stop> {
    for (step, call) in [("id and secret", by_secret), ("a service token", by_token)] {
        cx.step(format!("control: {step}"));
        let answer = call.send().await?;
        cx.success(Endpoint::Validate, &answer)
            .map_err(|stop| cx.control_failed("a service may validate tokens", stop))?;
    }
    Ok(())
}
