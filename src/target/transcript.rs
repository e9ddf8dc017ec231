//! The transcript: what was said on every connection of a run, redacted as it is recorded.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use super::manners::Manners;
use super::redact::Redactor;
use crate::model::{CheckId, ConnectionId, Direction, Entry, Evidence, History, Record};

/// A listener that is told each entry as it is recorded, whatever the check keeps of it.
pub type Observer = Arc<dyn Fn(&Entry) + Send + Sync>;

/// Entries that a check keeps from its beginning, and as many from its end.
const KEPT: usize = 2_000;
/// Octets that a check keeps from its beginning, and as many from its end.
const KEPT_OCTETS: usize = 8 << 20;

/// The transcript of a run.
pub struct Transcript {
    run: String,
    start: Instant,
    redactor: Arc<Redactor>,
    observers: RwLock<Vec<Observer>>,
    /// How many connections each check has had.
    connections: Mutex<HashMap<CheckId, Arc<AtomicU32>>>,
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transcript of {}", self.run)
    }
}

impl Transcript {
    /// An empty transcript of the run of this id; its clock starts now.
    pub fn new(run: impl Into<String>, redactor: Arc<Redactor>) -> Arc<Self> {
        Arc::new(Self {
            run: run.into(),
            start: Instant::now(),
            redactor,
            observers: RwLock::default(),
            connections: Mutex::default(),
        })
    }

    /// Id of the run.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// When the run began.
    pub const fn start(&self) -> Instant {
        self.start
    }

    /// `text` without secrets.
    pub fn redact(&self, text: &str) -> String {
        self.redactor.redact(text)
    }

    /// Tells `observer` every entry from now on, on the task that records it.
    pub fn observe(&self, observer: Observer) {
        self.observers.write().unwrap_or_else(PoisonError::into_inner).push(observer);
    }

    /// Records on behalf of `check`, which may only read until it is permitted more ([`Manners::permit`]).
    pub fn recorder(self: &Arc<Self>, check: CheckId) -> Recorder {
        Recorder(Arc::new(Inner {
            transcript: Arc::clone(self),
            check,
            connections: self.connections_of(check),
            manners: Manners::default(),
            kept: Mutex::default(),
        }))
    }

    /// The count of a check's connections. It goes on in a further attempt: who reads the whole run must not take a
    /// new connection for one that has ended.
    fn connections_of(&self, check: CheckId) -> Arc<AtomicU32> {
        let mut counts = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(counts.entry(check).or_default())
    }
}

/// What a check keeps: its beginning and its end, so that memory stays bounded.
#[derive(Default)]
struct Kept {
    first: Vec<Entry>,
    first_octets: usize,
    last: VecDeque<Entry>,
    last_octets: usize,
    left_out: usize,
}

impl Kept {
    fn push(&mut self, entry: Entry) {
        let octets = octets(&entry);
        if self.last.is_empty() && self.first.len() < KEPT && self.first_octets + octets <= KEPT_OCTETS {
            self.first_octets += octets;
            self.first.push(entry);
            return;
        }
        self.last_octets += octets;
        self.last.push_back(entry);
        while self.last.len() > KEPT || (self.last_octets > KEPT_OCTETS && self.last.len() > 1) {
            if let Some(oldest) = self.last.pop_front() {
                self.last_octets -= self::octets(&oldest);
                self.left_out += 1;
            }
        }
    }
}

fn octets(entry: &Entry) -> usize {
    let heads = |headers: &[(String, String)]| headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    match &entry.record {
        Record::Request { url, headers, body, .. } => {
            let heads: usize = heads(headers);
            url.len() + heads + body.as_ref().map_or(0, String::len)
        }
        Record::Response { headers, body, .. } => {
            let heads: usize = heads(headers);
            heads + body.as_ref().map_or(0, String::len)
        }
        Record::Frame { payload, .. } => payload.len(),
        Record::Ended(text) | Record::Note(text) => text.len(),
    }
}

struct Inner {
    transcript: Arc<Transcript>,
    check: CheckId,
    connections: Arc<AtomicU32>,
    manners: Manners,
    kept: Mutex<Kept>,
}

/// Records on behalf of one check; clones record into the same history.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorder of {}", self.0.check)
    }
}

impl Recorder {
    /// The check.
    pub fn check(&self) -> CheckId {
        self.0.check
    }

    /// The run's transcript.
    pub fn transcript(&self) -> &Arc<Transcript> {
        &self.0.transcript
    }

