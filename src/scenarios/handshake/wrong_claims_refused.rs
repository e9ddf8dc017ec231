use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, Need};
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("handshake/wrong-claims-refused", run).needs(&[Need::Sign]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let now = cx.target().clock(cx.recorder()).await?;
    // Signed by us like the wrong ones, so that each differs from it in its one claim.
    let control = cx.workshop().with_claim(&login.access, "iss", Some(cx.contract().tokens().issuer.clone().into()))?;
    let wrong = cx.workshop().wrong_claims(&control, now)?;
    cx.forgeries_refused(&control, wrong, &[ErrorCode::TokenInvalid]).await?;
    cx.conforms()
}
