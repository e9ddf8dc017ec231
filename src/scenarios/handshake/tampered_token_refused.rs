use crate::check;
use crate::check::{Check, Context};
use crate::model::Judgement;
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("handshake/tampered-token-refused", run).smoke();

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    // Its signature is genuine, for other octets.
    let other = cx.login().await?;
    let tampered = cx.workshop().tampered(&login.access, &other.access);
    cx.forgeries_refused(&login.access, tampered, &[ErrorCode::TokenInvalid]).await?;
    cx.conforms()
}
