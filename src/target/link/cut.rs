//! Cut: the connection ends after so many octets of the service, in the middle of whatever it says.

use std::sync::{Mutex, PoisonError};

/// How many octets still pass; `None` when there is to be no cut.
#[derive(Debug, Default)]
pub(super) struct Cut(Mutex<Option<u64>>);

impl Cut {
    /// Cuts after so many octets from now.
    pub(super) fn after(&self, octets: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(octets);
    }

    /// Cuts no more.
    pub(super) fn call_off(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How many of the next `length` octets pass before the cut; `None` when all do and more may.
    pub(super) fn passing(&self, length: usize) -> Option<usize> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let octets = (*left)?;
        if octets > length as u64 {
            *left = Some(octets - length as u64);
            return None;
        }
        *left = None;
        usize::try_from(octets).ok()
    }
}
