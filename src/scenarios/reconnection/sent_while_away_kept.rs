use super::away;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Judgement};

pub(super) static CHECK: Check =
    check!("reconnection/sent-while-away-kept", run).required().smoke().effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let thread = away::thread(cx, &mut session).await?;
    cx.step("the idle connection is closed");
    let lost = session.leave().await;

    cx.step("a message is posted while nobody listens");
    let posted = away::post(cx, &login.access, &thread).await?;

    cx.step("the session is restored on a new connection");
    let (mut session, restored) = cx.restored(cx.upgrade_with(&login.access), &lost).await?;
    cx.resumed(&session, &restored, &lost)?;
    away::replayed_once(cx, &mut session, &posted).await?;
    session.close().await;
    cx.conforms()
}
