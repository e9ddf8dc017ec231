use serde_json::Value;
use url::Url;

use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, Need};
use crate::wire::Endpoint;

pub(super) static CHECK: Check = check!("auth-sync/frontend-names-same-origins", run).smoke().needs(&[Need::Frontend]);

async fn run(cx: &Context) -> Judgement {
    cx.step("the frontend's public configuration");
    let answer = cx.call(Endpoint::FrontendConfig).send().await?;
    cx.success(Endpoint::FrontendConfig, &answer)?;
    let body = answer.logical_body(cx.contract(), Endpoint::FrontendConfig).unwrap_or_default();
    let urls = &cx.profile().urls;
    for (name, own) in [("auth", &urls.auth), ("api", &urls.backend), ("ws", &urls.websocket)] {
        let told = body.pointer(&format!("/urls/{name}")).and_then(Value::as_str).unwrap_or_default();
        // What is no URL is shown as it stands.
        let told = Url::parse(told).map_or_else(|_| told.to_owned(), |url| origin(&url));
        cx.same(&format!("origin of `{name}`"), &origin(own), &told, || answer.evidence())?;
    }
    cx.conforms()
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}
