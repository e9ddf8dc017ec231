//! The circuit breaker of one user and one agent (contract, 7.4).

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use crate::reference::policy::BreakerPolicy;

/// Counts failures and decides which runs are admitted.
#[derive(Debug)]
pub(super) struct Breaker {
    threshold: usize,
    retry_after: Duration,
    failures: usize,
    state: State,
    last_failure: Option<OffsetDateTime>,
    policy: BreakerPolicy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Instant,
        until_wall: OffsetDateTime,
    },
    /// The trial run is on.
    HalfOpen,
}

/// Whether a run may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Yes,
    /// As the one trial of a breaker that is half open.
    Trial,
}

/// A change that users are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Opened,
    Closed,
}

impl Breaker {
    pub(super) const fn new(threshold: usize, retry_after: Duration, policy: BreakerPolicy) -> Self {
        Self { threshold, retry_after, failures: 0, state: State::Closed, last_failure: None, policy }
    }

    /// Whether a run may start now; does not start it.
    ///
    /// # Errors
    /// The time after which to ask again.
    pub(super) fn admission(&self, now: Instant) -> Result<Admission, Duration> {
        match self.state {
            State::Closed => Ok(Admission::Yes),
            State::Open { until, .. } if now >= until => Ok(Admission::Trial),
            State::Open { until, .. } => Err(until - now),
            State::HalfOpen if self.policy.admits_all.on() => Ok(Admission::Yes),
            State::HalfOpen => Err(self.retry_after),
        }
    }

    /// The run that [`Self::admission`] called a trial starts.
    pub(super) fn begin_trial(&mut self) {
        if self.policy.skips_half_open.on() {
            (self.failures, self.state) = (0, State::Closed);
        } else {
            self.state = State::HalfOpen;
        }
    }

    /// A run that was admitted as `admission` completed.
    pub(super) fn succeeded(&mut self, admission: Admission) -> Option<Change> {
        match (self.state, admission) {
            (State::Closed, _) => {
                self.failures = 0;
                None
            }
            (State::HalfOpen, Admission::Trial) if !self.policy.stays_half_open.on() => {
                self.failures = 0;
                self.state = State::Closed;
                Some(Change::Closed)
            }
            // A run from before the breaker opened says nothing about what is now.
            _ => None,
        }
    }

    /// A run that was admitted as `admission` failed in a way that counts.
    pub(super) fn failed(&mut self, admission: Admission, now: Instant) -> Option<Change> {
        let wall = OffsetDateTime::now_utc();
        self.last_failure = Some(wall);
        let opens = match (self.state, admission) {
            (State::Closed, _) => {
                self.failures += 1;
                self.failures >= self.threshold && !self.policy.never_opens.on()
            }
            (State::HalfOpen, Admission::Trial) => {
                self.failures += 1;
                true
            }
            _ => false,
        };
        opens.then(|| {
            self.state = State::Open { until: now + self.retry_after, until_wall: wall + self.retry_after };
            Change::Opened
        })
    }

    /// A run that was admitted as `admission` ended and counts neither way: the next one may try.
    pub(super) fn abandoned(&mut self, admission: Admission, now: Instant) {
        if self.state == State::HalfOpen && admission == Admission::Trial {
            self.state = State::Open { until: now, until_wall: OffsetDateTime::now_utc() };
        }
    }

    /// `closed`, `open` or `half_open`.
    pub(super) const fn state(&self) -> &'static str {
        match self.state {
            State::Closed => "closed",
            State::Open { .. } => "open",
            State::HalfOpen => "half_open",
        }
    }

    pub(super) const fn failures(&self) -> usize {
        self.failures
    }

    pub(super) const fn retry_after(&self) -> Duration {
        self.retry_after
    }

    pub(super) const fn last_failure(&self) -> Option<OffsetDateTime> {
        self.last_failure
    }

    /// When a trial will be admitted, while the breaker is open.
    pub(super) const fn next_attempt(&self) -> Option<OffsetDateTime> {
        match self.state {
            State::Open { until_wall, .. } => Some(until_wall),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Duration = Duration::from_secs(1);

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(2, RETRY, BreakerPolicy::default());
        assert_eq!(breaker.failed(Admission::Yes, now), None);
        assert_eq!(breaker.failed(Admission::Yes, now), Some(Change::Opened));
        breaker
    }

    #[test]
    fn a_success_between_failures_keeps_it_closed() {
        let now = Instant::now();
        let mut breaker = Breaker::new(2, RETRY, BreakerPolicy::default());
        for _ in 0..3 {
            assert_eq!(breaker.failed(Admission::Yes, now), None);
            assert_eq!(breaker.succeeded(Admission::Yes), None);
        }
        assert_eq!(breaker.state(), "closed");
    }

    #[test]
    fn one_trial_is_admitted_and_closes_or_opens_it() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.admission(now), Err(RETRY));
        assert_eq!(breaker.admission(now + RETRY), Ok(Admission::Trial));
        breaker.begin_trial();
        assert!(breaker.admission(now + RETRY).is_err(), "only one");
        assert_eq!(breaker.succeeded(Admission::Yes), None, "an older run");
        assert_eq!(breaker.failed(Admission::Trial, now + RETRY), Some(Change::Opened));
        breaker.begin_trial();
        assert_eq!(breaker.succeeded(Admission::Trial), Some(Change::Closed));
        assert_eq!(breaker.failures(), 0);
    }

    #[test]
    fn a_stopped_trial_leaves_room_for_the_next() {
        let now = Instant::now();
        let mut breaker = opened(now);
        breaker.begin_trial();
        breaker.abandoned(Admission::Trial, now);
        assert_eq!(breaker.admission(now), Ok(Admission::Trial));
    }
}
