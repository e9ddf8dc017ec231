//! The places that the target has for a user's sockets, as far as this checker takes them.
//!
//! A target may free a place up to [`FREED`] after its socket has ended (`streaming/sockets-per-user-limited`). Who
//! opens many sockets one after the other must not be refused for those that it has left.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A place that was left is free after this.
const FREED: Duration = Duration::from_secs(2);

/// Of all users.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// How many a user has, once the target has told.
    most: Option<usize>,
    users: HashMap<String, Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// Sockets that are open, or being opened.
    open: usize,
    /// When others ended, oldest first.
    left: VecDeque<Instant>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Taking {
    places: Places,
    user: String,
    was_let_in: bool,
}

impl Places {
    /// The target has told how many a user has.
    pub(super) fn tell(&self, most: usize) {
        self.with(|known| known.most = Some(most));
    }

    /// Waits while none is free for the sole reason that others were left a moment ago. With as many open as there
    /// are nothing is waited for: whether one more is let in, is the target's to say.
    pub(super) async fn take(&self, user: &str) -> Taking {
        loop {
            let due = self.with(|known| {
                let most = known.most.unwrap_or(usize::MAX);
                let taken = known.users.entry(user.to_owned()).or_default();
                while taken.left.front().is_some_and(|left| left.elapsed() >= FREED) {
                    taken.left.pop_front();
                }
                match taken.left.front() {
                    Some(left) if taken.open < most && taken.open + taken.left.len() >= most => Some(*left + FREED),
                    _ => {
                        taken.open += 1;
                        None
                    }
                }
            });
            match due {
                // Not a wait for something to happen: the target has until then.
                Some(due) => sleep_until(due).await,
                None => return Taking { places: self.clone(), user: user.to_owned(), was_let_in: false },
            }
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Known) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Taking {
    /// The socket was let in: only then there is something to be freed.
    pub(super) const fn is_let_in(&mut self) {
        self.was_let_in = true;
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.places.with(|known| {
            let Some(taken) = known.users.get_mut(&self.user) else { return };
            taken.open = taken.open.saturating_sub(1);
            if self.was_let_in {
                taken.left.push_back(Instant::now());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    async fn left(places: &Places, user: &str, was_let_in: bool) {
        places.take(user).await.was_let_in = was_let_in;
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_was_left_is_not_counted_on_at_once() {
        let places = Places::default();
        places.tell(2);
        left(&places, "one", true).await;
        let _open = places.take("one").await;
        assert!(places.take("one").now_or_never().is_none(), "one is open, one was left a moment ago");
        assert!(places.take("other").now_or_never().is_some());
        let began = Instant::now();
        let _second = places.take("one").await;
        assert!((FREED..FREED * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
        assert!(places.take("one").now_or_never().is_some(), "one too many is the target's to refuse");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_refused_has_left_nothing() {
        let places = Places::default();
        places.tell(2);
        for _ in 0..5 {
            left(&places, "one", false).await;
        }
        assert!(places.take("one").now_or_never().is_some());
    }

    #[tokio::test]
    async fn before_the_target_has_told_nothing_is_waited_for() {
        let places = Places::default();
        for _ in 0..20 {
            left(&places, "one", true).await;
        }
    }
}
