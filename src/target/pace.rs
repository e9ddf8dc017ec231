//! How hard the target may be pushed: `pace` of the profile, and half of the limits that `/ws/config` tells.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::places::{Places, Taking};
use crate::profile;
use crate::wire::{RateLimit, WsConfig};

/// A burst that is let through at once: a check that asks five things at the same time means it.
const BURST: u32 = 5;
/// Checks look at this many sockets of one user together; every target permits so many.
const LEAST_SOCKETS: usize = 3;

/// Hands out turns: requests by the second, connections by number, and to each user sockets by
/// number and messages by the window.
#[derive(Debug)]
pub struct Pace {
    /// Time of one request and when the next is due, where there is a bound.
    requests: Option<(Duration, Mutex<Instant>)>,
    connections: Option<Arc<Semaphore>>,
    users: Option<Users>,
    places: Places,
    /// When each user last sent something that counts against its limit, whoever paced it; and since when we know.
    counted: Mutex<HashMap<String, Instant>>,
    since: Instant,
}

/// What is counted for each user.
#[derive(Debug)]
struct Users {
    sockets: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Of the target, once it has told.
    limits: Option<(usize, RateLimit)>,
    users: HashMap<String, User>,
}

#[derive(Debug)]
struct User {
    sockets: Arc<Semaphore>,
    /// When messages were sent, oldest first; those of an earlier window are forgotten.
    sent: VecDeque<Instant>,
}

/// The places of one connection, kept until it has ended.
#[derive(Debug, Default)]
pub struct Place {
    _connection: Option<OwnedSemaphorePermit>,
    _of_user: Option<OwnedSemaphorePermit>,
    taking: Option<Taking>,
}

impl Place {
    /// The connection was let in.
    pub(super) const fn is_let_in(&mut self) {
        if let Some(taking) = &mut self.taking {
            taking.is_let_in();
        }
    }
}

impl Pace {
    /// The profile's pace; 0 means no bound. Without a bound of a user's sockets the user's messages have none, either.
    pub fn new(pace: &profile::Pace) -> Self {
        Self {
            requests: (pace.requests_per_s > 0)
                .then(|| (Duration::from_secs(1) / pace.requests_per_s, Mutex::new(Instant::now()))),
            connections: (pace.connections > 0).then(|| Arc::new(Semaphore::new(pace.connections))),
            users: (pace.sockets_per_user > 0)
                .then(|| Users { sockets: pace.sockets_per_user, known: Mutex::default() }),
            places: Places::default(),
            counted: Mutex::default(),
            since: Instant::now(),
        }
    }

    /// Something of `user` that counts against its limit is about to be sent.
    pub fn is_counted(&self, user: &str) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.insert(user.to_owned(), Instant::now());
    }

    /// When `user` last sent such a thing; where it never did, since when we know.
    pub fn last_counted(&self, user: Option<&str>) -> Instant {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        user.and_then(|user| counted.get(user)).copied().unwrap_or(self.since)
    }

    /// Keeps to half of what the target permits from now on.
    pub fn keep_to(&self, config: &WsConfig) {
        self.places.tell(usize::try_from(config.max_sockets_per_user).unwrap_or(usize::MAX));
        let Some(users) = &self.users else { return };
        let sockets = usize::try_from(config.max_sockets_per_user.div_ceil(2)).unwrap_or(usize::MAX);
        users.known.lock().unwrap_or_else(PoisonError::into_inner).limits =
            Some((sockets.max(LEAST_SOCKETS), config.rate_limit));
    }

    /// Waits for the turn of one request or upgrade.
    pub async fn turn(&self) {
        let Some((each, next)) = &self.requests else { return };
        let due = {
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let due = (*next).max(now.checked_sub(*each * BURST).unwrap_or(now));
            *next = due + *each;
            due
        };
        // Not a wait for something to happen: the turn is this point in time.
        sleep_until(due).await;
    }

    /// Waits for the place of one connection, and of one socket where a user is named.
    pub async fn place(&self, user: Option<&str>) -> Place {
        let of_user = match (&self.users, user) {
            (Some(users), Some(user)) => users.socket(user).await,
            _ => None,
        };
        let taking = match user {
            Some(user) => Some(self.places.take(user).await),
            None => None,
        };
        let connection = match &self.connections {
            // The semaphore is never closed, so an error cannot occur; without a permit nothing is counted.
            Some(places) => Arc::clone(places).acquire_owned().await.ok(),
            None => None,
        };
        Place { _connection: connection, _of_user: of_user, taking }
    }

    /// Waits until one more counted message of `user` keeps below half of the limit.
    pub async fn message(&self, user: &str) {
        self.messages(user, 1, |limit| (limit.messages / 2).max(1), true).await;
    }

    /// Waits until `count` messages of `user` can follow at once without passing the limit.
    pub async fn burst(&self, user: &str, count: u64) {
        self.messages(user, count, |limit| limit.messages, false).await;
    }

    /// Counts a message that has been waited for as part of a burst.
    pub fn count(&self, user: &str) {
        if let Some(users) = &self.users {
            users.with(user, |_, user| user.sent.push_back(Instant::now()));
        }
    }

    async fn messages(&self, user: &str, count: u64, bound: fn(RateLimit) -> u64, counts: bool) {
        let Some(users) = &self.users else { return };
        loop {
            let due = users.with(user, |limits, user| {
                let Some((_, limit)) = limits else { return None };
                let (now, window) = (Instant::now(), Duration::from_secs_f64(limit.window_s));
                while user.sent.front().is_some_and(|sent| *sent + window <= now) {
                    user.sent.pop_front();
                }
                let room = usize::try_from(bound(*limit).saturating_sub(count)).unwrap_or(usize::MAX);
                // As many must have left the window as stand in the way.
                match user.sent.len().checked_sub(room).filter(|over| *over > 0 && !user.sent.is_empty()) {
                    Some(over) => user.sent.get(over - 1).map(|sent| *sent + window),
                    None => {
                        if counts {
                            user.sent.push_back(now);
                        }
                        None
                    }
                }
            });
            match due {
                // Not a wait for something to happen: the limit's window passes then.
                Some(due) => sleep_until(due).await,
                None => return,
            }
        }
    }
}

