//! How hard the target may be pushed (`pace` of the profile).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::profile;

/// A burst that is let through at once: a check that asks five things at the same time means it.
const BURST: u32 = 5;

/// Hands out turns: requests by the second, connections by number.
#[derive(Debug)]
pub struct Pace {
    /// Time of one request and when the next is due, where there is a bound.
    requests: Option<(Duration, Mutex<Instant>)>,
    connections: Option<Arc<Semaphore>>,
}

impl Pace {
    /// The profile's pace; 0 means no bound.
    pub fn new(pace: &profile::Pace) -> Self {
        Self {
            requests: (pace.requests_per_s > 0)
                .then(|| (Duration::from_secs(1) / pace.requests_per_s, Mutex::new(Instant::now()))),
            connections: (pace.connections > 0).then(|| Arc::new(Semaphore::new(pace.connections))),
        }
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

    /// Waits for the place of one connection, which is kept until the permit is dropped.
    pub async fn connection(&self) -> Option<OwnedSemaphorePermit> {
        match &self.connections {
            // The semaphore is never closed, so an error cannot occur; without a permit nothing is counted.
            Some(places) => Arc::clone(places).acquire_owned().await.ok(),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_are_spread_after_a_burst() {
        let pace = Pace::new(&profile::Pace { jobs: 1, connections: 0, requests_per_s: 10, sockets_per_user: 0 });
        tokio::time::advance(Duration::from_secs(3)).await;
        let start = Instant::now();
        for _ in 0..16 {
            pace.turn().await;
        }
        assert!((Duration::from_millis(950)..=Duration::from_millis(1_050)).contains(&start.elapsed()));
    }
}
