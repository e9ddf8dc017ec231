//! The end of a run: what it has created is removed, whatever ended it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use super::sweep::threads_of;
use crate::model::{CheckId, Effect, Stop};
use crate::target::{Recorder, Target, Token};
use crate::wire::Endpoint;

/// In whose name it is removed.
const CLEARING: CheckId = CheckId::new("run/clean-up");
/// All of it is done by then, or told: after an interrupt somebody waits.
pub(super) const WITHIN: Duration = Duration::from_secs(30);
pub(super) const WITHIN_OF_AN_INTERRUPT: Duration = Duration::from_secs(5);
/// Longer nothing is waited for because the target asks for it.
const PAUSE: Duration = Duration::from_secs(5);
/// Calls side by side.
const SIDE_BY_SIDE: usize = 8;

/// Removes what is in the ledger: remarks on what is left, naming it.
pub(super) async fn clear(target: &Arc<Target>, within: Duration) -> Vec<String> {
    let mut why = BTreeMap::new();
    let over = tokio::time::timeout(within, async {
        // What a cancelled check has taken down comes up first: else nobody can be asked.
        target.mends().close();
        target.mends().wait().await;
        remove(target, &mut why).await;
    });
    let in_time = over.await.is_ok();
    let left = target.ledger().left();
    let because = |id: &str| match why.get(id) {
        Some(why) => format!(" ({why})"),
        None if in_time => String::new(),
        None => format!(" (not done within {} s)", within.as_secs()),
    };
    let again = "`netra-check sweep` tries again";
    let threads = by_reason(left.threads.iter().map(|(thread, _)| (because(thread), thread.as_str())));
    let threads = threads.into_iter().map(|(why, ids)| match ids.as_slice() {
        [thread] => format!("thread {thread} is left{why}: {again}"),
        threads => format!("{} threads are left{why}, {}: {again}", threads.len(), some(threads)),
    });
    let unnamed = left.unnamed.iter().map(|user| {
        format!("a thread titled `{}` may be left with user {user}{}: {again}", target.tag(), because(user))
    });
    let logins = by_reason(left.throwaways.iter().map(|token| (because(token.placeholder()), token.placeholder())));
    let logins = logins.into_iter().map(|(why, tokens)| match tokens.as_slice() {
        [token] => format!("the login of {token} was not logged out{why}"),
        tokens => format!("{} logins were not logged out{why}, {}", tokens.len(), some(tokens)),
    });
    threads.chain(unnamed).chain(logins).map(|remark| target.redactor().redact(&remark)).collect()
}

fn by_reason<'a>(things: impl Iterator<Item = (String, &'a str)>) -> BTreeMap<String, Vec<&'a str>> {
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    things.for_each(|(why, thing)| reasons.entry(why).or_default().push(thing));
    reasons
}

/// The first few of them.
fn some(of: &[&str]) -> String {
    let (first, more) = of.split_at(of.len().min(3));
    format!("{}{}", first.join(", "), if more.is_empty() { "" } else { " …" })
}

