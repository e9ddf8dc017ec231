use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, Need};
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("handshake/service-token-is-no-access-token", run).needs(&[Need::Service]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let service = cx.service_token().await?;
    cx.refused_everywhere("the service token", &login.access, &service, &[ErrorCode::TokenInvalid]).await?;
    cx.conforms()
}
