use super::flow;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Group, Judgement, Need, Trigger};

pub(super) static CHECK: Check = check!("independence/whole-flow-without-backend", run)
    .needs(&[Need::Trigger(Trigger::BackendOutage)])
    .effects(&[Effect::Disrupt])
    .group(Group::Disrupt);

async fn run(cx: &Context) -> Judgement {
    // What fails with the backend up says nothing about its absence.
    flow::whole(cx).await.map_err(|stop| cx.control_failed("the whole flow with the backend up", stop))?;
    cx.during_outage(Trigger::BackendOutage, flow::alone(cx)).await?;
    cx.conforms()
}
