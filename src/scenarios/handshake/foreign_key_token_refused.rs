use crate::check;
use crate::check::{Check, Context};
use crate::model::Judgement;
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("handshake/foreign-key-token-refused", run);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let foreign = cx.workshop().foreign_key(&login.access);
    cx.forgeries_refused(&login.access, foreign, &[ErrorCode::TokenInvalid]).await?;
    cx.conforms()
}
