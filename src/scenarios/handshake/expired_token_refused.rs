use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, Need};
use crate::wire::ErrorCode;

pub(super) static CHECK: Check =
    check!("handshake/expired-token-refused", run).smoke().needs(&[Need::Short]).wait(|waits| waits.expired_token());

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let (control, expired) = cx.expired_token(&login).await?;
    cx.refused_everywhere("the expired token", &control, &expired, &[ErrorCode::TokenExpired]).await?;
    cx.conforms()
}
