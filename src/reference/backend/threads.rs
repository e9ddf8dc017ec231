//! One user's threads and their messages.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::reference::clock::Clock;

/// A message of a thread.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) id: String,
    /// `user` or `assistant`.
    pub(super) role: &'static str,
    pub(super) content: String,
    pub(super) created_at: OffsetDateTime,
    pub(super) metadata: Value,
}

impl Message {
    /// As histories show it.
    pub(super) fn json(&self, clock: Clock) -> Value {
        json!({
            "id": self.id, "role": self.role, "content": self.content,
            "created_at": clock.write(self.created_at), "metadata": self.metadata,
        })
    }
}

/// A thread.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) id: String,
    pub(super) title: Option<String>,
    pub(super) metadata: Value,
    pub(super) created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    /// Order of the last changes, where two fall into one millisecond.
    touched: u64,
    messages: Vec<Arc<Message>>,
}

/// A part of a thread's messages, oldest first.
pub(super) struct Page {
    pub(super) messages: Vec<Arc<Message>>,
    /// Whether older ones exist.
    pub(super) has_more: bool,
}

impl Page {
    pub(super) fn json(&self, clock: Clock) -> Value {
        self.messages.iter().map(|message| message.json(clock)).collect()
    }
}

impl Thread {
    /// As lists and single reads show it.
    pub(super) fn json(&self, clock: Clock) -> Value {
        json!({
            "id": self.id, "title": self.title, "created_at": clock.write(self.created_at),
            "updated_at": clock.write(self.updated_at), "message_count": self.messages.len(),
            "metadata": self.metadata,
        })
    }

    pub(super) const fn count(&self) -> usize {
        self.messages.len()
    }

    /// Where `limit` messages from the `offset`th on stand.
    pub(super) fn slice(&self, limit: usize, offset: usize) -> Range<usize> {
        let start = offset.min(self.messages.len());
        start..start.saturating_add(limit).min(self.messages.len())
    }

    /// Where the last `limit` messages stand, of those before the message `before` where one is named;
    /// `None` when there is no such message.
    pub(super) fn last(&self, limit: usize, before: Option<&str>) -> Option<Range<usize>> {
        let end = match before {
            None => self.messages.len(),
            Some(id) => self.messages.iter().position(|message| message.id == id)?,
        };
        Some(end.saturating_sub(limit)..end)
    }

    /// The messages of this place.
    pub(super) fn page(&self, range: Range<usize>) -> Page {
        let has_more = range.start > 0;
        Page { messages: self.messages.get(range).map(<[_]>::to_vec).unwrap_or_default(), has_more }
    }

    /// Whether a message has come within this time.
    pub(super) fn is_fresh(&self, within: Duration) -> bool {
        let since = |message: &Arc<Message>| OffsetDateTime::now_utc() - message.created_at;
        self.messages.last().is_some_and(|message| since(message) < within)
    }
}

/// All threads of a user.
#[derive(Debug, Default)]
pub(super) struct Threads {
    threads: HashMap<String, Thread>,
    touches: u64,
    latest: Option<OffsetDateTime>,
    lists: u64,
    /// Ids in the order of their creation.
    created: Vec<String>,
    /// Deleted threads that defects go on listing, or showing.
    listed: Vec<Thread>,
    shown: HashMap<String, Thread>,
}

impl Threads {
    pub(super) fn get(&self, id: &str) -> Option<&Thread> {
        self.threads.get(id).or_else(|| self.shown.get(id))
    }

    /// Another thread than this one: the first one of its user.
    pub(super) fn other_than(&self, id: &str) -> Option<&Thread> {
        self.created.iter().filter(|other| *other != id).find_map(|other| self.threads.get(other))
    }

    /// The thread that was created last, of those that bear a title.
    pub(super) fn latest_titled(&self) -> Option<&Thread> {
        let threads = self.created.iter().rev().filter_map(|id| self.threads.get(id));
        threads.into_iter().find(|thread| thread.title.is_some())
    }

