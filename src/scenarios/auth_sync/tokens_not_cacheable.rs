use super::token_sets;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement};

pub(super) static CHECK: Check = check!("auth-sync/tokens-not-cacheable", run);

async fn run(cx: &Context) -> Judgement {
    for set in token_sets::each(cx).await? {
        cx.step(format!("the token set of `{}`", set.endpoint.slug()));
        let told: Vec<_> = set.answer.headers_named("cache-control").map(str::to_ascii_lowercase).collect();
        let forbids = told.iter().flat_map(|value| value.split(',')).any(|directive| directive.trim() == "no-store");
        let seen = || match told.is_empty() {
            true => "no Cache-Control".to_owned(),
            false => format!("Cache-Control: {}", told.join(", ")),
        };
        cx.holds(forbids, Finding::WrongHeader, "Cache-Control: no-store", seen, || set.answer.evidence())?;
    }
    cx.conforms()
}
