use futures_util::future::join_all;

use super::renewal;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Finding, Judgement};
use crate::wire::Endpoint;

pub(super) static CHECK: Check = check!("auth-sync/concurrent-refresh-safe", run).effects(&[Effect::Revoke]);

/// Calls that are open at the same time.
const AT_ONCE: usize = 5;

async fn run(cx: &Context) -> Judgement {
    let login = cx.throwaway_login().await?;
    let token = cx.refresh_token(&login)?;
    cx.step(format!("{AT_ONCE} refreshes with one token at once"));
    let mut successors = Vec::new();
    for answer in join_all((0..AT_ONCE).map(|_| renewal::ask(cx, token))).await {
        let answer = answer?;
        cx.status(&answer, &[200, 401])?;
        if answer.succeeded(cx.contract(), Endpoint::Refresh) {
            successors.extend(cx.target().token_set(Endpoint::Refresh, answer, login.email.clone())?.refresh);
        }
    }
    // The token itself comes last: sent again, it may end the family of a successor that was not tried yet.
    let mut works = Vec::new();
    for (number, candidate) in successors.iter().chain([token]).enumerate() {
        cx.step(format!("refresh token {} of the family afterwards", number + 1));
        let answer = renewal::ask(cx, candidate).await?;
        cx.status(&answer, &[200, 401])?;
        if answer.succeeded(cx.contract(), Endpoint::Refresh) {
            works.push(candidate.placeholder().to_owned());
        }
    }
    cx.step(format!("{} of {AT_ONCE} refreshes succeeded", successors.len()));
    let seen = || format!("{} work: {}", works.len(), works.join(", "));
    cx.holds(works.len() <= 1, Finding::Accepted, "at most one refresh token that works", seen, || cx.evidence())?;
    cx.conforms()
}
