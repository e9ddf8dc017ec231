use super::burst::{at_once, cheap, send};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Finding, Group, Judgement, Need};

pub(super) static CHECK: Check = check!("streaming/limit-is-per-user", run)
    .needs(&[Need::TwoUsers])
    .effects(&[Effect::Quota])
    .group(Group::Quota);

async fn run(cx: &Context) -> Judgement {
    let (login, neighbour) = (cx.login().await?, cx.second_login().await?);
    let (mut one, mut two) = (cx.session(&login.access).await?, cx.session(&login.access).await?);
    let mut other = cx.session(&neighbour.access).await?;
    let limit = cx.config().rate_limit.messages;
    // More than the limit together, on none of them alone.
    let share = (limit * 3).div_ceil(4).min(limit.saturating_sub(1)).max(1);
    cx.step(format!("{share} messages on each of two sockets of one user"));
    let first = send(cx, &mut one.socket, share).await;
    let second = send(cx, &mut two.socket, share).await;
    let refused = first.refused().count() + second.refused().count();
    let took = first.took + second.took;
    let together = 2 * share;
    cx.figure(format!("{refused} of {together} messages over two sockets refused, in {} ms", took.as_millis()));

    cx.step("another user at the same time");
    cx.ask(&mut other.socket, cheap()).await?;
    cx.step("the limit over the sockets of one user");
    first.is_answered(cx, &one.socket)?;
    second.is_answered(cx, &two.socket)?;
    if refused == 0 {
        // Slower, the limit would have come back meanwhile.
        at_once(cx, together, took)?;
    }
    let expected = format!("RATE_LIMIT_EXCEEDED after {limit} messages over all sockets");
    let seen = || format!("{together} messages passed");
    cx.holds(refused > 0, Finding::Accepted, expected, seen, || two.socket.evidence())?;
    other.close().await;
    one.close().await;
    two.close().await;
    cx.conforms()
}
