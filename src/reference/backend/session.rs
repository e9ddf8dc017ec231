//! Sessions and the sockets that join them (contract, 6 and 7.4 "Reconnection").
//!
//! A session's log is its socket's queue, too: the socket has a place in it and takes what comes
//! after. So replayed and live messages cannot overtake each other, and nothing is kept twice.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::auth_client::Identity;
use super::hub::{Hub, To, User};
use super::runs::Ending;
use super::{outbound, replay};
use crate::reference::notes;
use crate::wire::{Kind, Message};

/// How far a clock is ahead that is wrong.
const SKEW: time::Duration = time::Duration::seconds(5);

/// A message that was sent in a session.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) message: Arc<Message>,
    pub(super) at: OffsetDateTime,
    /// Not to be written before, where a filter delays it.
    pub(super) since: Instant,
    /// Its number in the session; set when it is appended, none for what is not numbered.
    pub(super) sequence: Option<u64>,
    pub(super) size: usize,
}

impl Entry {
    pub(super) fn new(message: Arc<Message>, size: usize) -> Self {
        Self { message, at: OffsetDateTime::now_utc(), since: Instant::now(), sequence: None, size }
    }
}

/// A session, named by a connection id.
pub(super) struct Session {
    pub(super) id: String,
    /// The newest token accepted for it, and whose it is.
    pub(super) credential: Identity,
    /// The socket that has joined it.
    pub(super) socket: Option<u64>,
    /// When it lost its socket.
    pub(super) lost_at: Option<Instant>,
    pub(super) current_thread: Option<String>,
    /// The run that was started last.
    pub(super) last_run: Option<String>,
    pub(super) logged_out: bool,
    /// Told when the credential or the socket has changed.
    pub(super) changed: Arc<Notify>,
    log: VecDeque<Arc<Entry>>,
    /// Number of the next message.
    pub(super) next: u64,
}

impl Session {
    /// Numbers a message and keeps it; what a socket has not taken yet is kept beyond `keep`.
    pub(super) fn append(&mut self, mut entry: Entry, keep: usize, socket: Option<&mut Socket>) {
        entry.sequence = Some(self.next);
        self.next += 1;
        let taken = match socket {
            Some(socket) => {
                socket.pending += entry.size;
                socket.place
            }
            None => self.next,
        };
        self.log.push_back(Arc::new(entry));
        while self.log.len() > keep && self.oldest() < taken {
            self.log.pop_front();
        }
    }

    fn lose_socket(&mut self) {
        self.socket = None;
        self.lost_at = Some(Instant::now());
        self.changed.notify_one();
    }

    /// Number of the oldest message that is still kept, or of the next one.
    fn oldest(&self) -> u64 {
        self.next - self.log.len() as u64
    }

    fn entry(&self, number: u64) -> Option<&Arc<Entry>> {
        self.log.get(usize::try_from(number.checked_sub(self.oldest())?).ok()?)
    }

    /// The number after the last message that the client saw; `None` when that is no longer known.
    fn resume_at(&self, point: &Point, gaps: bool) -> Option<u64> {
        let known = match point {
            Point::Sequence(last) => Some(last + 1).filter(|next| *next >= self.oldest()),
            Point::MessageId(id) => {
                let index = self.log.iter().rposition(|entry| entry.message.message_id.as_deref() == Some(id));
                index.map(|index| self.oldest() + index as u64 + 1)
            }
        };
        known.or_else(|| gaps.then(|| self.oldest()))
    }
}

/// The last message that a client saw of a lost session.
#[derive(Debug)]
pub(super) enum Point {
    Sequence(u64),
    MessageId(String),
}

/// The end of a socket.
#[derive(Clone, Debug)]
pub(super) struct Close {
    pub(super) code: u16,
    pub(super) reason: String,
    /// What has not been written yet is not written any more.
    at_once: bool,
}

impl Close {
    /// After everything that was sent before.
    pub(super) fn after_all(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), at_once: false }
    }

    /// The end of TCP alone, before everything that has not been written yet.
    pub(super) const fn silent() -> Self {
        Self { code: 0, reason: String::new(), at_once: true }
    }

    /// Whether it is the end of TCP alone.
    pub(super) const fn is_silent(&self) -> bool {
        self.code == 0
    }

    /// Before everything that has not been written yet.
    pub(super) fn at_once(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), at_once: true }
    }
}

