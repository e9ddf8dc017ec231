//! The ledger of a run: what it has created and not yet removed. An entry is made when the creating request is
//! *sent*, so that a check which is cancelled in the middle leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::canary::Canaries;
use super::token::Token;
use crate::wire::{Kind, Message};

/// Who creates: the user, and a token of theirs.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    /// The user's id, as tokens and logins tell it.
    pub(super) user: String,
    /// The token that was used.
    pub(super) token: Token,
}

/// What a run has created.
pub struct Ledger {
    entries: Mutex<Entries>,
    /// Whose a thread is, is told to who searches for it.
    canaries: Arc<Canaries>,
}

#[derive(Default)]
struct Entries {
    /// Threads of ours by id, and whose they are.
    threads: BTreeMap<String, String>,
    /// Creating messages of ours that were not answered yet: message id → user.
    asked: BTreeMap<String, String>,
    /// Creating requests without a name of their own, by user.
    unnamed: BTreeMap<String, usize>,
    /// Threads that came into being while we listened, whoever created them.
    appeared: BTreeSet<String>,
    /// The latest token of each user who has created something.
    tokens: BTreeMap<String, Token>,
    /// Number of each user among the profile's.
    numbers: BTreeMap<String, usize>,
    /// Whose the tokens are that do not say it themselves.
    users: BTreeMap<String, String>,
    /// Logins that are to be logged out.
    throwaways: Vec<Token>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ledger of {} threads", self.entries().threads.len())
    }
}

/// What is left of a run.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// Threads by id, and whose they are.
    pub threads: Vec<(String, String)>,
    /// Users for whom something may have been created that nobody has told us the name of.
    pub unnamed: Vec<String>,
    /// Logins that were not logged out.
    pub throwaways: Vec<Token>,
}

impl Left {
    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.threads.is_empty() && self.unnamed.is_empty() && self.throwaways.is_empty()
    }
}

