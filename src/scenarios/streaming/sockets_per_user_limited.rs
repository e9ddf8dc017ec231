use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::check;
use crate::check::{Admission, Check, Context, Session};
use crate::model::{Effect, Finding, Group, Judgement, Need, NotVerified, Stop};
use crate::target::Login;
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("streaming/sockets-per-user-limited", run)
    .needs(&[Need::TwoUsers])
    .effects(&[Effect::Quota])
    .group(Group::Quota);

/// A place that was left by a Close is free after this.
const FREED: Duration = Duration::from_secs(2);
/// Between two attempts to take a place.
const TRY_AGAIN: Duration = Duration::from_millis(50);

async fn run(cx: &Context) -> Judgement {
    let (login, neighbour) = (cx.login().await?, cx.second_login().await?);
    let most = cx.config().max_sockets_per_user;
    let two_heartbeats = cx.waits().heartbeat() * 2;
    cx.step(format!("{most} sockets of one user"));
    let mut sockets = Vec::new();
    for _ in 0..most {
        // What earlier connections of this user have left may still hold a place.
        sockets.push(enter(cx, &login, two_heartbeats).await?);
    }
    cx.step("one socket more");
    cx.refused(cx.upgrade_with(&login.access), &[ErrorCode::TooManyConnections]).await?;
    cx.step("another user");
    cx.admitted(cx.upgrade_with(&neighbour.access)).await?.close().await;
    cx.step("the sockets within the limit");
    for session in &mut sockets {
        cx.alive(&mut session.socket).await?;
    }

    for (how, within) in [("a Close", FREED), ("a reset", two_heartbeats)] {
        cx.step(format!("a new socket after {how} of another one"));
        let Some(left) = sockets.pop() else { break };
        match how {
            "a Close" => left.close().await,
            _ => left.socket.reset().await,
        }
        let began = Instant::now();
        sockets.push(enter(cx, &login, within).await?);
        cx.figure(format!("a place is free {} ms after {how}", began.elapsed().as_millis()));
    }
    join_all(sockets.into_iter().map(Session::close)).await;
    cx.conforms()
}

/// A socket that must be let in within `within`; a refusal that may be for another cause is waited for as long.
async fn enter(cx: &Context, login: &Login, within: Duration) -> Result<Session, Stop> {
    let began = Instant::now();
    loop {
        match cx.try_upgrade(cx.upgrade_with(&login.access)).await? {
            Admission::Refused(refusal) if cx.may_be_for(&refusal, &[ErrorCode::TooManyConnections]) => {
                // So long that a check of this length cannot tell: a longer one can.
                let limit = cx.profile().limits.check;
                if began.elapsed() > limit / 2 && within > limit / 2 {
                    return Err(NotVerified::TooLong { needs: within * 2, limit }.into());
                }
                if began.elapsed() > within {
                    cx.punctual(began, within)?;
                    let expected = format!("let in within {} s", within.as_secs_f64());
                    return Err(cx.deviation(Finding::Refused, [expected], refusal.to_string(), refusal.evidence));
                }
                tokio::time::sleep(TRY_AGAIN).await;
            }
            other => {
                let mut session = cx.welcomed(other)?;
                cx.shake_hands(&mut session.socket).await?;
                return Ok(session);
            }
        }
    }
}