    /// A new line for one connection or one exchange over HTTP, numbered from 1.
    pub fn line(&self) -> Line {
        let number = self.0.connections.fetch_add(1, Ordering::Relaxed) + 1;
        Line(Arc::new(LineInner {
            recorder: self.clone(),
            connection: ConnectionId(number),
            broken: AtomicBool::new(false),
        }))
    }

    /// Everything kept so far; where something was left out, a note says how much.
    pub fn history(&self) -> History {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut history = kept.first.clone();
        if let Some(next) = kept.last.front().filter(|_| kept.left_out > 0) {
            history.push(Entry {
                record: Record::Note(format!("{} entries left out", kept.left_out)),
                direction: Direction::Sent,
                ..next.clone()
            });
        }
        history.extend(kept.last.iter().cloned());
        history
    }

    /// The last `n` entries of a connection, oldest first.
    pub fn tail(&self, connection: ConnectionId, n: usize) -> History {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tail: History = kept
            .last
            .iter()
            .rev()
            .chain(kept.first.iter().rev())
            .filter(|entry| entry.connection == connection)
            .take(n)
            .cloned()
            .collect();
        tail.reverse();
        tail
    }

    /// What the check may do, and what befell it.
    pub fn manners(&self) -> &Manners {
        &self.0.manners
    }

    /// The last `n` entries of all its connections, oldest first.
    pub fn latest(&self, n: usize) -> History {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut latest: History = kept.last.iter().rev().chain(kept.first.iter().rev()).take(n).cloned().collect();
        latest.reverse();
        latest
    }

    /// Writes down what the check is about to do ("control: the same token before").
    pub fn note(&self, text: &str) {
        let text = self.0.transcript.redactor.redact(text);
        self.push(ConnectionId(0), Direction::Sent, false, Record::Note(text));
    }

    fn push(&self, connection: ConnectionId, direction: Direction, broken: bool, record: Record) {
        let transcript = &self.0.transcript;
        let entry =
            Entry { at: transcript.start.elapsed(), check: self.0.check, connection, direction, record, broken };
        for observer in transcript.observers.read().unwrap_or_else(PoisonError::into_inner).iter() {
            observer(&entry);
        }
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
}

struct LineInner {
    recorder: Recorder,
    connection: ConnectionId,
    broken: AtomicBool,
}

/// One connection, or one exchange over HTTP, in the transcript of its check.
#[derive(Clone)]
pub struct Line(Arc<LineInner>);

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0.recorder.check(), self.0.connection)
    }
}

impl Line {
    /// Its number within the check.
    pub fn connection(&self) -> ConnectionId {
        self.0.connection
    }

    /// Who records.
    pub fn recorder(&self) -> &Recorder {
        &self.0.recorder
    }

    /// What follows is broken on purpose: run-wide judges leave it out.
    pub fn mark_broken(&self) {
        self.0.broken.store(true, Ordering::Relaxed);
    }

    /// Its last `n` entries as evidence.
    pub fn evidence(&self, n: usize) -> Evidence {
        Evidence { entries: self.0.recorder.tail(self.0.connection, n), facts: Vec::new() }
    }

    /// Records, every string redacted.
    pub(super) fn record(&self, direction: Direction, record: Record) {
        let redactor = &self.0.recorder.0.transcript.redactor;
        let redact = |text: String| redactor.redact(&text);
        // Values keep their names: `Authorization: Bearer …` shows that there was one.
        let headers = |headers: Vec<(String, String)>| {
            headers.into_iter().map(|(name, value)| (redact(name), redact(value))).collect()
        };
        let record = match record {
            Record::Request { method, url, headers: list, body } => {
                Record::Request { method, url: redact(url), headers: headers(list), body: body.map(redact) }
            }
            Record::Response { status, headers: list, body } => {
                Record::Response { status, headers: headers(list), body: body.map(redact) }
            }
            Record::Frame { head, payload, close_code, utf8 } => {
                Record::Frame { head, payload: redact(payload), close_code, utf8 }
            }
            Record::Ended(text) => Record::Ended(redact(text)),
            Record::Note(text) => Record::Note(redact(text)),
        };
        self.0.recorder.push(self.0.connection, direction, self.0.broken.load(Ordering::Relaxed), record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_further_attempt_does_not_use_the_numbers_of_connections_again() {
        let transcript = Transcript::new("run", Arc::new(Redactor::new()));
        let check = CheckId::new("handshake/a");
        let numbers = |check| {
            let recorder = transcript.recorder(check);
            [recorder.line(), recorder.line()].map(|line| line.connection().0)
        };
        assert_eq!(numbers(check), [1, 2]);
        assert_eq!(numbers(check), [3, 4]);
        assert_eq!(numbers(CheckId::new("handshake/b")), [1, 2]);
    }
}
