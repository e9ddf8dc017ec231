//! Notes of what the reference does on behalf of whom: which switches it consults, which messages
//! it hears and sends, which calls it answers, and how often a filter changes something.
//!
//! A request says in `X-Netra-Check` for which check it is made. All work that it leads to is done
//! in that check's name, questions to other services and tasks that go on after the answer
//! included. What is done for nobody (at start, by requests without the header) is noted, too.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::futures::TaskLocalFuture;

use crate::wire::{Endpoint, Kind};

/// The header that names a run and a check: `<run>/<check>`.
pub(super) const HEADER: &str = "x-netra-check";

tokio::task_local! {
    static DOING: Doing;
}

/// In whose name a task works, and where that is noted.
#[derive(Clone, Default)]
pub(super) struct Doing {
    notes: Option<Notes>,
    check: Option<Arc<str>>,
    page: Option<Page>,
    /// Kind of the latest message that the same request or client message has led to.
    latest: Arc<Mutex<Option<Kind>>>,
}

/// What was noted for one check, or for nobody.
#[derive(Clone, Debug, Default)]
pub struct Noted {
    /// Switches that were consulted, by the names of their defects and variations.
    pub switches: BTreeSet<&'static str>,
    /// Kinds of the messages that clients sent.
    pub heard: BTreeSet<Kind>,
    /// Kinds of the messages that were sent.
    pub sent: BTreeSet<Kind>,
    /// Kinds that were sent one directly after the other because of the same request or client message.
    pub followed: BTreeSet<(Kind, Kind)>,
    /// Calls that were answered with a body of success.
    pub answered: BTreeSet<Endpoint>,
    /// How often a filter changed something.
    pub filtered: usize,
}

impl Noted {
    /// Adds what was noted elsewhere.
    pub fn merge(&mut self, other: &Self) {
        self.switches.extend(&other.switches);
        self.heard.extend(other.heard.iter().cloned());
        self.sent.extend(other.sent.iter().cloned());
        self.followed.extend(other.followed.iter().cloned());
        self.answered.extend(&other.answered);
        self.filtered += other.filtered;
    }
}

type Page = Arc<Mutex<Noted>>;

/// A notebook with a page for each check, and one for what is done for nobody.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<BTreeMap<Option<Arc<str>>, Page>>>);

impl Notes {
    /// What has been noted for the check of this id; `None`: for nobody.
    pub fn of(&self, check: Option<&str>) -> Noted {
        let page = lock(&self.0).get(&check.map(Arc::from)).cloned();
        page.map_or_else(Noted::default, |page| lock(&page).clone())
    }

    /// Everybody who stands in it.
    pub fn checks(&self) -> Vec<Option<Arc<str>>> {
        lock(&self.0).keys().cloned().collect()
    }

    /// Does something that is no task for nobody in particular.
    pub fn note<R>(&self, work: impl FnOnce() -> R) -> R {
        DOING.sync_scope(self.doing(None), work)
    }

    fn doing(&self, check: Option<Arc<str>>) -> Doing {
        let page = lock(&self.0).entry(check.clone()).or_default().clone();
        Doing { notes: Some(self.clone()), check, page: Some(page), latest: Arc::default() }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `work`, noted in `notes` as done for nobody in particular.
pub(super) fn for_nobody<F: Future>(notes: Option<&Notes>, work: F) -> TaskLocalFuture<Doing, F> {
    DOING.scope(notes.map(|notes| notes.doing(None)).unwrap_or_default(), work)
}

/// `work` of a task that goes on in the name of the one that begins it.
pub(super) fn carried_on<F: Future>(work: F) -> TaskLocalFuture<Doing, F> {
    DOING.scope(doing(), work)
}

/// The work that a request with this header leads to.
pub(super) fn asked_by<F: Future>(header: Option<&str>, work: F) -> TaskLocalFuture<Doing, F> {
    let check = header.and_then(|header| header.split_once('/')).map(|(_, check)| Arc::from(check));
    DOING.scope(doing().notes.map(|notes| notes.doing(check)).unwrap_or_default(), work)
}

/// The work that something else leads to than what led here: a client's message, a time that is up.
pub(super) fn for_itself<F: Future>(work: F) -> TaskLocalFuture<Doing, F> {
    DOING.scope(Doing { latest: Arc::default(), ..doing() }, work)
}

/// The header of questions that are asked on somebody's behalf.
pub(super) fn header() -> Option<String> {
    doing().check.map(|check| format!("reference/{check}"))
}

pub(super) fn consulted(switch: &'static str) {
    jot(|noted| {
        noted.switches.insert(switch);
    });
}

pub(super) fn heard(kind: &Kind) {
    jot(|noted| {
        noted.heard.insert(kind.clone());
    });
}

pub(super) fn sent(kind: &Kind) {
    let before = doing().latest.lock().unwrap_or_else(PoisonError::into_inner).replace(kind.clone());
    jot(|noted| {
        noted.sent.insert(kind.clone());
        noted.followed.extend(before.map(|before| (before, kind.clone())));
    });
}

pub(super) fn answered(endpoint: Endpoint) {
    jot(|noted| {
        noted.answered.insert(endpoint);
    });
}

/// A filter changed something.
pub(super) fn filtered() {
    jot(|noted| noted.filtered += 1);
}

fn doing() -> Doing {
    DOING.try_with(Clone::clone).unwrap_or_default()
}

/// Writes on the page of the current task, where it has one.
fn jot(write: impl FnOnce(&mut Noted)) {
    // Outside every scope nobody takes notes.
    let _ = DOING.try_with(|doing| {
        if let Some(page) = &doing.page {
            write(&mut lock(page));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_noted_for_the_check_that_asked_in_later_tasks_too() {
        let notes = Notes::default();
        let work = for_nobody(Some(&notes), async {
            consulted("at-start");
            let request = asked_by(Some("run 1/format/a"), async {
                assert_eq!(header().as_deref(), Some("reference/format/a"));
                tokio::spawn(carried_on(async { consulted("later") })).await.unwrap();
                tokio::spawn(async { consulted("lost") }).await.unwrap();
            });
            request.await;
            asked_by(None, async { filtered() }).await;
        });
        work.await;
        assert_eq!(notes.of(Some("format/a")).switches, BTreeSet::from(["later"]));
        let nobody = notes.of(None);
        assert_eq!((nobody.switches, nobody.filtered), (BTreeSet::from(["at-start"]), 1));
        assert_eq!(notes.checks(), [None, Some("format/a".into())]);
    }

    #[tokio::test]
    async fn messages_follow_one_another_for_one_cause() {
        let notes = Notes::default();
        let work = for_nobody(Some(&notes), async {
            sent(&Kind::ThreadSwitched);
            for_itself(async { sent(&Kind::Pong) }).await;
            tokio::spawn(carried_on(async { sent(&Kind::ThreadLoaded) })).await.unwrap();
        });
        work.await;
        assert_eq!(notes.of(None).followed, BTreeSet::from([(Kind::ThreadSwitched, Kind::ThreadLoaded)]));
    }

    #[test]
    fn without_a_notebook_nothing_is_noted() {
        consulted("anything");
        assert_eq!(header(), None);
    }
}
