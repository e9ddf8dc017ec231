//! Who hears of threads, and what the defects of threads make of them, of their histories and runs.

use std::ops::Range;

use time::Duration;

use super::hub::{Hub, To};
use super::runs::Status;
use super::threads::{Page, Thread, Threads};
use crate::reference::policy::ThreadPolicy;
use crate::wire::{Kind, Message};

/// Messages that a switch loads at most (contract, 7.3).
const LOADED: usize = 50;
/// How far a REST that lags is behind.
const LAG: Duration = Duration::SECOND;

impl Hub {
    /// Tells all sockets of an owner what has become of a thread or message; `session` asked for it by the
    /// message `asked`, or else REST did.
    pub(super) fn announce(&mut self, user: &str, session: Option<&str>, asked: Option<&str>, message: Message) {
        let policy = self.site.policy().threads;
        let is_kept_back = match message.kind {
            Kind::ThreadCreated => policy.created_only_requester.on(),
            Kind::ThreadRenamed => policy.rename_not_announced.on(),
            Kind::ThreadDeleted => policy.delete_not_announced.on(),
            _ => false,
        };
        match (is_kept_back, session) {
            (false, Some(_)) => self.answer(user, To::All, asked, message),
            (false, None) => self.send(user, To::All, message),
            (true, Some(session)) => self.answer(user, To::Session(session), asked, message),
            (true, None) => {}
        }
    }

    /// Takes the last message out of a thread of which more than one run is on its way.
    pub(super) fn lose_concurrent(&mut self, user: &str, thread: &str) {
        let on = self.site.policy().threads.concurrent_send_lost.on();
        let owner = self.user(user);
        let running = owner.runs.values().filter(|run| run.status == Status::Running && run.thread == thread);
        if on && running.count() > 1 {
            owner.threads.lose_last(thread);
        }
    }

    /// Makes the runs of a session forget what they have said so far.
    pub(super) fn lose_context(&mut self, user: &str, session: &str) {
        if self.site.policy().threads.context_lost_on_switch.on() {
            let runs = self.user(user).runs.values_mut();
            runs.filter(|run| run.session == session).for_each(|run| run.said.clear());
        }
    }

    /// The thread under which a run's events are told in place of its own.
    pub(super) fn followed(&self, user: &str, run: &str) -> Option<String> {
        let follows = self.site.policy().threads.run_follows_switch.on();
        let owner = self.users.get(user).filter(|_| follows)?;
        owner.sessions.get(&owner.runs.get(run)?.session)?.current_thread.clone()
    }
}

/// What a switch to `thread` loads.
pub(super) fn loaded(policy: ThreadPolicy, threads: &Threads, thread: &Thread) -> Page {
    let other = threads.other_than(&thread.id).filter(|_| policy.switch_wrong_history.on());
    let shown = other.unwrap_or(thread);
    let mut page = shown.page(shown.slice(LOADED, shown.count().saturating_sub(LOADED)));
    if policy.history_truncated.on() {
        page.messages.drain(..page.messages.len().min(1));
    }
    if policy.history_unordered.on() {
        page.messages.reverse();
    }
    page
}

/// The place of a page among `total` messages.
pub(super) fn paged(policy: ThreadPolicy, range: Range<usize>, total: usize) -> Range<usize> {
    let Range { start, end } = range;
    match start {
        _ if policy.limit_ignored.on() => 0..total,
        1.. if policy.pagination_skips.on() => (start + 1).min(end)..end,
        1.. if policy.pagination_repeats.on() => start - 1..end - 1,
        _ => start..end,
    }
}

/// How many of its messages REST knows of.
pub(super) fn known_to_rest(policy: ThreadPolicy, thread: &Thread) -> usize {
    let hidden = policy.rest_lags.on() && thread.is_fresh(LAG);
    thread.count() - usize::from(hidden)
}
