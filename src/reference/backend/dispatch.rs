//! The messages of contract 7.1: what each of them does and how it is answered.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::auth_client::{Denial, Identity};
use super::breaker::Admission;
use super::client_text::{self, Reading};
use super::hub::{Hub, To};
use super::prompt::{AGENTS, Directives, plan};
use super::refusal::Refusal;
use super::runs::{Ending, Status};
use super::session::{Close, Entry, Point, Unrestorable};
use super::watch::until;
use super::{Backend, agents, content, misfail, misrun, misstream, misthread, mixed};
use crate::reference::notes;
use crate::wire::{ErrorCode, Kind, Message};

/// What the defect takes to restore a session: five times what the contract's profile allows.
const SLOW: std::time::Duration = std::time::Duration::from_secs(5);

/// Who sent a message, and what it was.
struct Request<'a> {
    backend: &'a Arc<Backend>,
    socket: u64,
    user: String,
    session: String,
    credential: Identity,
    /// Whether it is the first message of its socket.
    is_first: bool,
    message: Message,
}

/// Does and answers what a client's text asks for.
pub(super) async fn hear(backend: &Arc<Backend>, socket: u64, text: &str) {
    let (user, session, credential, is_first) = {
        let mut hub = backend.hub();
        let Some(known) = hub.sockets.get_mut(&socket) else { return };
        known.received += 1;
        let is_first = known.received == 1;
        let Some((user, session)) = hub.session_of(socket) else { return };
        (user.to_owned(), session.id.clone(), session.credential.clone(), is_first)
    };
    if until(credential.expires_at + backend.site.conduct.clock_leeway()).is_zero() {
        return backend.hub().end_credential(&user, &session, &ErrorCode::TokenExpired);
    }
    mixed::starve(backend, &user).await;
    let policy = backend.site.policy();
    let message = match client_text::read(text, backend.site.contract(), policy) {
        Reading::Message(message) => message,
        Reading::Ignored => return,
        Reading::Fatal(code) => return backend.hub().hang_up(socket, Close::after_all(code, "bad message")),
        Reading::Acknowledged(asked) => {
            return backend.hub().answer(&user, To::Session(&session), asked.as_deref(), Message::new(Kind::Pong));
        }
        Reading::Refused(asked, refusal)
            if refusal.code == ErrorCode::UnknownType && backend.site.contract().declares_kind(&Kind::Ack) =>
        {
            let asked_for = backend.site.contract().read_client(text).map(|message| message.kind.to_string());
            let ack = Message::new(Kind::Ack)
                .with("received_type", asked_for.unwrap_or_default())
                .with("user_id", user.as_str())
                .with("status", "received");
            return backend.hub().answer(&user, To::Session(&session), asked.as_deref(), ack);
        }
        Reading::Refused(asked, refusal) => {
            return backend.hub().refuse(&user, &session, asked.as_deref(), &refusal);
        }
    };
    notes::heard(&message.kind);
    if policy.ignores.as_ref() == Some(&message.kind) {
        return;
    }
    let request = Request { backend, socket, user, session, credential, is_first, message };
    if let Err(refusal) = request.serve().await {
        let asked = request.message.message_id.as_deref();
        if refusal.code == ErrorCode::ThreadNotFound && policy.threads.missing_thread_hangs.on() {
            return;
        }
        // A restored session has another name than the one that asked.
        let mut hub = backend.hub();
        if let Some((user, session)) =
            hub.session_of(socket).map(|(user, session)| (user.to_owned(), session.id.clone()))
        {
            hub.refuse(&user, &session, asked, &refusal);
            if refusal.code == ErrorCode::RateLimitExceeded {
                misstream::throttled(&mut hub, &user, socket);
            }
        }
    }
}

