//! All users with their sessions, runs and sockets; the one place where messages are sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::breaker::Breaker;
use super::limits::Limiter;
use super::mixed::{self, Mixed};
use super::outbound;
use super::runs::Run;
use super::session::{Close, Entry, Session, Socket};
use super::threads::Threads;
use super::tickets::Tickets;
use crate::reference::site::Site;
use crate::reference::{Permitted, notes};
use crate::wire::{Kind, Message};

/// How long a client's message id stands for the same request.
const IDEMPOTENCY: std::time::Duration = std::time::Duration::from_secs(5 * 60);

/// Octets that may wait for a socket before its peer counts as one that does not read.
const BACKLOG: usize = 4 << 20;

/// Whom a message goes to.
#[derive(Clone, Copy, Debug)]
pub(super) enum To<'a> {
    /// All sessions of the user, those without a socket included.
    All,
    /// The session of this connection id.
    Session(&'a str),
}

/// All that the backend knows of one user.
pub(super) struct User {
    pub(super) threads: Threads,
    pub(super) sessions: BTreeMap<String, Session>,
    pub(super) runs: HashMap<String, Run>,
    pub(super) limiter: Limiter,
    pub(super) breakers: HashMap<&'static str, Breaker>,
    /// Direct answers by the message ids that asked for them.
    answered: HashMap<(Kind, String), (Instant, Message)>,
    /// Messages that a filter holds back, and for whom: `None` for all sessions.
    held: Vec<(Option<String>, Message)>,
}

/// The state of the backend, behind one lock that is never held across an await.
pub(super) struct Hub {
    pub(super) site: Arc<Site>,
    pub(super) users: BTreeMap<String, User>,
    pub(super) sockets: BTreeMap<u64, Socket>,
    /// Sockets opened so far.
    pub(super) opened: u64,
    /// Threads on which a defect lets every request fail.
    pub(super) poisoned: BTreeSet<String>,
    /// What the defects of isolation confuse.
    pub(super) mixed: Mixed,
    /// What opens a socket in place of a token.
    pub(super) tickets: Tickets,
    /// Places of sockets that have ended and that are not free yet: whose, and until when.
    pub(super) held: Vec<(String, Option<Instant>)>,
}

impl Hub {
    pub(super) fn new(site: Arc<Site>) -> Self {
        Self {
            site,
            users: BTreeMap::new(),
            sockets: BTreeMap::new(),
            opened: 0,
            poisoned: BTreeSet::new(),
            mixed: Mixed::default(),
            tickets: Tickets::default(),
            held: Vec::new(),
        }
    }

    /// The user of this id, seeded when it is met for the first time.
    pub(super) fn user(&mut self, id: &str) -> &mut User {
        let site = &self.site;
        self.users.entry(id.to_owned()).or_insert_with(|| {
            let settings = &site.conduct.settings;
            User {
                threads: super::seeded::threads_of(site, id),
                sessions: BTreeMap::new(),
                runs: HashMap::new(),
                limiter: Limiter::new(
                    settings.rate_messages,
                    settings.rate_window,
                    *site.permitted(),
                    site.policy().limits,
                ),
                breakers: HashMap::new(),
                answered: HashMap::new(),
                held: Vec::new(),
            }
        })
    }

    /// The breaker of a user and an agent.
    pub(super) fn breaker(&mut self, user: &str, agent: &'static str) -> &mut Breaker {
        let (threshold, retry_after) =
            (self.site.conduct.settings.breaker_threshold, self.site.conduct.settings.breaker_retry_after);
        let policy = self.site.policy().breakers;
        let whose = if policy.global.on() { "everybody" } else { user };
        self.user(whose).breakers.entry(agent).or_insert_with(|| Breaker::new(threshold, retry_after, policy))
    }

    pub(super) fn permitted(&self) -> &Permitted {
        self.site.permitted()
    }

    /// A new id of this kind.
    pub(super) fn id(&self, kind: &'static str, user: &str) -> String {
        self.site.ids.next(kind, user)
    }

    /// A time as this environment writes it.
    pub(super) fn stamp(&self, time: OffsetDateTime) -> Value {
        self.site.clock.write(time)
    }

    /// Remembers the direct answer to a request that must not have its effect twice.
    pub(super) fn remember(&mut self, user: &str, kind: &Kind, asked: Option<&str>, answer: &Message) {
        if let Some(asked) = asked {
            let now = Instant::now();
            let answered = &mut self.user(user).answered;
            answered.retain(|_, (at, _)| now - *at < IDEMPOTENCY);
            answered.insert((kind.clone(), asked.to_owned()), (now, answer.clone()));
        }
    }

    /// The answer that this request has already got.
    pub(super) fn remembered(&mut self, user: &str, kind: &Kind, asked: Option<&str>) -> Option<Message> {
        let forgets = self.site.policy().restore.duplicate_processed.on();
        let (at, answer) = self.user(user).answered.get(&(kind.clone(), asked?.to_owned()))?;
        (at.elapsed() < IDEMPOTENCY && !forgets).then(|| answer.clone())
    }

    /// Sends a direct answer to the message `asked`.
    pub(super) fn answer(&mut self, user: &str, to: To<'_>, asked: Option<&str>, message: Message) {
        let message = match asked {
            Some(asked) => message.with("in_reply_to", asked),
            None => message,
        };
        if self.site.policy().messages.answers_twice.on() {
            self.send(user, to, message.clone());
        }
        self.send(user, to, message);
    }

