use super::failure::{healthy, provoked};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Group, Judgement, Need, Trigger};

pub(super) static CHECK: Check = check!("recovery/timeout-is-reported", run)
    .needs(&[Need::Trigger(Trigger::LlmTimeout)])
    .effects(&[Effect::Create])
    .group(Group::Breaker);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let thread = cx.thread(socket, "timeout").await?;
    cx.step("a run whose model does not answer in time");
    let error = provoked(cx, socket, Trigger::LlmTimeout, &thread).await?;
    cx.same("error_type", &Some("timeout"), &error.text("error_type"), || socket.evidence())?;
    cx.step("the next run on the thread");
    cx.whole_run(socket, healthy(cx, Trigger::LlmTimeout)?.with("thread_id", thread)).await?;
    session.close().await;
    cx.conforms()
}
