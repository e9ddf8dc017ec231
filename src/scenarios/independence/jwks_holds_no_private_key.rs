use super::jwks::{self, KeySet};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, Need};
use crate::wire::Endpoint;

pub(super) static CHECK: Check = check!("independence/jwks-holds-no-private-key", run).needs(&[Need::Jwks]);

async fn run(cx: &Context) -> Judgement {
    cx.step("the published key set");
    let answer = cx.call(Endpoint::Jwks).send().await?;
    cx.status(&answer, cx.contract().success(Endpoint::Jwks))?;
    let evidence = || answer.evidence();
    let keys = answer.json.as_ref().and_then(KeySet::read);
    cx.holds(keys.is_some(), Finding::BadSchema, "a key set (RFC 7517)", || "a body that is none".into(), evidence)?;
    let private = keys.iter().flat_map(KeySet::private_members).collect::<Vec<_>>();
    // The body itself would carry the key into every report.
    cx.holds(
        private.is_empty(),
        Finding::LeakedToken,
        "public members only",
        || format!("private members: {}", private.join(", ")),
        Default::default,
    )?;

    cx.step("the key of a fresh token");
    let login = cx.login().await?;
    let key = keys.as_ref().and_then(|keys| keys.key_of(&login.access));
    let seen = || format!("`kid` {:?} is not published", jwks::kid(&login.access).unwrap_or_default());
    cx.holds(key.is_some(), Finding::WrongValue, "a `kid` of the published set", seen, evidence)?;
    cx.conforms()
}
