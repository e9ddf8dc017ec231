use tokio::time::Instant;

use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Finding, Group, Judgement, Need, Trigger};
use crate::target::Next;

pub(super) static CHECK: Check = check!("independence/outage-does-not-log-out", run)
    .should()
    .needs(&[Need::Trigger(Trigger::AuthOutage)])
    .effects(&[Effect::Disrupt])
    .group(Group::Disrupt)
    .wait(|waits| waits.recheck());

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    cx.step("a socket before the outage");
    let mut session = cx.session(&login.access).await?;
    cx.alive(&mut session.socket).await.map_err(|stop| cx.control_failed("the socket answers", stop))?;

    let wait = cx.waits().recheck();
    let probe = async {
        cx.step(format!("the socket over {:.1} s, past a recheck", wait.as_secs_f64()));
        let deadline = Instant::now() + wait;
        loop {
            match session.socket.next(deadline.saturating_duration_since(Instant::now())).await {
                Next::Message(_) | Next::Pong(_) => {}
                Next::Ended(end) => {
                    let (expected, seen) = (["an open socket"], format!("the connection ended: {end}"));
                    return Err(cx.deviation(Finding::Closed, expected, seen, session.socket.evidence()));
                }
                Next::Silence => break,
            }
        }
        cx.step("the socket after it");
        cx.alive(&mut session.socket).await
    };
    cx.during_outage(Trigger::AuthOutage, probe).await?;
    session.close().await;
    cx.conforms()
}
