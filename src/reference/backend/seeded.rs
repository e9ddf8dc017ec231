//! Threads that are there from the beginning.

use serde_json::json;

use super::threads::Threads;
use crate::reference::seed;
use crate::reference::site::Site;

/// The seeded threads of a user; most have none.
pub(super) fn threads_of(site: &Site, user: &str) -> Threads {
    let mut threads = Threads::default();
    for seeded in seed::threads(&site.facts).into_iter().filter(|thread| thread.user_id == user) {
        let id = site.ids.next("thread", user);
        threads.create(id.clone(), Some(seeded.title), json!({}));
        for message in seeded.messages {
            threads.append(&id, site.ids.next("message", user), message.role, message.content, json!({}));
        }
    }
    threads
}
