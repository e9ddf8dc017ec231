use super::flow;
use super::jwks::KeySet;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, NotVerified};
use crate::wire::Endpoint;

pub(super) static CHECK: Check = check!("independence/issued-tokens-verifiable-offline-or-by-api", run).smoke();

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    cx.step("by /auth/verify");
    let verdict = flow::verify(cx, &login.access).await?;
    cx.success(Endpoint::Verify, &verdict)?;
    flow::names(cx, Endpoint::Verify, &verdict, &login)?;

    if let Some(verdict) = cx.validate(&login.access).await? {
        cx.step("by /auth/validate");
        cx.success(Endpoint::Validate, &verdict)?;
        flow::names(cx, Endpoint::Validate, &verdict, &login)?;
    }

    if let Some(published) = cx.target().jwks(cx.recorder()).await? {
        cx.step("offline, by the published keys");
        let keys = KeySet::read(published);
        let key = keys.as_ref().and_then(|keys| keys.key_of(&login.access));
        let seen = || format!("no key of the published set fits {}", login.access);
        cx.holds(key.is_some(), Finding::Refused, "a published key for the token", seen, || cx.evidence())?;
        let unknown = || NotVerified::NotInContract("signatures beside RS256 and ES256".into());
        let verifies = key.and_then(|key| key.verifies(&login.access)).ok_or_else(unknown)?;
        let seen = || "the published key does not verify it".into();
        cx.holds(verifies, Finding::Refused, "a signature that the published key verifies", seen, || cx.evidence())?;
    }
    cx.conforms()
}