/// An open connection.
pub(super) struct Socket {
    pub(super) user: String,
    /// Connection id of the session that it has joined.
    pub(super) session: String,
    pub(super) wake: Arc<Notify>,
    /// Octets sent to it and not yet taken.
    pub(super) pending: usize,
    /// Messages received.
    pub(super) received: u64,
    /// Number of the next message to take from the session.
    place: u64,
    /// To be taken before the session's.
    ahead: VecDeque<Arc<Entry>>,
    /// To be taken after the session's next one.
    behind: Vec<Arc<Entry>>,
    /// Messages of the session from this number on are not for it any more.
    until: Option<u64>,
    closing: Option<Close>,
}

impl Socket {
    /// Asks for its end; the first one to ask decides how.
    pub(super) fn close(&mut self, close: Close) {
        self.closing.get_or_insert(close);
        self.wake.notify_one();
    }
}

/// What a socket has to write next.
pub(super) enum Next {
    Message(Arc<Entry>),
    Close(Close),
    Nothing,
}

/// Why a session cannot be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unrestorable {
    /// No such session of this user.
    Unknown,
    /// Its client claims to have seen what was never sent.
    Future,
}

impl Hub {
    /// Opens a socket with a session of its own; the number of the socket.
    pub(super) fn open(&mut self, credential: Identity, carries_welcome: bool) -> u64 {
        self.opened += 1;
        let number = self.opened;
        let user = credential.user_id.clone();
        let id = self.id("connection", &user);
        let session = Session {
            id: id.clone(),
            socket: Some(number),
            lost_at: None,
            current_thread: self.stale_thread(),
            last_run: None,
            logged_out: false,
            changed: Arc::new(Notify::new()),
            log: VecDeque::new(),
            next: 1,
            credential,
        };
        let socket = Socket {
            user: user.clone(),
            session: id.clone(),
            wake: Arc::new(Notify::new()),
            pending: 0,
            received: 0,
            place: 1,
            ahead: VecDeque::new(),
            behind: Vec::new(),
            until: None,
            closing: None,
        };
        self.sockets.insert(number, socket);
        self.user(&user).sessions.insert(id.clone(), session);
        if carries_welcome {
            let mut greetings = vec![self.welcome(&user, &id)];
            if self.site.contract().handshake_settle().is_some() {
                greetings.push(self.handshake_response(&user, &id));
            }
            if self.permitted().handshake_first.on() {
                greetings.reverse();
            }
            for greeting in greetings {
                self.send(&user, To::Session(&id), greeting);
            }
        }
        number
    }

    fn welcome(&self, user: &str, session: &str) -> Message {
        let expires_at = self.users.get(user).and_then(|user| Some(user.sessions.get(session)?.credential.expires_at));
        let named = if self.site.policy().handshake.wrong_user_in_welcome.on() {
            self.site.ids.nth("user", "somebody else", 0)
        } else {
            user.to_owned()
        };
        let ahead = if self.site.policy().sync.clock_skew.on() { SKEW } else { time::Duration::ZERO };
        Message::new(Kind::ConnectionEstablished)
            .with("connection_id", session)
            .with("user_id", named)
            .with("server_time", self.stamp(OffsetDateTime::now_utc() + ahead))
            .with("expires_at", self.told_expiry(expires_at.unwrap_or(OffsetDateTime::UNIX_EPOCH)))
    }

    /// What a client must acknowledge before it speaks, where the contract has a handshake.
    fn handshake_response(&self, user: &str, session: &str) -> Message {
        Message::new(Kind::HandshakeResponse)
            .with("thread_id", self.id("thread", user))
            .with("run_id", self.id("run", user))
            .with("request_id", self.id("request", user))
            .with("session_token", session)
            .with("timestamp", self.stamp(OffsetDateTime::now_utc()))
            .with("message", "Connection ready for agent communication")
    }