impl Ledger {
    pub(super) fn new(canaries: Arc<Canaries>) -> Self {
        Self { entries: Mutex::default(), canaries }
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user of this number among the profile's has this id.
    pub(super) fn number(&self, user: &str, number: usize) {
        self.entries().numbers.insert(user.to_owned(), number);
    }

    /// A token that is no JSON Web Token is this user's.
    pub(super) fn opaque(&self, token: &str, user: &str) {
        self.entries().users.insert(token.to_owned(), user.to_owned());
    }

    /// Whose an opaque token is.
    pub(super) fn user_of(&self, token: &str) -> Option<String> {
        self.entries().users.get(token).cloned()
    }

    /// A message that creates a thread is about to be sent.
    pub(super) fn message(&self, owner: &Owner, message: &Message) {
        let creates = match message.kind {
            Kind::CreateThread => true,
            // It makes a thread where the session has none.
            Kind::UserMessage | Kind::StartAgent => message.thread_id().is_none(),
            _ => false,
        };
        if !creates {
            return;
        }
        match &message.message_id {
            Some(id) => {
                let mut entries = self.entries();
                entries.tokens.insert(owner.user.clone(), owner.token.clone());
                entries.asked.insert(id.clone(), owner.user.clone());
            }
            None => self.call(owner),
        }
    }

    /// A call that creates a thread is about to be sent.
    pub(super) fn call(&self, owner: &Owner) {
        let mut entries = self.entries();
        entries.tokens.insert(owner.user.clone(), owner.token.clone());
        *entries.unnamed.entry(owner.user.clone()).or_default() += 1;
    }

    /// The answer to such a call: the thread's id, or a refusal.
    pub(super) fn called(&self, owner: &Owner, thread: Option<&str>) {
        let mut entries = self.entries();
        if let Some(open) = entries.unnamed.get_mut(&owner.user) {
            *open = open.saturating_sub(1);
        }
        if let Some(thread) = thread {
            self.canaries.thread(thread, &owner.user);
            entries.threads.insert(thread.to_owned(), owner.user.clone());
        }
    }

    /// A message of the target. A thread is ours when its coming is the answer to a message of ours, or when a
    /// message of ours was stored in it and it came while we listened: other threads of the user stay.
    pub(super) fn heard(&self, message: &Message) {
        let mut entries = self.entries();
        let thread = message.thread_id();
        match (&message.kind, thread) {
            (Kind::ThreadDeleted, Some(thread)) => drop(entries.threads.remove(thread)),
            (Kind::ThreadCreated, Some(thread)) => drop(entries.appeared.insert(thread.to_owned())),
            _ => {}
        }
        let Some(user) = message.in_reply_to().and_then(|id| entries.asked.remove(id)) else { return };
        if let Some(thread) = thread
            && entries.appeared.contains(thread)
        {
            self.canaries.thread(thread, &user);
            entries.threads.insert(thread.to_owned(), user);
        }
    }

    /// The threads of ours that a user's list has told: nothing of theirs is without a name any more.
    pub fn found(&self, user: &str, threads: impl IntoIterator<Item = String>) {
        let mut entries = self.entries();
        entries.unnamed.remove(user);
        entries.asked.retain(|_, asked| asked != user);
        entries.threads.extend(threads.into_iter().map(|thread| (thread, user.to_owned())));
    }

    /// A thread is gone, as its owner was told: what another user is told of it says nothing.
    pub(super) fn removed(&self, owner: &Owner, thread: &str) {
        self.entries().threads.retain(|known, user| known != thread || *user != owner.user);
    }

    /// A login that is to be logged out by the end of the run.
    pub fn throwaway(&self, token: &Token) {
        self.entries().throwaways.push(token.clone());
    }

    /// A token was logged out, or is no longer accepted.
    pub(super) fn logged_out(&self, token: &str) {
        self.entries().throwaways.retain(|known| known.expose() != token);
    }

    /// What is left.
    pub fn left(&self) -> Left {
        let entries = self.entries();
        let unnamed = entries.unnamed.iter().filter(|(_, open)| **open > 0).map(|(user, _)| user);
        let unnamed: BTreeSet<_> = unnamed.chain(entries.asked.values()).cloned().collect();
        Left {
            threads: entries.threads.iter().map(|(thread, user)| (thread.clone(), user.clone())).collect(),
            unnamed: unnamed.into_iter().collect(),
            throwaways: entries.throwaways.clone(),
        }
    }

    /// The latest token of a user who has created something.
    pub fn token_of(&self, user: &str) -> Option<Token> {
        self.entries().tokens.get(user).cloned()
    }

    /// Number of a user among the profile's, where a login has told it.
    pub fn number_of(&self, user: &str) -> Option<usize> {
        self.entries().numbers.get(user).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::redact::{Redactor, SecretKind};
    use super::*;

    fn owner() -> Owner {
        let token = Token::new(&Redactor::new(), SecretKind::AccessToken, "a token of the test");
        Owner { user: "u-1".into(), token }
    }

    fn created(thread: &str, in_reply_to: Option<&str>) -> Message {
        let message = Message::new(Kind::ThreadCreated).with("thread_id", thread);
        in_reply_to.map_or(message.clone(), |id| message.with("in_reply_to", id))
    }

    #[test]
    fn a_thread_is_ours_from_the_request_on_until_it_is_deleted() {
        let ledger = Ledger::new(Canaries::new("run").into());
        ledger.message(&owner(), &Message::new(Kind::CreateThread).id("m-1"));
        assert_eq!(ledger.left().unnamed, ["u-1"], "sent, not answered");
        ledger.heard(&created("t-1", Some("m-1")));
        assert_eq!(ledger.left().threads, [("t-1".to_owned(), "u-1".to_owned())]);
        assert!(ledger.left().unnamed.is_empty());
        ledger.heard(&Message::new(Kind::ThreadDeleted).with("thread_id", "t-1"));
        assert!(ledger.left().is_empty());
    }

    #[test]
    fn threads_of_others_are_not_ours() {
        let ledger = Ledger::new(Canaries::new("run").into());
        ledger.heard(&created("t-1", None));
        ledger.heard(&created("t-2", Some("somebody-else")));
        // Into a thread that was there before.
        ledger.message(&owner(), &Message::new(Kind::UserMessage).id("m-1"));
        let stored = Message::new(Kind::MessageCreated).with("in_reply_to", "m-1").with("thread_id", "t-0");
        ledger.heard(&stored);
        assert!(ledger.left().is_empty(), "{:?}", ledger.left());
    }

    #[test]
    fn a_message_without_a_thread_makes_one_of_ours() {
        let ledger = Ledger::new(Canaries::new("run").into());
        ledger.message(&owner(), &Message::new(Kind::StartAgent).id("m-1"));
        ledger.heard(&created("t-1", None));
        ledger.heard(&Message::new(Kind::MessageCreated).with("in_reply_to", "m-1").with("thread_id", "t-1"));
        assert_eq!(ledger.left().threads.len(), 1);
    }

    #[test]
    fn a_call_that_is_refused_leaves_nothing() {
        let ledger = Ledger::new(Canaries::new("run").into());
        ledger.call(&owner());
        assert_eq!(ledger.left().unnamed, ["u-1"]);
        ledger.called(&owner(), None);
        ledger.call(&owner());
        ledger.called(&owner(), Some("t-1"));
        assert_eq!((ledger.left().threads.len(), ledger.left().unnamed.len()), (1, 0));
    }

    #[test]
    fn what_another_user_is_told_of_a_thread_says_nothing_of_it() {
        let ledger = Ledger::new(Canaries::new("run").into());
        ledger.call(&owner());
        ledger.called(&owner(), Some("t-1"));
        ledger.removed(&Owner { user: "u-2".into(), ..owner() }, "t-1");
        assert_eq!(ledger.left().threads.len(), 1);
        ledger.removed(&owner(), "t-1");
        assert!(ledger.left().is_empty());
    }

    #[test]
    fn a_throwaway_login_is_open_until_it_is_logged_out() {
        let ledger = Ledger::new(Canaries::new("run").into());
        ledger.throwaway(&owner().token);
        assert_eq!(ledger.left().throwaways.len(), 1);
        ledger.logged_out("a token of the test");
        assert!(ledger.left().is_empty());
    }
}
