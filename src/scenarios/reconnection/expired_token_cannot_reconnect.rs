use super::expiry;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, Need};

pub(super) static CHECK: Check = check!("reconnection/expired-token-cannot-reconnect", run)
    .needs(&[Need::Short])
    .wait(|waits| waits.expired_token());

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    cx.step("a session is begun and loses its connection");
    let (control, expired) = cx.expired_token(&login).await?;
    let session = cx.session(&control).await?;
    let lost = session.leave().await;

    cx.step("reconnecting with the expired token");
    expiry::refused(cx, &expired).await?;

    cx.step("control: the session is restored with a good token");
    let control = |stop| cx.control_failed("the session is restored with a good token", stop);
    let (session, restored) = cx.restored(cx.upgrade_with(&login.access), &lost).await.map_err(control)?;
    cx.resumed(&session, &restored, &lost).map_err(control)?;
    session.close().await;
    cx.conforms()
}
