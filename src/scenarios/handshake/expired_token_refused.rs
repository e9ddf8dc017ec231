use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, Need};
use crate::wire::{Endpoint, ErrorCode};

pub(super) static CHECK: Check = check!("handshake/expired-token-refused", run).smoke().needs(&[Need::Short]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    // The control differs in `exp` alone.
    let expired = cx.expired_token(&login).await?;
    let codes = [ErrorCode::TokenExpired];
    cx.sandwich(
        || cx.upgrade_with(&login.access),
        cx.contract().carriers().iter().map(|carrier| {
            (format!("the expired token in the {}", carrier.slug()), cx.upgrade().carrier(*carrier, &expired))
        }),
        &codes,
    )
    .await?;

    cx.step("the expired token at /auth/verify");
    let verdict = cx.call(Endpoint::Verify).bearer(&expired).send().await?;
    cx.http_refused(&verdict, &[401], &codes)?;
    if let Some(verdict) = cx.validate(&expired).await? {
        cx.step("the expired token at /auth/validate");
        cx.invalid(&verdict, &codes)?;
    }
    cx.conforms()
}
