use super::refresh;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, Need};
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("handshake/refresh-of-another-user-refused", run).needs(&[Need::TwoUsers]);

async fn run(cx: &Context) -> Judgement {
    let (own, other) = (cx.login().await?, cx.second_login().await?);
    let mut session = cx.session(&own.access).await?;
    let socket = &mut session.socket;
    refresh::works(cx, socket, &own.access).await?;

    cx.step("the second user's token");
    cx.ask_refused(socket, refresh::with(&other.access), &[ErrorCode::UserMismatch]).await?;

    // Accepted only where the socket still belongs to its first user.
    cx.step("the first user's token again");
    cx.ask(socket, refresh::with(&own.access)).await?;
    session.close().await;
    cx.conforms()
}
