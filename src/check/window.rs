//! Windows of time: none is judged while the checker itself was late.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Context;
use crate::model::{Blame, Inconclusive, Stop};

/// The contract's shortest window: what is left of one is not judged more severely.
const SHORTEST: Duration = Duration::from_millis(100);

impl Context {
    /// Before something is called late: a window of `within` that began at `began` can be judged.
    ///
    /// # Errors
    /// Inconclusive, blaming the harness, when our own lag since then was more than a quarter of the window.
    pub fn punctual(&self, began: Instant, within: Duration) -> Result<(), Stop> {
        judgeable(self.target().lag().since(began), within, &self.doing()).map_err(|why| {
            self.delayed.store(true, Ordering::Relaxed);
            why.with(self.evidence()).into()
        })
    }
}

/// The lag rule.
///
/// # Errors
/// What is told when `lag` was more than a quarter of the window.
pub(super) fn judgeable(lag: Duration, within: Duration, doing: &str) -> Result<(), Inconclusive> {
    if lag <= within.max(SHORTEST) / 4 {
        return Ok(());
    }
    let what = format!(
        "our own delay was {} ms in a window of {} ms, at: {doing}; run on a machine that is less busy, or with fewer \
         `--jobs`",
        lag.as_millis(),
        within.as_millis(),
    );
    Err(Inconclusive::new(Blame::Harness, what))
}
