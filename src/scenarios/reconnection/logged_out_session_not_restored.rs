use crate::check;
use crate::check::{Check, Context};
use crate::model::{Blame, Effect, Inconclusive, Judgement};
use crate::wire::ErrorCode;

pub(super) static CHECK: Check =
    check!("reconnection/logged-out-session-not-restored", run).effects(&[Effect::Revoke]);

async fn run(cx: &Context) -> Judgement {
    let (ending, staying) = (cx.throwaway_login().await?, cx.login().await?);
    cx.step("two sessions of two logins lose their connections");
    let logged_out = cx.session(&ending.access).await?.leave().await;
    let other = cx.session(&staying.access).await?.leave().await;

    cx.step("one of the logins is logged out");
    let answer = cx.target().logout(cx.recorder(), &ending).await?;
    if !(200..300).contains(&answer.status) {
        let what = format!("the logout was answered {}", answer.status);
        return Err(Inconclusive::new(Blame::Target, what).with(answer.evidence()).into());
    }

    cx.step("its session is asked for with a new login");
    let new = cx.login().await?;
    for _ in 0..cx.profile().limits.fresh_connections.max(1) {
        let mut session = cx.session(&new.access).await?;
        cx.ask_refused(&mut session.socket, logged_out.request(), &[ErrorCode::SessionUnknown]).await?;
        session.close().await;
    }

    cx.step("control: the other session is restored with that login");
    let control = |stop| cx.control_failed("a session that was not logged out is restored", stop);
    let (session, restored) = cx.restored(cx.upgrade_with(&new.access), &other).await.map_err(control)?;
    cx.resumed(&session, &restored, &other).map_err(control)?;
    session.close().await;
    cx.conforms()
}
