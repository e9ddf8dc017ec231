//! The rate limit of one user (contract, 7.4): never aligned to the clock.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::reference::policy::{LimitPolicy, Permitted};

/// Added to retry times by the variation that tells generous ones.
const GENEROUS: Duration = Duration::from_millis(900);

/// Counts a user's messages.
#[derive(Debug)]
pub(super) struct Limiter {
    messages: usize,
    window: Duration,
    generous: bool,
    form: Form,
    policy: LimitPolicy,
    /// A defect lets nothing pass any more.
    stuck: bool,
}

#[derive(Debug)]
enum Form {
    /// At most so many in any window.
    Sliding(VecDeque<Instant>),
    /// Tokens that grow back evenly.
    Bucket { tokens: f64, at: Option<Instant> },
    /// A window that its first message opens.
    FromFirst { opened: Option<Instant>, count: usize },
}

impl Limiter {
    pub(super) fn new(messages: usize, window: Duration, permitted: Permitted, policy: LimitPolicy) -> Self {
        let form = if permitted.token_bucket.on() {
            Form::Bucket { tokens: messages as f64, at: None }
        } else if permitted.window_from_first.on() {
            Form::FromFirst { opened: None, count: 0 }
        } else {
            Form::Sliding(VecDeque::new())
        };
        Self { messages, window, generous: permitted.generous_retry.on(), form, policy, stuck: false }
    }

    /// Counts one message.
    ///
    /// # Errors
    /// The time after which one would pass, when this one is over the limit.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        if self.stuck {
            return Err(self.window);
        }
        let messages = if self.policy.limit_too_early.on() { self.messages / 2 } else { self.messages };
        let wait = match &mut self.form {
            Form::Sliding(times) => {
                while times.front().is_some_and(|first| now - *first >= self.window) {
                    times.pop_front();
                }
                match times.front() {
                    Some(first) if times.len() >= messages => *first + self.window - now,
                    _ => {
                        times.push_back(now);
                        return Ok(());
                    }
                }
            }
            Form::Bucket { tokens, at } => {
                let rate = messages as f64 / self.window.as_secs_f64();
                let grown = at.replace(now).map_or(0.0, |at| (now - at).as_secs_f64() * rate);
                *tokens = (*tokens + grown).min(messages as f64);
                if *tokens >= 1.0 {
                    *tokens -= 1.0;
                    return Ok(());
                }
                Duration::from_secs_f64((1.0 - *tokens) / rate)
            }
            Form::FromFirst { opened, count } => {
                let start = match *opened {
                    Some(start) if now - start < self.window => start,
                    _ => {
                        *count = 0;
                        *opened.insert(now)
                    }
                };
                if *count < messages {
                    *count += 1;
                    return Ok(());
                }
                start + self.window - now
            }
        };
        self.stuck = self.policy.never_recovers.on();
        let wait = if self.policy.retry_after_lies.on() { wait / 10 } else { wait };
        // Told in whole milliseconds, which must not fall short of the true time.
        let wait = Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1));
        Err(if self.generous { wait + GENEROUS } else { wait })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Policy;

    const WINDOW: Duration = Duration::from_secs(2);

    fn limiter(variation: Option<&str>) -> Limiter {
        let mut policy = Policy::default();
        assert!(variation.is_none_or(|id| policy.switch_on(id)));
        Limiter::new(4, WINDOW, policy.permitted, policy.limits)
    }

    #[test]
    fn every_form_passes_all_at_once_after_silence_and_tells_a_true_time() {
        for variation in [None, Some("token-bucket"), Some("window-from-first"), Some("generous-retry")] {
            let mut limiter = limiter(variation);
            let mut now = Instant::now();
            for round in 0..3 {
                for _ in 0..4 {
                    assert_eq!(limiter.take(now), Ok(()), "{variation:?} round {round}");
                }
                let wait = limiter.take(now).expect_err("the fifth");
                assert!(wait <= WINDOW + Duration::from_secs(1), "{variation:?}: {wait:?}");
                assert_eq!(limiter.take(now + wait), Ok(()), "{variation:?}");
                now += wait + WINDOW;
            }
        }
    }

    #[test]
    fn the_sliding_window_counts_any_window() {
        let mut limiter = limiter(None);
        let start = Instant::now();
        for at in [0, 1_000, 1_900, 1_950] {
            assert_eq!(limiter.take(start + Duration::from_millis(at)), Ok(()));
        }
        assert_eq!(limiter.take(start + Duration::from_millis(1_990)), Err(Duration::from_millis(11)));
        assert_eq!(limiter.take(start + Duration::from_millis(2_000)), Ok(()));
        assert!(limiter.take(start + Duration::from_millis(2_100)).is_err());
    }
}
