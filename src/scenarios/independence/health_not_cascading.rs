use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Finding, Group, Judgement, Need, Origin, Trigger};
use crate::wire::Endpoint;

pub(super) static CHECK: Check = check!("independence/health-not-cascading", run)
    .needs(&[Need::Trigger(Trigger::BackendOutage)])
    .effects(&[Effect::Disrupt])
    .group(Group::Disrupt);

async fn run(cx: &Context) -> Judgement {
    cx.step("auth's health with the backend up");
    let answer = cx.call(Endpoint::AuthHealth).send().await?;
    cx.success(Endpoint::AuthHealth, &answer).map_err(|stop| cx.control_failed("auth is healthy", stop))?;

    let probe = async {
        for endpoint in [Endpoint::AuthHealth, Endpoint::AuthReady] {
            cx.step(format!("{} with the backend down", endpoint.slug()));
            let answer = cx.call(endpoint).fresh_connection().send().await?;
            cx.success(endpoint, &answer)?;
            let named = answer.text.to_lowercase().contains(Origin::Backend.slug());
            let seen = || format!("the body names the {}", Origin::Backend);
            let expected = "a body without a dependency on the backend";
            cx.holds(!named, Finding::ForbiddenDependency, expected, seen, || answer.evidence())?;
        }
        Ok(())
    };
    cx.during_outage(Trigger::BackendOutage, probe).await?;
    cx.conforms()
}