/// Removes what it can; why the rest could not be removed goes into `why`.
async fn remove(target: &Arc<Target>, why: &mut BTreeMap<String, String>) {
    let ledger = target.ledger();
    if ledger.left().is_empty() {
        return;
    }
    let recorder = target.recorder(CLEARING);
    let allowed = target.profile().allow.iter().copied();
    recorder.manners().permit(allowed.filter(|effect| matches!(effect, Effect::Create | Effect::Revoke)));
    // There is no time to be paced, and nothing here is judged.
    recorder.manners().expect_throttling();

    let left = ledger.left();
    let users: BTreeSet<String> = left.threads.iter().map(|(_, user)| user).chain(&left.unnamed).cloned().collect();
    let tokens = users.into_iter().map(|user| {
        let recorder = &recorder;
        async move {
            let token = token_of(target, recorder, &user).await;
            (user, token)
        }
    });
    let tokens: BTreeMap<_, _> = stream::iter(tokens).buffer_unordered(SIDE_BY_SIDE).collect().await;
    // What came into being without telling us its name bears our mark.
    for user in &left.unnamed {
        let found = match &tokens[user] {
            Ok(token) => threads_of(target, &recorder, token).await.map_err(|stop| told(&stop)),
            Err(why) => Err(why.clone()),
        };
        match found {
            Ok(threads) => {
                let ours = threads.into_iter().filter(|thread| thread.tag.as_ref() == Some(&target.tag()));
                ledger.found(user, ours.map(|thread| thread.id));
            }
            Err(reason) => drop(why.insert(user.clone(), reason)),
        }
    }
    let deletions = ledger.left().threads.into_iter().map(|(thread, user)| {
        let token = tokens.get(&user).cloned().unwrap_or_else(|| Err("no login".into()));
        let recorder = &recorder;
        async move {
            let deleted = match token {
                Ok(token) => delete(target, recorder, &token, &thread).await,
                Err(why) => Err(why),
            };
            deleted.err().map(|reason| (thread, reason))
        }
    });
    why.extend(
        stream::iter(deletions).buffer_unordered(SIDE_BY_SIDE).filter_map(std::future::ready).collect::<Vec<_>>().await,
    );
    if !target.profile().allow.contains(&Effect::Revoke) {
        return;
    }
    let logouts = left.throwaways.into_iter().map(|token| {
        let call = target.http(&recorder).call(Endpoint::Logout).bearer(&token);
        async move {
            match call.send().await {
                Ok(answer) if answer.status == 401 || answer.succeeded(target.contract(), Endpoint::Logout) => None,
                Ok(answer) => Some((token.placeholder().to_owned(), format!("HTTP {}", answer.status))),
                Err(fault) => Some((token.placeholder().to_owned(), fault.to_string())),
            }
        }
    });
    why.extend(
        stream::iter(logouts).buffer_unordered(SIDE_BY_SIDE).filter_map(std::future::ready).collect::<Vec<_>>().await,
    );
}

/// A token with which a user's things can be removed: the latest one while it is accepted, else that of a new login.
async fn token_of(target: &Arc<Target>, recorder: &Recorder, user: &str) -> Result<Token, String> {
    if let Some(token) = target.ledger().token_of(user) {
        let answer = target.http(recorder).call(Endpoint::ListThreads).query("limit", 1).bearer(&token).send().await;
        if answer.is_ok_and(|answer| answer.succeeded(target.contract(), Endpoint::ListThreads)) {
            return Ok(token);
        }
    }
    let number = target.ledger().number_of(user).ok_or("its token is no longer accepted")?;
    target.login(recorder, number).await.map(|login| login.access).map_err(|stop| told(&stop))
}

/// Deletes a thread; one that is gone already is no failure.
///
/// # Errors
/// What the target said to it.
pub(super) async fn delete(
    target: &Arc<Target>,
    recorder: &Recorder,
    token: &Token,
    thread: &str,
) -> Result<(), String> {
    let ask = async || {
        let call = target.http(recorder).call(Endpoint::DeleteThread).path_param("id", thread).bearer(token);
        call.send().await.map_err(|fault| fault.to_string())
    };
    let mut answer = ask().await?;
    if let (429, Some(pause)) = (answer.status, answer.retry_after().filter(|pause| *pause <= PAUSE)) {
        // The checks may have used up the user's limit.
        tokio::time::sleep(pause).await;
        answer = ask().await?;
    }
    let gone = answer.status == 404 || answer.succeeded(target.contract(), Endpoint::DeleteThread);
    gone.then_some(()).ok_or_else(|| format!("HTTP {}", answer.status))
}

/// Why something could not be done, in one line.
pub(super) fn told(stop: &Stop) -> String {
    match stop {
        Stop::Deviates(deviation) => deviation.seen.clone(),
        Stop::NotVerified(reason) => reason.to_string(),
        Stop::Inconclusive(why) => why.what.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_for_one_reason_is_told_once_with_the_first_few() {
        let things = ["a", "b", "c", "d"].map(|thing| (" (HTTP 500)".to_owned(), thing));
        let reasons = by_reason(things.into_iter().chain([(String::new(), "e")]));
        assert_eq!(reasons.values().map(Vec::len).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(reasons.values().map(|of| some(of)).collect::<Vec<_>>(), ["e", "a, b, c …"]);
    }
}