    /// What a user said last in another thread than this one.
    pub(super) fn said_elsewhere(&self, id: &str) -> Option<&str> {
        let others = self.created.iter().rev().filter(|other| *other != id);
        let threads = others.filter_map(|other| self.threads.get(other));
        let mut messages = threads.flat_map(|thread| thread.messages.iter().rev());
        messages.find(|message| message.role == "user").map(|message| message.content.as_str())
    }

    /// The id of the last thread that was created, if it is an odd one.
    pub(super) fn odd_one(&self) -> Option<&String> {
        self.created.last().filter(|_| self.created.len() % 2 == 1)
    }

    /// Adds an empty thread.
    pub(super) fn create(&mut self, id: String, title: Option<String>, metadata: Value) -> &Thread {
        let (now, touched) = self.touch();
        self.created.push(id.clone());
        let thread =
            Thread { id: id.clone(), title, metadata, created_at: now, updated_at: now, touched, messages: Vec::new() };
        self.threads.entry(id).insert_entry(thread).into_mut()
    }

    pub(super) fn rename(&mut self, id: &str, title: String) -> Option<&Thread> {
        let (now, touched) = self.touch();
        let thread = self.threads.get_mut(id)?;
        thread.title = Some(title);
        (thread.updated_at, thread.touched) = (now, touched);
        Some(thread)
    }

    pub(super) fn set_metadata(&mut self, id: &str, metadata: Value) {
        if let Some(thread) = self.threads.get_mut(id) {
            thread.metadata = metadata;
        }
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Thread> {
        self.threads.remove(id)
    }

    /// Goes on listing a thread that was removed.
    pub(super) fn go_on_listing(&mut self, thread: Thread) {
        self.listed.push(thread);
    }

    /// Goes on showing a thread that was removed.
    pub(super) fn go_on_showing(&mut self, thread: Thread) {
        self.shown.insert(thread.id.clone(), thread);
    }

    /// Removes the last message of a thread.
    pub(super) fn lose_last(&mut self, id: &str) {
        if let Some(thread) = self.threads.get_mut(id) {
            thread.messages.pop();
        }
    }

    /// Appends a message; `None` when the thread is gone.
    pub(super) fn append(
        &mut self,
        thread: &str,
        id: String,
        role: &'static str,
        content: String,
        metadata: Value,
    ) -> Option<Arc<Message>> {
        let (now, touched) = self.touch();
        let thread = self.threads.get_mut(thread)?;
        let message = Arc::new(Message { id, role, content, created_at: now, metadata });
        thread.messages.push(Arc::clone(&message));
        (thread.updated_at, thread.touched) = (now, touched);
        Some(message)
    }

    /// Newest first; with `ties_vary` those of one millisecond in another order each time.
    pub(super) fn list(&mut self, limit: usize, offset: usize, ties_vary: bool) -> Vec<&Thread> {
        self.lists += 1;
        let reversed = ties_vary && self.lists.is_multiple_of(2);
        let mut all: Vec<&Thread> = self.threads.values().chain(&self.listed).collect();
        all.sort_by(|one, other| {
            let ties = other.touched.cmp(&one.touched);
            millis(other.updated_at).cmp(&millis(one.updated_at)).then(if reversed { ties.reverse() } else { ties })
        });
        all.into_iter().skip(offset).take(limit).collect()
    }

    /// The time of a change, never before an earlier one, and its number.
    fn touch(&mut self) -> (OffsetDateTime, u64) {
        let now = self.latest.map_or_else(OffsetDateTime::now_utc, |latest| latest.max(OffsetDateTime::now_utc()));
        self.latest = Some(now);
        self.touches += 1;
        (now, self.touches)
    }
}

fn millis(time: OffsetDateTime) -> i128 {
    time.unix_timestamp_nanos() / 1_000_000
}
