use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement};
use crate::wire::Endpoint;

pub(super) static CHECK: Check = check!("format/config-sane", run).smoke();

async fn run(cx: &Context) -> Judgement {
    let mut first = None;
    for number in 1..=cx.profile().limits.fresh_connections.max(2) {
        cx.step(format!("fresh connection {number}"));
        let answer = cx.call(Endpoint::WsConfig).fresh_connection().send().await?;
        cx.success(Endpoint::WsConfig, &answer)?;
        let (config, faults) = cx.contract().ws_config(answer.json.as_ref().unwrap_or_default());
        let told = faults.iter().map(|fault| format!("{}: {}", fault.value, fault.message)).collect::<Vec<_>>();
        let expected = "every value that the contract names, within its bounds";
        cx.holds(told.is_empty(), Finding::WrongValue, expected, || told.join("; "), || answer.evidence())?;
        cx.same("the configuration", first.get_or_insert(config), &config, || answer.evidence())?;
    }
    cx.conforms()
}
