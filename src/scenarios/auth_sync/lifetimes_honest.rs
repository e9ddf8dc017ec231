use serde_json::Value;

use super::token_sets;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, NotVerified};

pub(super) static CHECK: Check = check!("auth-sync/lifetimes-honest", run).smoke();

async fn run(cx: &Context) -> Judgement {
    for set in token_sets::each(cx).await? {
        cx.step(format!("the token set of `{}`", set.endpoint.slug()));
        cx.success(set.endpoint, &set.answer)?;
        let life = set.access.time_claim("exp").zip(set.access.time_claim("iat")).map(|(exp, iat)| exp - iat);
        let no_times = || NotVerified::NotInContract("access tokens that tell `iat` and `exp`".into());
        let life = life.ok_or_else(no_times)?;
        let body = set.answer.logical_body(cx.contract(), set.endpoint).unwrap_or_default();
        let told = body.get("expires_in").and_then(Value::as_f64);
        let seen = || told.map_or_else(|| "no expires_in".to_owned(), |told| format!("expires_in {told}"));
        let expected = format!("expires_in {life}, as exp − iat");
        cx.holds(told == Some(life), Finding::WrongValue, expected, seen, || set.answer.evidence())?;
    }
    cx.conforms()
}
