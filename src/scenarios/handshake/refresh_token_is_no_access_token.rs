use crate::check;
use crate::check::{Check, Context};
use crate::model::Judgement;
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("handshake/refresh-token-is-no-access-token", run);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let refresh = cx.refresh_token(&login)?;
    cx.refused_everywhere("the refresh token", &login.access, refresh, &[ErrorCode::TokenInvalid]).await?;
    cx.conforms()
}
