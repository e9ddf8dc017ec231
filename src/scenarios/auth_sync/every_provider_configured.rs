use serde_json::Value;

use super::oauth::{Browser, callback, location, parameter};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, Need};
use crate::wire::Endpoint;

pub(super) static CHECK: Check = check!("auth-sync/every-provider-configured", run).needs(&[Need::OAuth]);

async fn run(cx: &Context) -> Judgement {
    cx.step("the list of providers");
    let answer = cx.call(Endpoint::OauthProviders).send().await?;
    cx.success(Endpoint::OauthProviders, &answer)?;
    let body = answer.logical_body(cx.contract(), Endpoint::OauthProviders).unwrap_or_default();
    let listed = body.get("providers").and_then(Value::as_array).cloned().unwrap_or_default();
    for provider in &cx.profile().users.oauth_providers {
        cx.step(format!("{provider} in the list"));
        let is_it = |known: &Value| known.get("name").and_then(Value::as_str) == Some(provider);
        let expected = format!("`{provider}` among the providers");
        cx.holds(listed.iter().any(is_it), Finding::WrongValue, expected, || "not there".into(), || answer.evidence())?;

        cx.step(format!("a flow with {provider}"));
        let started = Browser::new(cx).start(provider, &[]).await?;
        cx.status(&started, cx.contract().success(Endpoint::OauthStart))?;
        let authorize = location(cx, &started, &cx.profile().urls.auth)?;
        let back = parameter(&authorize, "redirect_uri");
        cx.same("redirect_uri", &Some(String::from(callback(cx)?)), &back, || started.evidence())?;
    }
    cx.conforms()
}
