//! The pool of users: a check takes all that it needs at once, or waits and holds none.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Users by index, the one that rested longest first.
#[derive(Debug)]
pub(super) struct UserPool {
    resting: Mutex<VecDeque<usize>>,
    free: Arc<Semaphore>,
    size: usize,
}

/// Users of one check, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Arc<UserPool>,
    users: Vec<usize>,
    _permit: OwnedSemaphorePermit,
}

impl UserPool {
    pub(super) fn new(size: usize) -> Arc<Self> {
        Arc::new(Self { resting: Mutex::new((0..size).collect()), free: Arc::new(Semaphore::new(size)), size })
    }

    /// Takes `count` users, or as many as there are when the pool is smaller.
    pub(super) async fn take(self: &Arc<Self>, count: usize) -> Lease {
        let count = count.min(self.size);
        let permits = u32::try_from(count).unwrap_or(u32::MAX);
        let permit =
            Arc::clone(&self.free).acquire_many_owned(permits).await.expect("the pool's semaphore is never closed");
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        let users = resting.drain(..count).collect();
        Lease { pool: Arc::clone(self), users, _permit: permit }
    }
}

impl Lease {
    pub(super) fn users(&self) -> &[usize] {
        &self.users
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Before the permits return, so that who gets them finds the users here.
        self.pool.resting.lock().unwrap_or_else(PoisonError::into_inner).extend(self.users.drain(..));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_rested_longest_comes_first_and_nobody_twice() {
        let pool = UserPool::new(3);
        let first = pool.take(2).await;
        assert_eq!(first.users(), [0, 1]);
        let second = pool.take(1).await;
        assert_eq!(second.users(), [2]);
        drop(first);
        assert_eq!(pool.take(2).await.users(), [0, 1]);
        drop(second);
        assert_eq!(pool.take(9).await.users(), [0, 1, 2]);
    }
}
