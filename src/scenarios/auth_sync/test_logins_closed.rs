use serde_json::json;

use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, Stop};
use crate::profile::{Environment, Secret};
use crate::target::Response;
use crate::wire::Endpoint;

pub(super) static CHECK: Check = check!("auth-sync/test-logins-closed", run).smoke();

const KEY: &str = "X-E2E-Bypass-Key";
/// What nobody has chosen for a key.
const WRONG: &str = "netra-check-wrong-key";

async fn run(cx: &Context) -> Judgement {
    let known = cx.profile().credentials.bypass_key.as_ref().map(Secret::expose);
    let production = cx.profile().environment == Environment::Production;
    if let (Some(key), false) = (known, production) {
        control(cx, key).await?;
    }
    for (step, key) in [("no key", None), ("an empty key", Some("")), ("a wrong key", Some(WRONG))] {
        cx.step(format!("the test login with {step}"));
        cx.status(&test_login(cx, key).await?, &[401, 403, 404])?;
    }
    match (known, production) {
        (Some(key), false) => control(cx, key).await?,
        (_, false) => {}
        (known, true) => {
            cx.step("production: the test login, whatever the key");
            cx.status(&test_login(cx, Some(known.unwrap_or(WRONG))).await?, &[403, 404])?;
            cx.step("production: the developer login");
            cx.status(&cx.call(Endpoint::DevLogin).json(&json!({})).send().await?, &[403, 404])?;
        }
    }
    cx.conforms()
}

/// The right key opens: what is refused beside it is the key.
async fn control(cx: &Context, key: &str) -> Result<(), Stop> {
    cx.step("control: the test login with the profile's key");
    let answer = test_login(cx, Some(key)).await?;
    cx.success(Endpoint::E2eLogin, &answer).map_err(|stop| cx.control_failed("the profile's key opens", stop))
}

async fn test_login(cx: &Context, key: Option<&str>) -> Result<Response, Stop> {
    let call = cx.call(Endpoint::E2eLogin).json(&json!({"email": cx.target().test_user(0)}));
    let call = match key {
        Some(key) => call.header(KEY, key),
        None => call,
    };
    Ok(call.send().await?)
}
