use super::oauth::{Browser, Form};
use super::surfaces;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Judgement, Need};

pub(super) static CHECK: Check =
    check!("auth-sync/oauth-flow-completes", run).needs(&[Need::OAuthAuto]).effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let providers = &cx.profile().users.oauth_providers;
    for (index, provider) in providers.iter().enumerate() {
        cx.step(format!("a flow with {provider} that ends in a redirect"));
        let login = Browser::new(cx).sign_in(provider, Form::Page).await?;
        surfaces::same_user(cx, &login).await?;
        // The form of the end is the auth service's own: one provider shows it.
        if index == 0 {
            cx.step(format!("a flow with {provider} that ends in JSON"));
            let login = Browser::new(cx).sign_in(provider, Form::Json).await?;
            surfaces::same_user(cx, &login).await?;
        }
    }
    cx.conforms()
}
