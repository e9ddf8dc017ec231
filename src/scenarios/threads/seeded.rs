//! Threads that were there before the run: those of the users that the profile names by their states.

use serde_json::{Value, json};

use crate::check::{Context, text};
use crate::model::Stop;
use crate::profile::PasswordUser;
use crate::target::{Login, Tag};
use crate::wire::Endpoint;

/// Users whose threads are only read: what they may do is a matter of `auth-sync/user-states-respected`.
const READ: [&str; 2] = ["active", "second-active"];
/// What one page can show of a thread.
const MOST: u64 = 100;

/// A thread, how many messages it has, and a login of its owner.
pub(super) struct Seeded {
    pub(super) login: Login,
    pub(super) thread: String,
    pub(super) messages: usize,
}

/// Of each such user the shortest and the longest thread that is not of this tool; none where the
/// profile names no such users.
pub(super) async fn threads(cx: &Context) -> Result<Vec<Seeded>, Stop> {
    let mut seeded = Vec::new();
    for state in READ {
        let Some(user) = cx.profile().users.states.get(state) else { continue };
        cx.step(format!("the threads of the user that is {state}"));
        let login = login(cx, user).await.map_err(|stop| cx.control_failed("that user can log in", stop))?;
        let (list, _) = cx.rest(&login).threads().await?;
        let count = |thread: &Value| thread.get("message_count").and_then(Value::as_u64);
        let own = list.iter().filter(|thread| Tag::of_thread(thread).is_none());
        let mut known: Vec<_> = own.filter_map(|thread| Some((count(thread)?, text(thread, "id")))).collect();
        known.retain(|(count, _)| *count <= MOST);
        known.sort();
        let ends = [known.first(), known.last().filter(|_| known.len() > 1)];
        seeded.extend(ends.into_iter().flatten().map(|(count, thread)| Seeded {
            login: login.clone(),
            thread: thread.clone(),
            messages: usize::try_from(*count).unwrap_or_default(),
        }));
    }
    Ok(seeded)
}

async fn login(cx: &Context, user: &PasswordUser) -> Result<Login, Stop> {
    let body = json!({"email": user.email, "password": user.password.expose()});
    let answer = cx.call(Endpoint::Login).json(&body).send().await?;
    cx.success(Endpoint::Login, &answer)?;
    cx.target().token_set(Endpoint::Login, answer, Some(user.email.clone()))
}
