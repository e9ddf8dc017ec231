//! The pool of users: a check takes all that it needs at once, or waits and holds none.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::wire::RateLimit;

/// Who has sent more than this part of what passes in a window rests for one, so that the next check does not meet
/// the limit that the last one has used up.
const PART_OF_LIMIT: u64 = 4;

/// Users by index, the one that rested longest first.
#[derive(Debug)]
pub(super) struct UserPool {
    resting: Mutex<VecDeque<Resting>>,
    free: Arc<Semaphore>,
    size: usize,
    limit: RateLimit,
}

#[derive(Debug)]
struct Resting {
    user: usize,
    until: Instant,
}

/// Users of one check, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Arc<UserPool>,
    users: Vec<usize>,
    sent: AtomicU32,
    /// They were to rest until then before this lease.
    rested: Instant,
    _permit: OwnedSemaphorePermit,
}

impl UserPool {
    /// `limit` is the target's for the messages of one user.
    pub(super) fn new(size: usize, limit: RateLimit) -> Arc<Self> {
        let now = Instant::now();
        let resting = (0..size).map(|user| Resting { user, until: now }).collect();
        Arc::new(Self { resting: Mutex::new(resting), free: Arc::new(Semaphore::new(size)), size, limit })
    }

    /// Takes `count` users, or as many as there are when the pool is smaller, and waits until they have rested.
    pub(super) async fn take(self: &Arc<Self>, count: usize) -> Lease {
        let count = count.min(self.size);
        let permits = u32::try_from(count).unwrap_or(u32::MAX);
        let permit =
            Arc::clone(&self.free).acquire_many_owned(permits).await.expect("the pool's semaphore is never closed");
        let rested: Vec<Resting> = {
            let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
            resting.drain(..count).collect()
        };
        let until = rested.iter().map(|resting| resting.until).max().unwrap_or_else(Instant::now);
        let users = rested.into_iter().map(|resting| resting.user).collect();
        // A lease from here on: who gives up waiting gives the users back.
        let sent = AtomicU32::new(0);
        let lease = Lease { pool: Arc::clone(self), users, sent, rested: until, _permit: permit };
        // Not a wait for something to happen: the limit's window ends at this point in time.
        sleep_until(until).await;
        lease
    }

    /// How long a user rests after so many messages.
    fn rest(&self, sent: u32) -> Duration {
        let used_up = u64::from(sent) > self.limit.messages / PART_OF_LIMIT;
        if used_up { Duration::try_from_secs_f64(self.limit.window_s).unwrap_or_default() } else { Duration::ZERO }
    }
}

impl Lease {
    pub(super) fn users(&self) -> &[usize] {
        &self.users
    }

    /// So many frames were sent in the users' names.
    pub(super) fn spent(&self, frames: u32) {
        self.sent.fetch_add(frames, Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let until = self.rested.max(Instant::now() + self.pool.rest(self.sent.load(Ordering::Relaxed)));
        let mut resting = self.pool.resting.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the permits return, so that who gets them finds the users here; who rests longest stands last.
        let place = resting.partition_point(|other| other.until <= until);
        for (offset, user) in self.users.drain(..).enumerate() {
            resting.insert(place + offset, Resting { user, until });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: RateLimit = RateLimit { messages: 40, window_s: 2.0 };

    #[tokio::test(start_paused = true)]
    async fn who_rested_longest_comes_first_and_nobody_twice() {
        let pool = UserPool::new(3, LIMIT);
        let first = pool.take(2).await;
        assert_eq!(first.users(), [0, 1]);
        let second = pool.take(1).await;
        assert_eq!(second.users(), [2]);
        drop(first);
        assert_eq!(pool.take(2).await.users(), [0, 1]);
        drop(second);
        assert_eq!(pool.take(9).await.users(), [0, 1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_sent_much_rests_for_a_window_and_the_others_come_first() {
        let pool = UserPool::new(2, LIMIT);
        let (busy, quiet) = (pool.take(1).await, pool.take(1).await);
        busy.spent(11);
        quiet.spent(10);
        let began = Instant::now();
        drop(busy);
        drop(quiet);
        let first = pool.take(1).await;
        assert_eq!((first.users(), began.elapsed()), ([1].as_slice(), Duration::ZERO));
        let second = pool.take(1).await;
        assert_eq!(second.users(), [0]);
        // The clock of paused tests goes by milliseconds.
        let waited = began.elapsed();
        assert!((Duration::from_secs(2)..Duration::from_millis(2_010)).contains(&waited), "{waited:?}");
    }
}
