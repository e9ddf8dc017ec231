use crate::check;
use crate::check::{Check, Context};
use crate::model::Judgement;
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("handshake/unsigned-token-refused", run).smoke();

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let unsigned = cx.workshop().unsigned(&login.access);
    cx.forgeries_refused(&login.access, unsigned, &[ErrorCode::TokenInvalid]).await?;
    cx.conforms()
}
