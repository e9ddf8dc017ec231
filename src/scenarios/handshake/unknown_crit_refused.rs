use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, Need};
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("handshake/unknown-crit-refused", run).needs(&[Need::Sign]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let (control, critical) = cx.workshop().unknown_crit(&login.access)?;
    cx.sandwich(
        || cx.upgrade_with(&control),
        [("crit names a member that nobody knows", cx.upgrade_with(&critical))],
        &[ErrorCode::TokenInvalid],
    )
    .await?;
    cx.conforms()
}
