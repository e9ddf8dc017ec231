use crate::check;
use crate::check::{Check, Context, Lost};
use crate::model::{Judgement, Stop};
use crate::target::Token;
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("reconnection/bad-restore-answered", run);

/// So many messages beyond the last one that was sent: no notice in between can make it true.
const BEYOND: u64 = 1_000_000;

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let lost = cx.session(&login.access).await?.leave().await;
    if let Some(last) = lost.sequence {
        cx.step("a restore from a number that was never sent");
        let future = Lost { sequence: Some(last + BEYOND), ..lost.clone() };
        refused(cx, &login.access, &future, false).await?;
    }
    cx.step("a restore that is not the first message");
    refused(cx, &login.access, &lost, true).await?;

    cx.step("control: the same restore, right, as the first message");
    let control = |stop| cx.control_failed("the session is restored", stop);
    let (session, restored) = cx.restored(cx.upgrade_with(&login.access), &lost).await.map_err(control)?;
    cx.resumed(&session, &restored, &lost).map_err(control)?;
    session.close().await;
    cx.conforms()
}

/// On a new connection, which must live on.
async fn refused(cx: &Context, token: &Token, lost: &Lost, after_another: bool) -> Result<(), Stop> {
    let mut session = cx.session(token).await?;
    if after_another {
        cx.alive(&mut session.socket).await?;
    }
    cx.ask_refused(&mut session.socket, lost.request(), &[ErrorCode::InvalidMessage]).await?;
    cx.alive(&mut session.socket).await?;
    session.close().await;
    Ok(())
}