    /// Sends a message: names the event, filters it, and numbers it in each session it goes to.
    pub(super) fn send(&mut self, user: &str, to: To<'_>, message: Message) {
        if !self.speaks(&message.kind) {
            return;
        }
        let message = message.id(self.id("event", user));
        let kind = message.kind.clone();
        notes::sent(&kind);
        let fate = outbound::filtered(&self.site.policy().filters, message);
        if (fate.changed || fate.held_for.is_some()) && self.reaches_a_socket(user, to) {
            notes::filtered();
        }
        if fate.held_for.is_some() {
            let to = match to {
                To::All => None,
                To::Session(session) => Some(session.to_owned()),
            };
            self.user(user).held.extend(fate.messages.into_iter().map(|message| (to.clone(), message)));
            return;
        }
        for message in fate.messages {
            let message = Arc::new(message);
            self.number(user, to, &message);
            for stranger in self.strangers(user, &message) {
                self.number(&stranger, To::All, &message);
            }
            if fate.misrouted {
                self.misroute(user, &message);
            }
        }
        self.release(user, &kind);
        if kind == Kind::AgentStarted && self.site.policy().messages.undeclared_type.on() {
            let status = Message::new(Kind::Other("status_update".into())).with("status", "busy");
            self.send(user, to, status);
        }
    }

    /// Whether this environment's contract has such a message; what it does not know by name is a defect's.
    pub(super) fn speaks(&self, kind: &Kind) -> bool {
        matches!(kind, Kind::Other(_)) || self.site.contract().declares_kind(kind)
    }

    /// Sends a message of `user` to somebody else, too, who is there.
    pub(super) fn misroute(&mut self, user: &str, message: &Arc<Message>) {
        let is_there = |other: &&String| *other != user && self.reaches_a_socket(other, To::All);
        if let Some(stranger) = self.users.keys().find(is_there).cloned() {
            notes::filtered();
            self.number(&stranger, To::All, message);
        }
    }

    /// Whether somebody is there to see what is sent.
    fn reaches_a_socket(&self, user: &str, to: To<'_>) -> bool {
        let sessions = self.users.get(user).map(|user| user.sessions.values());
        let is_meant = |session: &Session| !matches!(to, To::Session(id) if id != session.id);
        sessions.into_iter().flatten().any(|session| session.socket.is_some() && is_meant(session))
    }

    /// Sends what was held back until a message of `kind` has been sent.
    fn release(&mut self, user: &str, kind: &Kind) {
        let filters = &self.site.conduct.policy.filters;
        let Some(owner) = self.users.get_mut(user) else { return };
        let (free, held) = std::mem::take(&mut owner.held)
            .into_iter()
            .partition(|(_, message)| outbound::held_for(filters, &message.kind) == Some(kind));
        owner.held = held;
        let free: Vec<(Option<String>, Message)> = free;
        for (session, message) in free {
            let to = session.as_deref().map_or(To::All, To::Session);
            self.number(user, to, &Arc::new(message));
        }
    }

    /// Appends a message to the logs of the sessions that it goes to.
    fn number(&mut self, user: &str, to: To<'_>, message: &Arc<Message>) {
        let notices = self.permitted().unknown_event_in_between.on();
        let patient = self.patient();
        let policy = self.site.policy().restore;
        let keep = if policy.queue_too_small.on() { 10 } else { self.site.conduct.settings.replay_events };
        let forgets = policy.drop_while_away.on();
        let Some(owner) = self.users.get_mut(user) else { return };
        let size = outbound::size(&message.payload);
        let isolation = self.site.conduct.policy.isolation;
        let first = owner.sessions.values().filter_map(|session| session.socket).min();
        for session in owner.sessions.values_mut() {
            let is_second = session.socket.is_some() && session.socket != first;
            let Some(message) = &mixed::on_socket(isolation, message, is_second) else { continue };
            if matches!(to, To::Session(id) if id != session.id) || (forgets && session.socket.is_none()) {
                continue;
            }
            let mut socket = session.socket.and_then(|number| self.sockets.get_mut(&number));
            session.append(Entry::new(message.clone(), size), keep, socket.as_deref_mut());
            // Between the third and the fourth of each three, so that it falls into runs, too.
            if notices && session.next % 3 == 1 {
                let notice = json!({"notice": "maintenance on Sunday"}).as_object().cloned().unwrap_or_default();
                let id = self.site.ids.next("notice", user);
                let notice = Message { payload: notice, ..Message::new(Kind::Other("x_notice".into())).id(id) };
                session.append(Entry::new(Arc::new(notice), 0), keep, socket.as_deref_mut());
            }
            let Some(socket) = socket else { continue };
            if socket.pending > BACKLOG && !patient {
                socket.close(Close::at_once(1008, "too slow"));
            }
            socket.wake.notify_one();
        }
    }

    /// Whether peers that do not read are waited for, not closed.
    pub(super) fn patient(&self) -> bool {
        self.permitted().back_pressure_only.on() || self.one_by_one()
    }

    /// Whether a defect writes to one socket at a time.
    pub(super) fn one_by_one(&self) -> bool {
        self.site.policy().streams.slow_reader_blocks_all.on()
    }

    /// Whether so much waits for a socket that its peer must read before it may ask for more.
    pub(super) fn backlog(&self, number: u64) -> bool {
        self.sockets.get(&number).is_some_and(|socket| socket.pending > BACKLOG)
    }

    /// Told when something waits for a socket.
    pub(super) fn wake_of(&self, number: u64) -> Option<Arc<Notify>> {
        self.sockets.get(&number).map(|socket| socket.wake.clone())
    }
}