    /// The end of a credential as it is told.
    pub(super) fn told_expiry(&self, expires_at: OffsetDateTime) -> serde_json::Value {
        let late =
            if self.site.policy().session.expires_at_lies.on() { time::Duration::HOUR } else { time::Duration::ZERO };
        self.stamp(expires_at + late)
    }

    /// Open sockets of a user, and those that have ended and still hold a place.
    pub(super) fn count_sockets(&self, user: &str) -> usize {
        let now = Instant::now();
        let is_held = |(of, until): &&(String, Option<Instant>)| of == user && until.is_none_or(|until| now < until);
        self.sockets.values().filter(|socket| socket.user == user).count() + self.held.iter().filter(is_held).count()
    }

    /// The place of a socket that has ended is not always free at once.
    fn leave(&mut self, user: &str) {
        let now = Instant::now();
        self.held.retain(|(_, until)| until.is_none_or(|until| now < until));
        if self.site.policy().limits.slot_leaks.on() {
            self.held.push((user.to_owned(), None));
        } else if self.permitted().late_places.on() {
            self.held.push((user.to_owned(), Some(now + Duration::from_millis(900))));
        }
    }

    /// The session that a socket has joined, and its user.
    pub(super) fn session_of(&self, number: u64) -> Option<(&str, &Session)> {
        let socket = self.sockets.get(&number)?;
        Some((&socket.user, self.users.get(&socket.user)?.sessions.get(&socket.session)?))
    }

