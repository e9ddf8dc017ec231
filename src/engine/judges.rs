//! The run-wide judges of a run, fed every entry as it is recorded.

use std::sync::{Arc, Mutex, PoisonError};

use crate::check::{Body, Check, RunWide};
use crate::model::{CheckId, Entry, Judgement};
use crate::target::Target;

/// A check and its judge.
type Seat = (CheckId, Box<dyn RunWide>);

/// The selected run-wide judges.
#[derive(Clone, Default)]
pub(super) struct Judges(Arc<Mutex<Vec<Seat>>>);

impl Judges {
    pub(super) fn of(checks: &[&'static Check], target: &Target) -> Self {
        let judges = checks
            .iter()
            .filter_map(|check| match check.body {
                Body::RunWide { judge, .. } => Some((check.id, judge(target))),
                Body::Probe(_) | Body::Judge { .. } => None,
            })
            .collect();
        Self(Arc::new(Mutex::new(judges)))
    }

    /// Shows an entry to every judge.
    pub(super) fn see(&self, entry: &Entry) {
        if !entry.broken {
            for (_, judge) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
                judge.see(entry);
            }
        }
    }

    /// The judgement of `check`, whose own flow is over.
    pub(super) fn decide(&self, check: CheckId) -> Option<Judgement> {
        let mut judges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = judges.iter().position(|(id, _)| *id == check)?;
        Some(judges.swap_remove(place).1.decide())
    }
}