impl Request<'_> {
    async fn serve(&self) -> Result<(), Refusal> {
        match self.message.kind {
            Kind::TokenRefresh => self.token_refresh().await,
            Kind::SessionRestore => self.session_restore().await,
            _ => self.serve_at_once(&mut self.backend.hub()),
        }
    }

    fn serve_at_once(&self, hub: &mut Hub) -> Result<(), Refusal> {
        match self.message.kind {
            Kind::Ping => {
                self.answer(hub, Message::new(Kind::Pong));
                Ok(())
            }
            Kind::HandshakeAcknowledged => {
                self.answer(hub, Message::new(Kind::HandshakeComplete));
                Ok(())
            }
            Kind::UserMessage | Kind::StartAgent => self.start_run(hub),
            Kind::StopAgent => self.stop_agent(hub),
            Kind::CreateThread => self.create_thread(hub),
            Kind::SwitchThread => self.switch_thread(hub),
            Kind::RenameThread => self.rename_thread(hub),
            Kind::DeleteThread => self.delete_thread(hub),
            Kind::ListThreads => self.list_threads(hub),
            Kind::GetThreadHistory => self.thread_history(hub),
            _ => Err(Refusal::new(ErrorCode::UnknownType, "This message is not served here.")),
        }
    }

    fn asked(&self) -> Option<&str> {
        self.message.message_id.as_deref()
    }

    /// Answers on the asking socket.
    fn answer(&self, hub: &mut Hub, message: Message) {
        hub.answer(&self.user, To::Session(&self.session), self.asked(), message);
    }

    /// Answers on all sockets of the user.
    fn announce(&self, hub: &mut Hub, message: Message) {
        hub.announce(&self.user, Some(&self.session), self.asked(), message);
    }

    /// A field that the contract demands.
    fn text(&self, field: &str) -> Result<&str, Refusal> {
        self.message.text(field).ok_or_else(|| Refusal::field(field, format!("The field `{field}` is missing.")))
    }

    /// A whole number of the payload within its range.
    fn number(&self, field: &str, default: usize, range: std::ops::RangeInclusive<usize>) -> Result<usize, Refusal> {
        let Some(value) = self.message.field(field) else { return Ok(default) };
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            Refusal::field(field, format!("The field `{field}` must be {} to {}.", range.start(), range.end()))
        })
    }

    fn check_write(&self) -> Result<(), Refusal> {
        let looks_away = self.backend.site.policy().sync.ws_skips_permissions.on();
        if looks_away || self.credential.may_write() { Ok(()) } else { Err(Refusal::permission()) }
    }

    fn start_run(&self, hub: &mut Hub) -> Result<(), Refusal> {
        let (user, kind) = (self.user.as_str(), &self.message.kind);
        let policy = self.backend.site.policy().threads;
        self.check_write()?;
        let text = content::kept(self.text("content")?, self.backend.site.policy())?;
        if let Some(answer) = hub.remembered(user, kind, self.asked()) {
            self.answer(hub, answer);
            return Ok(());
        }
        let thread = match self.message.thread_id() {
            Some(thread) => match hub.thread(user, thread).map(|thread| thread.id.clone()) {
                Err(_) if policy.missing_thread_creates.on() => None,
                found => Some(found?),
            },
            None => hub.session_mut(user, &self.session).and_then(|session| session.current_thread.clone()),
        };
        let agent = match self.message.text("agent_name") {
            Some(name) if *kind == Kind::StartAgent => AGENTS
                .into_iter()
                .find(|agent| *agent == name)
                .ok_or_else(|| misfail::no_agent(hub, thread.as_deref()))?,
            _ => AGENTS[0],
        };
        misfail::check(hub, thread.as_deref())?;
        let admission = hub.breaker(user, agent).admission(Instant::now()).map_err(|after| {
            Refusal::new(ErrorCode::CircuitOpen, "This agent is paused after failures. Please try again later.")
                .retry_after(after)
        })?;
        hub.count(user, Some(&self.session))?;
        let thread = match thread {
            Some(thread) => thread,
            None => {
                let (id, created) = hub.create_thread(user, None, json!({}))?;
                if !policy.implicit_thread_silent.on() {
                    hub.send(user, To::All, created);
                }
                if !policy.new_thread_each_message.on() {
                    self.set_current(hub, &id);
                }
                id
            }
        };
        if admission == Admission::Trial {
            hub.breaker(user, agent).begin_trial();
            hub.tell_breaker(user, agent);
        }
        let directives = Directives::read(&text);
        let run = hub.begin_run(user, &self.session, &thread, agent, admission, directives.degrade);
        let steps = plan(directives, agent, self.backend.site.conduct.seed, *hub.permitted());
        let steps = misrun::misplanned(self.backend.site.policy().runs, steps);
        let steps = misfail::misplanned(self.backend.site.policy().failures, steps);
        let steps = misstream::misplanned(self.backend.site.policy().streams, steps);
        let created = hub.store_message(user, &thread, text, json!({})).with("run_id", run.as_str());
        hub.lose_concurrent(user, &thread);
        hub.remember(user, kind, self.asked(), &created);
        self.announce(hub, created);
        agents::play(self.backend, user.to_owned(), run, steps);
        Ok(())
    }

    fn stop_agent(&self, hub: &mut Hub) -> Result<(), Refusal> {
        let id = self.text("run_id")?;
        let owner = hub.who_may_stop(&self.user, id);
        let run = hub.user(&owner).runs.get(id).filter(|run| run.status == Status::Running);
        run.ok_or_else(Refusal::run)?;
        hub.end_run(&owner, id, &Ending::Stopped("user_request"), self.asked());
        if owner != self.user {
            self.answer(hub, Message::new(Kind::AgentStopped).with("run_id", id).with("reason", "user_request"));
        }
        Ok(())
    }

    fn create_thread(&self, hub: &mut Hub) -> Result<(), Refusal> {
        self.check_write()?;
        if let Some(answer) = hub.remembered(&self.user, &Kind::CreateThread, self.asked()) {
            self.answer(hub, answer);
            return Ok(());
        }
        content::title(self.message.text("title"), self.backend.site.policy())?;
        hub.count(&self.user, Some(&self.session))?;
        let (id, created) = hub.create_thread(&self.user, self.message.text("title"), json!({}))?;
        self.set_current(hub, &id);
        hub.remember(&self.user, &Kind::CreateThread, self.asked(), &created);
        self.announce(hub, created);
        Ok(())
    }

    fn set_current(&self, hub: &mut Hub, thread: &str) {
        if let Some(session) = hub.session_mut(&self.user, &self.session) {
            session.current_thread = Some(thread.to_owned());
        }
    }

    fn switch_thread(&self, hub: &mut Hub) -> Result<(), Refusal> {
        let id = self.text("thread_id")?;
        hub.thread(&self.user, id)?;
        hub.count(&self.user, Some(&self.session))?;
        self.set_current(hub, id);
        hub.lose_context(&self.user, &self.session);
        self.answer(hub, Message::new(Kind::ThreadSwitched).with("thread_id", id));
        let loaded = hub.thread_loaded(&self.user, id)?;
        hub.send(&self.user, To::Session(&self.session), loaded);
        Ok(())
    }

    fn rename_thread(&self, hub: &mut Hub) -> Result<(), Refusal> {
        self.check_write()?;
        let (id, title) = (self.text("thread_id")?, self.text("title")?);
        hub.thread(&self.user, id)?;
        content::title(Some(title), self.backend.site.policy())?;
        hub.count(&self.user, Some(&self.session))?;
        let renamed = hub.rename_thread(&self.user, id, title)?;
        self.announce(hub, renamed);
        Ok(())
    }

    fn delete_thread(&self, hub: &mut Hub) -> Result<(), Refusal> {
        self.check_write()?;
        let id = self.text("thread_id")?;
        hub.thread(&self.user, id)?;
        hub.count(&self.user, Some(&self.session))?;
        let deleted = hub.delete_thread(&self.user, id)?;
        self.announce(hub, deleted);
        Ok(())
    }

    fn list_threads(&self, hub: &mut Hub) -> Result<(), Refusal> {
        let (limit, offset) = (self.number("limit", 20, 1..=100)?, self.number("offset", 0, 0..=usize::MAX)?);
        hub.count(&self.user, Some(&self.session))?;
        let threads = hub.thread_list(&self.user, limit, offset);
        self.answer(hub, Message::new(Kind::ThreadList).with("threads", threads));
        Ok(())
    }

    fn thread_history(&self, hub: &mut Hub) -> Result<(), Refusal> {
        let (id, clock) = (self.text("thread_id")?, self.backend.site.clock);
        let limit = self.number("limit", 50, 1..=100)?;
        let thread = hub.thread(&self.user, id)?;
        let range = thread.last(limit, self.message.text("before"));
        let range = range.ok_or_else(|| Refusal::field("before", "There is no such message in this thread."))?;
        let page = thread.page(misthread::paged(self.backend.site.policy().threads, range, thread.count()));
        hub.count(&self.user, Some(&self.session))?;
        let history = Message::new(Kind::ThreadHistory)
            .with("thread_id", id)
            .with("messages", page.json(clock))
            .with("has_more", page.has_more);
        self.answer(hub, history);
        Ok(())
    }

    async fn token_refresh(&self) -> Result<(), Refusal> {
        let policy = self.backend.site.policy().session;
        let verdict = self.backend.auth.ask(self.text("token")?).await;
        let mut hub = self.backend.hub();
        let credential = match verdict {
            Ok(identity) if identity.user_id == self.user || policy.refresh_switches_user.on() => identity,
            Ok(_) => {
                let message = "This token belongs to another user.";
                return Err(Refusal::new(ErrorCode::UserMismatch, message));
            }
            Err(_) if policy.bad_refresh_accepted.on() => self.credential.clone(),
            Err(denial) => {
                if policy.bad_refresh_closes.on() {
                    hub.hang_up(self.socket, Close::after_all(1008, "bad token"));
                }
                return Err(Refusal::new(denial.code(), "This token is not accepted; the one before stays in force."));
            }
        };
        let told = hub.told_expiry(credential.expires_at);
        if let Some(session) = hub.session_mut(&self.user, &self.session)
            && !policy.refresh_not_applied.on()
        {
            session.credential = credential;
            session.changed.notify_one();
        }
        misstream::refreshed(self.backend, &self.user, &self.session, self.credential.expires_at);
        self.answer(&mut hub, Message::new(Kind::TokenRefreshed).with("expires_at", told));
        if policy.refresh_restarts_stream.on() {
            hub.restart_runs(&self.user, &self.session);
        }
        if policy.refresh_drops_socket.on() {
            hub.hang_up(self.socket, Close::after_all(1000, "reconnect, please"));
        }
        Ok(())
    }

    async fn session_restore(&self) -> Result<(), Refusal> {
        let policy = self.backend.site.policy().restore;
        if !self.is_first && !policy.late_restore_accepted.on() {
            let message = "A session can be restored by the first message only.";
            return Err(Refusal::new(ErrorCode::InvalidMessage, message));
        }
        let old = self.text("connection_id")?;
        let point = match (self.message.field("last_sequence"), self.message.text("last_message_id")) {
            (Some(last), _) => Point::Sequence(last.as_u64().ok_or_else(|| {
                Refusal::field("last_sequence", "The field `last_sequence` must be a whole number from 0.")
            })?),
            (None, Some(id)) => Point::MessageId(id.to_owned()),
            (None, None) => return Err(Refusal::field("last_sequence", "The field `last_sequence` is missing.")),
        };
        if policy.slow_restore.on() {
            tokio::time::sleep(SLOW).await;
        }
        let owners = self.backend.hub().owners_of_session(old);
        let unknown = || {
            let whose =
                if policy.session_oracle.on() && !owners.is_empty() { "is another user's" } else { "is unknown" };
            Refusal::new(ErrorCode::SessionUnknown, format!("This session {whose}."))
        };
        let is_own = |owner: &&String| **owner == self.user || policy.restore_foreign_session.on();
        let owner = owners.iter().find(is_own).ok_or_else(unknown)?;
        let credential = self.backend.hub().session_mut(owner, old).map(|session| session.credential.clone());
        let token = credential.ok_or_else(unknown)?.token;
        // A session without a socket is not watched: whether it was logged out is seen now.
        let verdict = self.backend.auth.ask(&token).await;
        let revoked = verdict.is_err_and(|denial| denial == Denial::Refused(ErrorCode::TokenRevoked));
        let mut hub = self.backend.hub();
        let known = hub.session_mut(owner, old).is_some_and(|session| session.logged_out);
        if (revoked || known) && !policy.restore_after_logout.on() {
            return Err(unknown());
        }
        let missed = hub.restore(self.socket, owner, old, &point).map_err(|why| match why {
            Unrestorable::Unknown => unknown(),
            Unrestorable::Future => Refusal::field("last_sequence", "So many messages were never sent."),
        })?;
        self.restored(&mut hub, owner, old, missed);
        Ok(())
    }

    /// Tells how a restore ended.
    fn restored(&self, hub: &mut Hub, owner: &str, old: &str, missed: Option<Vec<Arc<Entry>>>) {
        let policy = self.backend.site.policy().restore;
        let elsewhere = policy.restore_wrong_thread.on().then(|| hub.id("thread", owner));
        let owner = hub.user(owner);
        let (current, last_run) = owner
            .sessions
            .get(old)
            .map(|session| (session.current_thread.clone(), session.last_run.clone()))
            .unwrap_or_default();
        let run = last_run.filter(|_| !policy.restore_loses_run.on()).and_then(|id| {
            let run = owner.runs.get(&id)?;
            Some(json!({
                "run_id": id, "status": run.status.word(), "agent_name": run.agent, "step_number": run.step,
            }))
        });
        let named = if missed.is_some() { old } else { &self.session };
        let mut message = Message::new(Kind::SessionRestored)
            .with("connection_id", named)
            .with("thread_id", elsewhere.as_deref().or(current.as_deref()))
            .with("resumed", missed.is_some())
            .with("replayed", missed.as_ref().map_or(0, Vec::len))
            .with("run", run.unwrap_or(Value::Null));
        if let Some(asked) = self.asked() {
            message = message.with("in_reply_to", asked);
        }
        if let Some(missed) = missed {
            hub.send_ahead(self.socket, message);
            return hub.replay(self.socket, missed);
        }
        hub.flush_ahead(self.socket);
        hub.send_ahead(self.socket, message);
        let thread = self.message.thread_id().map(str::to_owned).or(current);
        if let Some(Ok(loaded)) = thread.map(|thread| hub.thread_loaded(&self.user, &thread)) {
            if let Some(thread) = loaded.thread_id() {
                self.set_current(hub, thread);
            }
            hub.send(&self.user, To::Session(&self.session), loaded);
        }
    }
}