    /// The users who have a session of this id: one, or none.
    pub(super) fn owners_of_session(&self, session: &str) -> Vec<String> {
        let owns = |(_, user): &(&String, &User)| user.sessions.contains_key(session);
        self.users.iter().filter(owns).map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn session_mut(&mut self, user: &str, session: &str) -> Option<&mut Session> {
        self.users.get_mut(user)?.sessions.get_mut(session)
    }

    /// Takes what a socket has to write next.
    pub(super) fn next(&mut self, number: u64) -> Next {
        let Some(socket) = self.sockets.get_mut(&number) else { return Next::Close(Close::at_once(1011, "")) };
        if let Some(close) = socket.closing.as_ref().filter(|close| close.at_once) {
            return Next::Close(close.clone());
        }
        if let Some(entry) = socket.ahead.pop_front() {
            return Next::Message(entry);
        }
        let session = self.users.get(&socket.user).and_then(|user| user.sessions.get(&socket.session));
        let is_due = socket.until.is_none_or(|until| socket.place < until);
        if let Some(entry) = session.filter(|_| is_due).and_then(|session| session.entry(socket.place)) {
            socket.place += 1;
            socket.pending = socket.pending.saturating_sub(entry.size);
            socket.ahead.extend(std::mem::take(&mut socket.behind));
            return Next::Message(entry.clone());
        }
        socket.closing.clone().map_or(Next::Nothing, Next::Close)
    }

    /// Ends a socket; what is sent from now on, its session keeps for the next one.
    pub(super) fn hang_up(&mut self, number: u64, close: Close) {
        let Some(socket) = self.sockets.get_mut(&number) else { return };
        let session = self.users.get_mut(&socket.user).and_then(|user| user.sessions.get_mut(&socket.session));
        if let Some(session) = session.filter(|session| session.socket == Some(number)) {
            socket.until = Some(session.next);
            session.lose_socket();
            self.mixed.left(session.current_thread.clone());
        }
        socket.close(close);
    }

    /// A socket has ended: its session goes on without it.
    pub(super) fn detach(&mut self, number: u64) {
        let Some(socket) = self.sockets.remove(&number) else { return };
        self.leave(&socket.user);
        let session = self.session_mut(&socket.user, &socket.session);
        if let Some(session) = session.filter(|session| session.socket == Some(number)) {
            session.lose_socket();
        }
        let is_lost = self.session_mut(&socket.user, &socket.session).is_some_and(|session| session.socket.is_none());
        if is_lost && self.site.policy().restore.run_dies_with_socket.on() {
            self.end_runs(&socket.user, &Ending::Stopped("connection lost"), |run| run.session == socket.session);
        }
    }

    /// Lets a socket join a lost session of `owner` instead of its own; what it missed, or `None`
    /// when the point is too old and the socket keeps its own session.
    pub(super) fn restore(
        &mut self,
        number: u64,
        owner: &str,
        old: &str,
        point: &Point,
    ) -> Result<Option<Vec<Arc<Entry>>>, Unrestorable> {
        let policy = self.site.policy().restore;
        let socket = self.sockets.get(&number).ok_or(Unrestorable::Unknown)?;
        let (user, own) = (socket.user.clone(), socket.session.clone());
        let session = |user: &str, id: &str| self.users.get(user)?.sessions.get(id);
        let (Some(lost), Some(begun)) = (session(owner, old), session(&user, &own)) else {
            return Err(Unrestorable::Unknown);
        };
        let needs_token = policy.restore_needs_old_token.on() && lost.credential.token != begun.credential.token;
        if old == own || needs_token {
            return Err(Unrestorable::Unknown);
        }
        let is_future = matches!(point, Point::Sequence(last) if *last >= lost.next);
        if is_future && !policy.restore_accepts_future.on() {
            return Err(Unrestorable::Future);
        }
        let place = lost.resume_at(point, policy.silent_gap.on()).filter(|_| !policy.restore_ignored.on());
        let Some(place) = place else { return Ok(None) };
        let from = if policy.replay_all.on() { lost.oldest() } else { place };
        let missed = (from..lost.next).filter_map(|number| lost.entry(number).cloned()).collect();
        let (next, before) = (lost.next, lost.socket.filter(|_| !policy.old_socket_lives.on()));
        if let Some(before) = before.and_then(|before| self.sockets.get_mut(&before)) {
            before.close(Close::at_once(1001, "superseded"));
        }
        let Some(abandoned) = self.user(&user).sessions.remove(&own) else { return Err(Unrestorable::Unknown) };
        abandoned.changed.notify_one();
        if let Some(socket) = self.sockets.get_mut(&number) {
            // Its welcome may not have been written yet.
            let rest = (socket.place..abandoned.next).filter_map(|number| abandoned.entry(number).cloned());
            socket.ahead.extend(rest);
            socket.user = owner.to_owned();
            socket.session = old.to_owned();
            socket.place = next;
            socket.pending = 0;
        }
        if let Some(session) = self.session_mut(owner, old) {
            session.socket = Some(number);
            session.lost_at = None;
            session.credential = abandoned.credential;
            session.changed.notify_one();
        }
        Ok(Some(missed))
    }

    /// Sends what a socket missed, before everything that is live.
    pub(super) fn replay(&mut self, number: u64, missed: Vec<Arc<Entry>>) {
        let policy = self.site.policy().restore;
        let missed = replay::twisted(policy, missed);
        let Some(socket) = self.sockets.get_mut(&number) else { return };
        if policy.live_before_replay.on() {
            socket.behind = missed;
        } else {
            socket.ahead.extend(missed);
        }
        socket.wake.notify_one();
    }

    /// Puts a message that bears no number before everything else that a socket is to get.
    pub(super) fn send_ahead(&mut self, number: u64, message: Message) {
        if !self.speaks(&message.kind) {
            return;
        }
        let Some(socket) = self.sockets.get(&number) else { return };
        let message = message.id(self.id("event", &socket.user));
        notes::sent(&message.kind);
        let fate = outbound::filtered(&self.site.policy().filters, message);
        if fate.changed {
            notes::filtered();
        }
        let owner = socket.user.clone();
        if fate.misrouted {
            fate.messages.iter().for_each(|message| self.misroute(&owner, &Arc::new(message.clone())));
        }
        let Some(socket) = self.sockets.get_mut(&number) else { return };
        socket.ahead.extend(fate.messages.into_iter().map(|message| Arc::new(Entry::new(Arc::new(message), 0))));
        socket.wake.notify_one();
    }

    /// What a session's own socket has not taken yet comes before what is put ahead.
    pub(super) fn flush_ahead(&mut self, number: u64) {
        let Some(socket) = self.sockets.get_mut(&number) else { return };
        let Some(session) = self.users.get(&socket.user).and_then(|user| user.sessions.get(&socket.session)) else {
            return;
        };
        socket.ahead.extend((socket.place..session.next).filter_map(|number| session.entry(number).cloned()));
        socket.place = session.next;
        socket.pending = 0;
    }
}
