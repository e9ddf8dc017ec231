//! What users may ask for, over WebSocket and HTTP alike.

use serde_json::Value;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::content;
use super::hub::{Hub, To};
use super::misstream;
use super::refusal::Refusal;
use super::runs::Ending;
use super::threads::Thread;
use crate::reference::auth::OauthCompletion;
use crate::wire::{ErrorCode, Kind, Message};

impl Hub {
    /// Counts one request against the user's rate limit; `session` is that of the socket it came on, if it did.
    pub(super) fn count(&mut self, user: &str, session: Option<&str>) -> Result<(), Refusal> {
        let policy = self.site.policy().limits;
        if policy.limit_never_fires.on() {
            return Ok(());
        }
        let everybody = policy.limit_global.on().then_some("everybody");
        let session = session.filter(|_| policy.limit_per_socket.on());
        self.user(everybody.or(session).unwrap_or(user)).limiter.take(Instant::now()).map_err(|after| {
            let message = "You have sent too many messages. Please wait a moment.";
            Refusal::new(ErrorCode::RateLimitExceeded, message).retry_after(after)
        })
    }

    /// A thread of this user.
    pub(super) fn thread(&mut self, user: &str, id: &str) -> Result<&Thread, Refusal> {
        let refusal = self.no_thread();
        self.user(user).threads.get(id).ok_or(refusal)
    }

    /// Creates a thread; the `thread_created` is for the caller to send.
    pub(super) fn create_thread(
        &mut self,
        user: &str,
        title: Option<&str>,
        metadata: Value,
    ) -> Result<(String, Message), Refusal> {
        let title = content::title(title, self.site.policy())?;
        let id = self.id("thread", user);
        let created_at = self.user(user).threads.create(id.clone(), title.clone(), metadata).created_at;
        let created = Message::new(Kind::ThreadCreated)
            .with("thread_id", id.as_str())
            .with("user_id", user)
            .with("title", title)
            .with("created_at", self.stamp(created_at));
        Ok((id, created))
    }

    /// Renames a thread; the `thread_renamed` is for the caller to send.
    pub(super) fn rename_thread(&mut self, user: &str, id: &str, title: &str) -> Result<Message, Refusal> {
        self.thread(user, id)?;
        let title = content::title(Some(title), self.site.policy())?.unwrap_or_default();
        self.user(user).threads.rename(id, title.clone());
        Ok(Message::new(Kind::ThreadRenamed).with("thread_id", id).with("title", title))
    }

    /// Deletes a thread, its runs first; the `thread_deleted` is for the caller to send.
    pub(super) fn delete_thread(&mut self, user: &str, id: &str) -> Result<Message, Refusal> {
        self.thread(user, id)?;
        self.end_runs(user, &Ending::Stopped("thread_deleted"), |run| run.thread == id);
        let owner = self.user(user);
        owner.threads.remove(id);
        for session in owner.sessions.values_mut() {
            session.current_thread.take_if(|current| current == id);
        }
        Ok(Message::new(Kind::ThreadDeleted).with("thread_id", id))
    }

    /// Stores a user's message; the `message_created` is for the caller to send.
    pub(super) fn store_message(&mut self, user: &str, thread: &str, text: String, metadata: Value) -> Message {
        let id = self.id("message", user);
        let stored = self.user(user).threads.append(thread, id.clone(), "user", text.clone(), metadata);
        let created_at = stored.map_or_else(OffsetDateTime::now_utc, |message| message.created_at);
        Message::new(Kind::MessageCreated)
            .with("id", id)
            .with("thread_id", thread)
            .with("role", "user")
            .with("content", text)
            .with("created_at", self.stamp(created_at))
    }

    /// A page of the user's threads, newest first.
    pub(super) fn thread_list(&mut self, user: &str, limit: usize, offset: usize) -> Value {
        let (clock, ties_vary) = (self.site.clock, self.permitted().ties_in_any_order.on());
        let threads = self.user(user).threads.list(limit, offset, ties_vary);
        threads.into_iter().map(|thread| thread.json(clock)).collect()
    }

    /// The last messages of a thread, as a session shows them that has switched to it.
    pub(super) fn thread_loaded(&mut self, user: &str, id: &str) -> Result<Message, Refusal> {
        let clock = self.site.clock;
        let thread = self.thread(user, id)?;
        let page = thread.slice(50, thread.count().saturating_sub(50));
        Ok(Message::new(Kind::ThreadLoaded)
            .with("thread_id", id)
            .with("messages", page.json(clock))
            .with("metadata", thread.metadata.clone())
            .with("has_more", page.has_more))
    }

    /// Tells a user's sockets that an OAuth flow of theirs has completed.
    pub(super) fn oauth_completed(&mut self, completion: &OauthCompletion) {
        let policy = self.site.policy().oauth;
        let everyone = policy.oauth_event_broadcast.on();
        let hear: Vec<_> = self.users.keys().filter(|user| everyone || **user == completion.user_id).cloned().collect();
        for user in hear.iter().filter(|_| !policy.no_oauth_event.on()) {
            let message = Message::new(Kind::OauthCompleted)
                .with("provider", completion.provider.as_str())
                .with("user_id", completion.user_id.as_str())
                .with("email", completion.email.as_str());
            self.send(user, To::All, message);
        }
    }

    /// Ends what a session's credential carried: its runs, and its socket.
    pub(super) fn end_credential(&mut self, user: &str, session: &str, code: &ErrorCode) {
        if misstream::expires(self, user, session, code) {
            return;
        }
        self.end_runs(user, &Ending::Terminated(code.clone()), |run| run.session == session);
        let refusal = match code {
            ErrorCode::TokenExpired => Refusal::new(code.clone(), "Your login has expired. Please refresh it."),
            ErrorCode::AuthUnavailable => Refusal::new(code.clone(), "Your login cannot be checked at the moment."),
            _ => Refusal::new(code.clone(), "You have been logged out. Please log in again."),
        };
        let Some(known) = self.session_mut(user, session) else { return };
        known.logged_out |= *code == ErrorCode::TokenRevoked;
        if let Some(socket) = known.socket {
            let error = self.error(&refusal);
            self.send(user, To::Session(session), error);
            self.hang_up(socket, super::session::Close::after_all(close_code(code), code.as_str()));
        }
    }
}

/// The code with which a refused credential closes a socket.
pub(super) const fn close_code(code: &ErrorCode) -> u16 {
    match code {
        ErrorCode::AuthUnavailable => 1013,
        _ => 1008,
    }
}
