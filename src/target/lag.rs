//! How late the checker itself is: a timer that should fire every 10 ms, and by how much it did not.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// Between two firings.
const TICK: Duration = Duration::from_millis(10);
/// Of each slice of time the greatest lag is kept.
const SLICE: Duration = Duration::from_millis(100);
/// Slices that are kept: the longest check (120 s) and a little more.
const KEPT: usize = 1_300;

/// The lag of the runtime on which [`Self::watch`] runs.
#[derive(Debug)]
pub struct Lag {
    start: Instant,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// When the timer should fire next; nothing while nobody watches.
    due: Option<Instant>,
    /// Number of a slice and its greatest lag, oldest first; slices without a firing are left out.
    slices: VecDeque<(u128, Duration)>,
}

impl Default for Lag {
    fn default() -> Self {
        Self { start: Instant::now(), seen: Mutex::default() }
    }
}

impl Lag {
    /// Measures until `stop` is cancelled.
    pub async fn watch(&self, stop: CancellationToken) {
        loop {
            let due = Instant::now() + TICK;
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).due = Some(due);
            tokio::select! {
                () = stop.cancelled() => break,
                // The timer is the thing measured.
                () = tokio::time::sleep_until(due.into()) => self.fired(due, Instant::now()),
            }
        }
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).due = None;
    }

    fn fired(&self, due: Instant, at: Instant) {
        let (slice, lag) = (self.slice(at), at.saturating_duration_since(due));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.slices.back_mut() {
            Some((last, most)) if *last == slice => *most = lag.max(*most),
            _ => seen.slices.push_back((slice, lag)),
        }
        if seen.slices.len() > KEPT {
            seen.slices.pop_front();
        }
    }

    /// The greatest lag between `from` and now, a firing that is still due included.
    pub fn since(&self, from: Instant) -> Duration {
        let first = self.slice(from);
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let past = seen.slices.iter().rev().take_while(|(slice, _)| *slice >= first).map(|(_, lag)| *lag).max();
        // Whoever asks may have been woken before the timer was.
        let open = seen.due.map(|due| Instant::now().saturating_duration_since(due));
        past.max(open).unwrap_or_default()
    }

    fn slice(&self, at: Instant) -> u128 {
        at.saturating_duration_since(self.start).as_millis() / SLICE.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_greatest_lag_of_a_window_is_told_and_memory_stays_bounded() {
        let lag = Lag::default();
        let at = |ms: u64| lag.start + Duration::from_millis(ms);
        for tick in 0..20_000 {
            lag.fired(at(tick * 10), at(tick * 10));
        }
        lag.fired(at(200_000), at(200_061));
        lag.fired(at(200_300), at(200_310));
        assert_eq!(lag.since(at(199_000)), Duration::from_millis(61));
        assert_eq!(lag.since(at(200_250)), Duration::from_millis(10));
        assert_eq!(lag.since(at(900_000)), Duration::ZERO);
        assert!(lag.seen.lock().unwrap().slices.len() <= KEPT);
    }

    #[tokio::test]
    async fn a_runtime_that_is_held_up_is_late() {
        let (lag, stop) = (Arc::new(Lag::default()), CancellationToken::new());
        let from = Instant::now();
        let watching = tokio::spawn({
            let (lag, stop) = (Arc::clone(&lag), stop.clone());
            async move { lag.watch(stop).await }
        });
        tokio::task::yield_now().await;
        // The one thread of this runtime.
        std::thread::sleep(Duration::from_millis(80));
        assert!(lag.since(from) >= Duration::from_millis(60), "before the timer has fired");
        tokio::time::sleep(TICK).await;
        assert!(lag.since(from) >= Duration::from_millis(60), "after it has");
        stop.cancel();
        watching.await.unwrap();
        assert_eq!(lag.since(Instant::now() + Duration::from_secs(9)), Duration::ZERO, "nobody watches");
    }
}
