use super::burst::exhaust;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Finding, Group, Judgement};
use crate::wire::Endpoint;

pub(super) static CHECK: Check =
    check!("streaming/http-limit-says-when", run).should().effects(&[Effect::Quota]).group(Group::Quota);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    exhaust(cx, &mut session.socket).await?;
    cx.step("a list over REST when the user's limit is used up");
    let answer = cx.call(Endpoint::ListThreads).query("limit", 1).bearer(&login.access).send().await?;
    cx.status(&answer, &[429])?;
    let after = answer.retry_after();
    let seen = || answer.header("retry-after").map_or_else(|| "none".into(), |it| format!("Retry-After: {it}"));
    let expected = "Retry-After with whole seconds";
    cx.holds(after.is_some(), Finding::WrongHeader, expected, seen, || answer.evidence())?;
    session.close().await;
    cx.conforms()
}
