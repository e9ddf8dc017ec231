//! A fuse for each origin: who cannot be reached three times in a row is probed once more, and is
//! then asked no more, so that a silent target ends a run soon.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Mutex;

use super::fault::FaultKind;
use crate::model::Origin;

/// Failures in a row after which an origin is probed.
const THRESHOLD: u32 = 3;

/// The fuses of a run.
#[derive(Debug, Default)]
pub(super) struct Fuses([Fuse; Origin::ALL.len()]);

#[derive(Debug, Default)]
struct Fuse {
    failures: AtomicU32,
    blown: Mutex<Option<String>>,
}

impl Fuses {
    /// Counts the end of an exchange.
    pub(super) fn count(&self, origin: Origin, failed: Option<FaultKind>) {
        let failures = &self.0[origin as usize].failures;
        match failed {
            None | Some(FaultKind::Reset | FaultKind::Protocol | FaultKind::Throttled | FaultKind::Gateway) => {
                failures.store(0, Ordering::Relaxed)
            }
            Some(FaultKind::Harness | FaultKind::NotInContract | FaultKind::Unreachable) => {}
            Some(_) => {
                failures.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Lets an exchange with `origin` begin, or says why not. `probe` is asked at most once; those
    /// who come meanwhile wait for its answer.
    pub(super) async fn pass(
        &self,
        origin: Origin,
        probe: impl Future<Output = Result<(), String>>,
    ) -> Result<(), (FaultKind, String)> {
        let fuse = &self.0[origin as usize];
        if fuse.failures.load(Ordering::Relaxed) < THRESHOLD {
            return Ok(());
        }
        let mut blown = fuse.blown.lock().await;
        if blown.is_none() && fuse.failures.load(Ordering::Relaxed) >= THRESHOLD {
            match probe.await {
                Ok(()) => fuse.failures.store(0, Ordering::Relaxed),
                Err(why) => *blown = Some(why),
            }
        }
        match &*blown {
            None => Ok(()),
            Some(why) => {
                let what = format!("{origin} did not answer {THRESHOLD} times in a row, nor a probe: {why}");
                Err((FaultKind::Unreachable, what))
            }
        }
    }

    /// Whether an origin is asked no more.
    pub(super) fn any_blown(&self) -> bool {
        // A fuse that is being probed has not blown yet.
        self.0.iter().any(|fuse| fuse.blown.try_lock().is_ok_and(|blown| blown.is_some()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn three_failures_and_a_failed_probe_blow_it_for_one_origin() {
        let fuses = Fuses::default();
        let dead = || async { Err("connection refused".to_owned()) };
        for _ in 0..THRESHOLD {
            assert!(fuses.pass(Origin::Auth, dead()).await.is_ok());
            fuses.count(Origin::Auth, Some(FaultKind::Refused));
        }
        assert!(fuses.pass(Origin::Auth, dead()).await.is_err());
        assert!(fuses.pass(Origin::Auth, async { Ok(()) }).await.is_err(), "it stays blown");
        assert!(fuses.pass(Origin::Backend, dead()).await.is_ok());
        assert!(fuses.any_blown());
    }

    #[tokio::test]
    async fn a_probe_that_is_answered_starts_the_count_again() {
        let fuses = Fuses::default();
        for _ in 0..THRESHOLD {
            fuses.count(Origin::Backend, Some(FaultKind::NoAnswer));
        }
        assert!(fuses.pass(Origin::Backend, async { Ok(()) }).await.is_ok());
        assert!(fuses.pass(Origin::Backend, async { Err("not asked".to_owned()) }).await.is_ok());
        assert!(!fuses.any_blown());
    }
}
