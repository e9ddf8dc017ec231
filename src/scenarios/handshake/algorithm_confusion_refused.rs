use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, Need, NotVerified};
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("handshake/algorithm-confusion-refused", run).needs(&[Need::Jwks]);

async fn run(cx: &Context) -> Judgement {
    cx.step("the public keys");
    let jwks = cx.target().jwks(cx.recorder()).await?.ok_or(NotVerified::Lacks(Need::Jwks))?;
    let login = cx.login().await?;
    let confusing = cx.workshop().algorithm_confusion(&login.access, jwks);
    cx.forgeries_refused(&login.access, confusing, &[ErrorCode::TokenInvalid]).await?;
    cx.conforms()
}
