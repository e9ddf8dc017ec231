//! Checks that ask more of one user than a window of the limit lets through.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::check::Context;

/// Counts what a check asks for, and waits before it would exceed nine tenths of the limit: also where
/// the profile sets no pace.
pub(super) struct Allowance {
    most: usize,
    window: Duration,
    asked: Mutex<VecDeque<Instant>>,
}

impl Allowance {
    pub(super) fn of(cx: &Context) -> Self {
        let limit = cx.config().rate_limit;
        Self {
            most: usize::try_from(limit.messages * 9 / 10).unwrap_or(usize::MAX).max(1),
            window: Duration::try_from_secs_f64(limit.window_s).unwrap_or_default(),
            asked: Mutex::default(),
        }
    }

    /// Waits for the turn of one counted request.
    pub(super) async fn turn(&self) {
        let mut asked = self.asked.lock().await;
        if asked.len() >= self.most
            && let Some(first) = asked.pop_front()
        {
            // Not a wait for something to happen: the limit's window passes then.
            sleep_until(first + self.window).await;
        }
        asked.push_back(Instant::now());
    }
}
