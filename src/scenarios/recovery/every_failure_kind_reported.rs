use super::failure::{healthy, provoked};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Finding, Group, Judgement, Need, Trigger};

pub(super) static CHECK: Check = check!("recovery/every-failure-kind-reported", run)
    .should()
    .needs(&[
        Need::Trigger(Trigger::AgentFailure),
        Need::Trigger(Trigger::NetworkFailure),
        Need::Trigger(Trigger::ResourceExhausted),
        Need::Trigger(Trigger::InvalidInput),
    ])
    .effects(&[Effect::Create])
    .group(Group::Breaker);

/// Each situation, and the words that tell it. Why an agent fails of itself its own author may not know.
const KINDS: [(Trigger, &[&str]); 4] = [
    (Trigger::AgentFailure, &["llm_failure", "internal"]),
    (Trigger::NetworkFailure, &["network"]),
    (Trigger::ResourceExhausted, &["resource_exhausted"]),
    (Trigger::InvalidInput, &["invalid_input"]),
];

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let thread = cx.thread(socket, "failure kinds").await?;
    for (trigger, types) in KINDS {
        cx.step(format!("the failure that `triggers.{}` provokes", trigger.slug()));
        let error = provoked(cx, socket, trigger, &thread).await?;
        let seen = error.text("error_type").unwrap_or("none");
        let (expected, told) = (format!("error_type {}", types.join(" or ")), || format!("error_type {seen}"));
        cx.holds(types.contains(&seen), Finding::WrongValue, expected, told, || socket.evidence())?;
        cx.step("a run that completes between two failures");
        let healthy = healthy(cx, trigger)?.with("thread_id", thread.as_str());
        cx.whole_run(socket, healthy).await.map_err(|stop| cx.control_failed("a run completes", stop))?;
    }
    session.close().await;
    cx.conforms()
}
