use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Judgement};
use crate::wire::{Endpoint, ErrorCode};

pub(super) static CHECK: Check = check!("handshake/query-token-refused", run).should().effects(&[Effect::Revoke]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.throwaway_login().await?;
    let judged = cx
        .sandwich(
            || cx.upgrade_with(&login.access),
            [("the token in the query string", cx.upgrade().query_token(&login.access))],
            &[ErrorCode::AuthMissing, ErrorCode::TokenInvalid],
        )
        .await;
    // Whatever was found: this token now stands in logs.
    cx.call(Endpoint::Logout).bearer(&login.access).send().await?;
    judged?;
    cx.conforms()
}
