use super::surfaces;
use crate::check;
use crate::check::{Check, Context};
use crate::model::Judgement;

pub(super) static CHECK: Check = check!("auth-sync/token-works-everywhere", run).required().smoke();

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    surfaces::same_user(cx, &login).await?;
    cx.conforms()
}
