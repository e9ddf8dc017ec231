//! What the defects of isolation confuse: users, runs, sockets.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::time::Instant;

use super::Backend;
use super::hub::Hub;
use super::runs::{Run, Status};
use super::threads::Thread;
use crate::reference::policy::IsolationPolicy;
use crate::wire::{Kind, Message};

/// Open runs from which on events are led astray under load.
const LOAD: usize = 6;
/// So many messages within this time are much.
const MUCH: (usize, Duration) = (25, Duration::from_millis(500));
/// How often who is starved looks again.
const LOOK: Duration = Duration::from_millis(10);
/// How much longer the refusal of a foreign thread takes: more than a comparison of medians forgives.
const HESITATION: Duration = Duration::from_millis(200);

/// What the defects remember beside the hub.
#[derive(Debug, Default)]
pub(super) struct Mixed {
    runs: u64,
    /// The current thread of the session that lost its socket last.
    left: Option<String>,
    /// When each user's latest messages came.
    heard: BTreeMap<String, VecDeque<Instant>>,
}

impl Mixed {
    /// The number of a new run.
    pub(super) const fn next_run(&mut self) -> u64 {
        self.runs += 1;
        self.runs
    }

    /// A session has lost its socket.
    pub(super) fn left(&mut self, thread: Option<String>) {
        self.left = thread;
    }

    fn hear(&mut self, user: &str) {
        let heard = self.heard.entry(user.to_owned()).or_default();
        heard.push_back(Instant::now());
        while heard.len() > MUCH.0 {
            heard.pop_front();
        }
    }

    /// Whether another user asks for much at this moment.
    fn is_starved(&self, user: &str) -> bool {
        let much = |heard: &VecDeque<Instant>| {
            heard.len() >= MUCH.0 && heard.front().is_some_and(|first| first.elapsed() < MUCH.1)
        };
        self.heard.iter().any(|(other, heard)| other != user && much(heard))
    }
}

impl Hub {
    /// The other users who are sent an event, too: nobody, without a defect.
    pub(super) fn strangers(&mut self, user: &str, message: &Message) -> Vec<String> {
        let policy = self.site.policy().isolation;
        let Some(run) = message.run_id().filter(|_| message.kind != Kind::MessageCreated) else { return Vec::new() };
        let is_running = |run: &&Run| run.status == Status::Running;
        let open = self.users.values().flat_map(|user| user.runs.values()).filter(is_running).count();
        let Some(run) = self.users.get_mut(user).and_then(|user| user.runs.get_mut(run)) else { return Vec::new() };
        run.events += 1;
        let is_picked = policy.leak_one_event.on() && run.ordinal.is_multiple_of(3) && run.events == 2;
        let is_late = policy.leak_under_load.on() && open >= LOAD && message.kind == self.site.contract().progress();
        let reach = match policy.broadcast_event.on() && message.kind == Kind::FinalReport {
            true => usize::MAX,
            false => usize::from(is_picked || is_late),
        };
        // Somebody who is there to see it.
        let sees = |id: &&String| self.sockets.values().any(|socket| socket.user == **id);
        self.users.keys().filter(|other| *other != user).filter(sees).take(reach).cloned().collect()
    }

    /// An event, perhaps under the ids of another run of its user.
    pub(super) fn of_another_run(&self, user: &str, id: &str, mut message: Message) -> Message {
        let policy = self.site.policy().isolation;
        let (runs, threads) = (policy.swap_run_ids.on(), policy.swap_threads.on());
        if message.kind != self.site.contract().progress() || !(runs || threads) {
            return message;
        }
        let Some(owner) = self.users.get(user) else { return message };
        let own = owner.runs.get(id).map(|run| run.thread.clone());
        let others = owner.runs.iter().filter(|(other, run)| *other != id && run.status == Status::Running);
        for (other, run) in others {
            if runs {
                message = message.with("run_id", other.as_str());
            } else if Some(&run.thread) != own.as_ref() {
                message = message.with("thread_id", run.thread.as_str());
            }
        }
        message
    }

    /// What else an agent thinks of.
    pub(super) fn said_elsewhere(&self, user: &str, run: &str) -> String {
        let bleeds = self.site.policy().isolation.context_bleeds.on();
        let said = || {
            let owner = self.users.get(user)?;
            owner.threads.said_elsewhere(&owner.runs.get(run)?.thread)
        };
        said().filter(|_| bleeds).map_or_else(String::new, |said| format!(" Before, it was: {said}"))
    }

