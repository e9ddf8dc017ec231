use url::Url;

use super::oauth::{Browser, Consented, Form, parameter, signed_in};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Judgement, Need, Stop};
use crate::target::Login;

pub(super) static CHECK: Check =
    check!("auth-sync/oauth-state-enforced", run).needs(&[Need::OAuthAuto]).effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let provider = cx.profile().users.oauth_providers.first().map(String::as_str).unwrap_or_default();
    let user = control(cx, provider).await?;

    for (step, state) in [("missing", None), ("unknown", Some("netra-check-unknown-state"))] {
        let (mut browser, flow) = consented(cx, provider).await?;
        cx.step(format!("a callback with a state that is {step}"));
        refused(cx, &mut browser, &with_state(&flow.callback, state)).await?;
    }

    let (_, flow) = consented(cx, provider).await?;
    cx.step("a callback without the state's cookie");
    refused(cx, &mut Browser::new(cx), &flow.callback).await?;

    let (_, flow) = consented(cx, provider).await?;
    let (mut other, _) = consented(cx, provider).await?;
    cx.step("a callback in the browser of another flow");
    refused(cx, &mut other, &flow.callback).await?;

    let (mut browser, flow) = consented(cx, provider).await?;
    // It keeps the cookie that the first callback takes away: what must refuse is the state.
    let mut keeps = browser.clone();
    cx.step("control: the callback that will come again");
    let answer = browser.call_back(&flow.callback, Form::Page).await?;
    signed_in(cx, answer, Form::Page).map_err(|stop| cx.control_failed("the first callback completes", stop))?;
    cx.step("a used state with a new code");
    let again = keeps.authorize(&flow.authorize).await?;
    refused(cx, &mut keeps.clone(), &again).await?;
    cx.step("the same callback again");
    refused(cx, &mut keeps, &flow.callback).await?;

    late(cx, provider, &user).await?;
    control(cx, provider).await?;
    cx.conforms()
}

/// A whole flow completes: what is refused beside it is its state.
async fn control(cx: &Context, provider: &str) -> Result<Login, Stop> {
    cx.step("control: a whole flow");
    let flow = Browser::new(cx).sign_in(provider, Form::Page).await;
    flow.map_err(|stop| cx.control_failed("a whole flow completes", stop))
}

/// A callback that comes after another flow of its browser: refused, or the login of its own provider's user.
async fn late(cx: &Context, provider: &str, user: &Login) -> Result<(), Stop> {
    let (mut browser, flow) = consented(cx, provider).await?;
    let other = cx.profile().users.oauth_providers.last().map_or(provider, String::as_str);
    cx.step("control: another flow in the same browser");
    let between = browser.sign_in(other, Form::Page).await;
    between.map_err(|stop| cx.control_failed("a whole flow completes", stop))?;
    cx.step("a callback that comes after another flow of its browser");
    let answer = browser.call_back(&flow.callback, Form::Json).await?;
    cx.status(&answer, &[200, 302, 400])?;
    if answer.status == 400 {
        return Ok(());
    }
    let evidence = answer.evidence();
    let login = signed_in(cx, answer, Form::Json)?;
    cx.same("user_id", &user.user_id, &login.user_id, || evidence)
}

/// A new browser with a flow of its own, up to the provider's code.
async fn consented<'a>(cx: &'a Context, provider: &str) -> Result<(Browser<'a>, Consented), Stop> {
    cx.step("control: a new flow up to its code");
    let mut browser = Browser::new(cx);
    let flow = browser.consent(provider).await.map_err(|stop| cx.control_failed("a flow begins", stop))?;
    Ok((browser, flow))
}

fn with_state(callback: &Url, state: Option<&str>) -> Url {
    let (mut url, code) = (callback.clone(), parameter(callback, "code").unwrap_or_default());
    url.query_pairs_mut().clear().append_pair("code", &code).extend_pairs(state.map(|state| ("state", state)));
    url
}

async fn refused(cx: &Context, browser: &mut Browser<'_>, callback: &Url) -> Result<(), Stop> {
    let answer = browser.call_back(callback, Form::Json).await?;
    cx.status(&answer, &[400])
}
