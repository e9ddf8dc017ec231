//! What runs that were killed have left: threads of the profile's users that bear our mark.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use super::clear::{delete, told};
use crate::model::{Blame, CheckId, Effect, Inconclusive, Stop};
use crate::target::{Recorder, Tag, Target, Token};
use crate::wire::Endpoint;

/// In whose name it is swept.
const SWEEPING: CheckId = CheckId::new("run/sweep");
/// Users side by side.
const SIDE_BY_SIDE: usize = 4;
/// Threads of one page (contract, section 3: at most 100).
const PAGE: usize = 100;
/// Most pages of one user that are read.
const PAGES: usize = 50;

/// A thread as lists tell it.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) id: String,
    title: String,
    pub(super) tag: Option<Tag>,
}

/// A thread of an earlier run.
#[derive(Clone, Debug)]
pub struct Leftover {
    /// Its id.
    pub id: String,
    /// Its title; empty when it has none.
    pub title: String,
    /// Whose it is.
    pub user: String,
    /// Why it could not be removed, if it could not.
    pub left: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    /// Threads of earlier runs, in the order of users and lists.
    pub threads: Vec<Leftover>,
    /// Users who were asked.
    pub users: usize,
    /// Users who could not be asked, and why.
    pub unasked: Vec<String>,
}

impl Swept {
    /// Threads that are still there although they should not be.
    pub fn left(&self) -> impl Iterator<Item = &Leftover> {
        self.threads.iter().filter(|thread| thread.left.is_some())
    }
}

/// Removes the threads of runs that began at least `older_than` ago; with `dry_run` they are only told.
///
/// A thread is ours by the mark in its title or metadata, and as old as the run whose id the mark bears.
pub async fn sweep(target: &Arc<Target>, older_than: Duration, dry_run: bool) -> Swept {
    let recorder = target.recorder(SWEEPING);
    if !dry_run && target.profile().allow.contains(&Effect::Create) {
        recorder.manners().permit([Effect::Create]);
    }
    let mut swept = Swept::default();
    let users = (0..target.profile().user_count()).map(|user| of_user(target, &recorder, user, older_than, dry_run));
    let mut users = stream::iter(users).buffered(SIDE_BY_SIDE);
    while let Some(of_user) = users.next().await {
        match of_user {
            Ok(threads) => {
                swept.users += 1;
                swept.threads.extend(threads);
            }
            Err(stop) => {
                swept.unasked.push(told(&stop));
                // Credentials that are refused are not tried on every user.
                if matches!(stop, Stop::Inconclusive(why) if why.blame == Blame::Credentials) {
                    break;
                }
            }
        }
    }
    swept
}

async fn of_user(
    target: &Arc<Target>,
    recorder: &Recorder,
    user: usize,
    older_than: Duration,
    dry_run: bool,
) -> Result<Vec<Leftover>, Stop> {
    let login = target.login(recorder, user).await?;
    let now = SystemTime::now();
    let is_old = |tag: &Tag| {
        let age = tag.began().and_then(|began| now.duration_since(began).ok());
        age.is_some_and(|age| age >= older_than)
    };
    let mut found = Vec::new();
    for thread in threads_of(target, recorder, &login.access).await? {
        if !thread.tag.as_ref().is_some_and(is_old) {
            continue;
        }
        let left = match dry_run {
            true => None,
            false => delete(target, recorder, &login.access, &thread.id).await.err(),
        };
        let user = login.email.clone().unwrap_or_else(|| login.user_id.clone());
        found.push(Leftover { id: thread.id, title: thread.title, user, left });
    }
    Ok(found)
}

/// All threads of a token's user.
///
/// # Errors
/// Inconclusive when they cannot be listed.
pub(super) async fn threads_of(target: &Arc<Target>, recorder: &Recorder, token: &Token) -> Result<Vec<Listed>, Stop> {
    let mut all = Vec::new();
    for page in 0..PAGES {
        let call = target.http(recorder).call(Endpoint::ListThreads).bearer(token);
        let answer = call.query("limit", PAGE).query("offset", page * PAGE).send().await?;
        if !answer.succeeded(target.contract(), Endpoint::ListThreads) {
            let what = format!("`{}` answered {}", Endpoint::ListThreads.slug(), answer.status);
            return Err(Inconclusive::new(Blame::Target, what).with(answer.evidence()).into());
        }
        let body = answer.logical_body(target.contract(), Endpoint::ListThreads).unwrap_or_default();
        let threads = body.as_array().or_else(|| body.get("threads")?.as_array()).cloned().unwrap_or_default();
        let count = threads.len();
        all.extend(threads.iter().filter_map(|thread| {
            let text = |field: &str| thread.get(field).and_then(Value::as_str).map(str::to_owned);
            Some(Listed { id: text("id")?, title: text("title").unwrap_or_default(), tag: Tag::of_thread(thread) })
        }));
        if count < PAGE {
            break;
        }
    }
    Ok(all)
}