    /// Whether a run waits until the user's earlier ones have ended.
    pub(super) fn waits_for_others(&self, user: &str, id: &str) -> bool {
        let serialised = self.site.policy().isolation.serialised_runs.on();
        let Some(owner) = self.users.get(user).filter(|_| serialised) else { return false };
        let Some(own) = owner.runs.get(id).filter(|run| run.status == Status::Running) else { return false };
        owner.runs.values().any(|run| run.status == Status::Running && run.ordinal < own.ordinal)
    }

    /// Whose thread it is.
    pub(super) fn owner_of_thread(&self, thread: &str) -> Option<&str> {
        let owns = |id: &&String| self.users.get(*id).is_some_and(|user| user.threads.get(thread).is_some());
        self.users.keys().find(owns).map(String::as_str)
    }

    /// In whose name a thread is read.
    pub(super) fn who_may_read(&self, user: &str, thread: &str) -> String {
        let anybody = self.site.policy().isolation.foreign_thread_readable.on();
        self.owner_of_thread(thread).filter(|_| anybody).unwrap_or(user).to_owned()
    }

    /// In whose name a thread is renamed.
    pub(super) fn who_may_rename(&self, user: &str, thread: &str) -> String {
        let anybody = self.site.policy().isolation.foreign_thread_writable.on();
        self.owner_of_thread(thread).filter(|_| anybody).unwrap_or(user).to_owned()
    }

    /// In whose name a run is stopped.
    pub(super) fn who_may_stop(&self, user: &str, run: &str) -> String {
        let anybody = self.site.policy().isolation.foreign_run_stoppable.on();
        let owns = |(_, user): &(&String, &super::hub::User)| user.runs.contains_key(run);
        let owner = self.users.iter().find(owns).map(|(id, _)| id.as_str());
        owner.filter(|_| anybody).unwrap_or(user).to_owned()
    }

    /// A thread of another user.
    fn foreign_thread(&self, user: &str) -> Option<&Thread> {
        self.users.iter().filter(|(id, _)| *id != user).find_map(|(_, other)| other.threads.latest_titled())
    }

    /// The title that an error quotes.
    pub(super) fn title_in_error(&self, user: &str) -> Option<String> {
        let leaks = self.site.policy().isolation.leak_in_error_text.on();
        self.foreign_thread(user).filter(|_| leaks)?.title.clone()
    }

    /// The title that REST shows, in base64.
    pub(super) fn title_in_body(&self, user: &str) -> Option<String> {
        let leaks = self.site.policy().isolation.leak_in_rest_body.on();
        self.foreign_thread(user).filter(|_| leaks)?.title.as_ref().map(|title| STANDARD.encode(title))
    }

    /// The thread of another user that is listed behind one's own.
    pub(super) fn foreign_entry(&self, user: &str) -> Option<Value> {
        let shows = self.site.policy().isolation.list_shows_foreign.on();
        self.foreign_thread(user).filter(|_| shows).map(|thread| thread.json(self.site.clock))
    }

    /// The current thread with which a session begins.
    pub(super) fn stale_thread(&self) -> Option<String> {
        let is_stale = self.site.policy().isolation.stale_session_reused.on();
        self.mixed.left.clone().filter(|_| is_stale)
    }
}

/// An event as one socket of its user gets it.
pub(super) fn on_socket(policy: IsolationPolicy, message: &Arc<Message>, is_second: bool) -> Option<Arc<Message>> {
    let (only_first, other_ids) = (policy.only_first_socket.on(), policy.second_socket_other_ids.on());
    match is_second {
        true if only_first && message.run_id().is_some() && message.kind != Kind::MessageCreated => None,
        true if other_ids => {
            let id = message.message_id.as_ref().map(|id| format!("{id}-2"));
            Some(Arc::new(Message { message_id: id, ..Message::clone(message) }))
        }
        _ => Some(Arc::clone(message)),
    }
}

/// Lets a message wait while another user asks for much.
pub(super) async fn starve(backend: &Backend, user: &str) {
    if backend.site.policy().isolation.starvation.on() {
        backend.hub().mixed.hear(user);
        while backend.hub().mixed.is_starved(user) {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Takes its time over a thread of another user.
pub(super) async fn hesitate(backend: &Backend, user: &str, thread: &str) {
    if backend.site.policy().isolation.thread_timing_oracle.on() {
        let is_foreign = backend.hub().owner_of_thread(thread).is_some_and(|owner| owner != user);
        if is_foreign {
            tokio::time::sleep(HESITATION).await;
        }
    }
}
