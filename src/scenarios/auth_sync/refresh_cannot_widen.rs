use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::surfaces::set_of;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, Stop};
use crate::target::{Response, Token};
use crate::wire::Endpoint;

pub(super) static CHECK: Check = check!("auth-sync/refresh-cannot-widen", run);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut refresh = cx.refresh_token(&login)?.clone();
    cx.step("permissions before");
    let (before, _) = permissions(cx, &login.access).await?;
    // As a client would that tries: RFC 6749 calls it `scope`, our own logins `permissions`.
    let all = json!(["read", "write", "admin"]);
    for (step, more) in [
        ("a refresh", json!({})),
        ("a refresh that asks for permissions", json!({"permissions": all})),
        ("a refresh that asks for a scope", json!({"scope": "read write admin"})),
    ] {
        cx.step(step);
        let mut body = json!({"refresh_token": refresh.expose()});
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        let answer = cx.call(Endpoint::Refresh).json(&body).send().await?;
        // To ask for more may be refused (RFC 6749, 6); then nothing was widened, and nothing is left to ask with.
        if step != "a refresh" && matches!(answer.status, 400 | 401 | 403 | 422) {
            cx.status(&answer, &[400, 401, 403, 422])?;
            break;
        }
        cx.success(Endpoint::Refresh, &answer)?;
        let renewed = cx.target().token_set(Endpoint::Refresh, answer, login.email.clone())?;
        let (after, evidence) = permissions(cx, &renewed.access).await?;
        let claimed = renewed.claims.get("permissions").and_then(set_of).unwrap_or_default();
        let told: BTreeSet<_> = after.union(&claimed).cloned().collect();
        let seen = || format!("permissions {told:?}");
        let expected = format!("no permission beside {before:?}");
        cx.holds(told.is_subset(&before), Finding::WrongValue, expected, seen, || evidence.evidence())?;
        refresh = cx.refresh_token(&renewed)?.clone();
    }
    cx.conforms()
}

/// What `/auth/me` says that a token permits.
async fn permissions(cx: &Context, token: &Token) -> Result<(BTreeSet<String>, Response), Stop> {
    let answer = cx.call(Endpoint::Me).bearer(token).send().await?;
    cx.success(Endpoint::Me, &answer)?;
    let body = answer.logical_body(cx.contract(), Endpoint::Me).unwrap_or_default();
    Ok((body.get("permissions").and_then(set_of).unwrap_or_default(), answer))
}