impl Users {
    fn with<T>(&self, user: &str, act: impl FnOnce(&Option<(usize, RateLimit)>, &mut User) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { limits, users } = &mut *known;
        let places = limits.map_or(self.sockets, |(most, _)| self.sockets.min(most));
        let fresh = || User { sockets: Arc::new(Semaphore::new(places)), sent: VecDeque::new() };
        act(limits, users.entry(user.to_owned()).or_insert_with(fresh))
    }

    async fn socket(&self, user: &str) -> Option<OwnedSemaphorePermit> {
        self.with(user, |_, user| Arc::clone(&user.sockets)).acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::wire::Contract;

    fn pace(requests_per_s: u32, sockets_per_user: usize) -> Pace {
        Pace::new(&profile::Pace { jobs: 1, connections: 0, requests_per_s, sockets_per_user })
    }

    fn config(messages: u64, sockets: u64) -> WsConfig {
        let (mut config, _) = Contract::load("netra-v1").unwrap().ws_config(&serde_json::Value::Null);
        config.rate_limit = RateLimit { messages, window_s: 10.0 };
        config.max_sockets_per_user = sockets;
        config
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_spread_after_a_burst() {
        let pace = pace(10, 0);
        tokio::time::advance(Duration::from_secs(3)).await;
        let start = Instant::now();
        for _ in 0..16 {
            pace.turn().await;
        }
        assert!((Duration::from_millis(950)..=Duration::from_millis(1_050)).contains(&start.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_users_messages_keep_below_half_of_the_limit_and_others_are_free() {
        let pace = pace(0, 3);
        pace.keep_to(&config(8, 10));
        let start = Instant::now();
        for _ in 0..4 {
            pace.message("one").await;
        }
        pace.message("other").await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(pace.message("one").now_or_never(), None, "half of the limit is used up");
        pace.message("one").await;
        assert!(start.elapsed() >= Duration::from_secs(10), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_comes_at_once_where_the_whole_limit_has_room_for_it() {
        let pace = pace(0, 3);
        pace.keep_to(&config(8, 10));
        for _ in 0..4 {
            pace.message("one").await;
        }
        assert_eq!(pace.burst("one", 4).now_or_never(), Some(()));
        for _ in 0..4 {
            pace.count("one");
        }
        assert_eq!(pace.burst("one", 1).now_or_never(), None, "the limit itself");
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_one_lets_one_message_pass_in_a_window() {
        let pace = pace(0, 3);
        pace.keep_to(&config(1, 10));
        assert_eq!(pace.message("one").now_or_never(), Some(()));
        assert_eq!(pace.message("one").now_or_never(), None);
    }

    #[tokio::test]
    async fn a_users_sockets_have_places() {
        // Half of the target's limit, and never fewer than checks look at together.
        for (bound, theirs, places) in [(3, 10, 3), (9, 10, 5), (9, 4, 3), (2, 10, 2)] {
            let pace = pace(0, bound);
            pace.keep_to(&config(8, theirs));
            let mut held = Vec::new();
            for _ in 0..places {
                held.push(pace.place(Some("one")).await);
            }
            assert!(pace.place(Some("one")).now_or_never().is_none(), "{places} of {bound} and {theirs}");
            assert!(pace.place(Some("other")).now_or_never().is_some() && pace.place(None).now_or_never().is_some());
            held.pop();
            assert!(pace.place(Some("one")).now_or_never().is_some(), "a place that was given back");
        }
    }

    #[tokio::test]
    async fn without_a_bound_nothing_waits() {
        let pace = pace(0, 0);
        pace.keep_to(&config(2, 3));
        for _ in 0..20 {
            assert_eq!(pace.message("one").now_or_never(), Some(()));
            assert!(pace.place(Some("one")).now_or_never().is_some());
        }
    }
}
