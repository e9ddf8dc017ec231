//! `--wire`: what is said, as it is said.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::ProgressBar;

use crate::model::{CheckId, Entry};
use crate::report::text::{Depth, entry_lines};

/// Tells entries to standard error, above the bar, times since the run began. A check is named where
/// another one spoke before it: checks run side by side.
pub(super) fn teller(bar: ProgressBar) -> impl Fn(&Entry) + Send + Sync {
    let last: Mutex<Option<CheckId>> = Mutex::new(None);
    move |entry| {
        let mut lines = entry_lines(entry, Duration::ZERO, Depth::AMPLE);
        // Held while writing, so that a name stays with its entry.
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.replace(entry.check) != Some(entry.check) {
            lines.insert(0, entry.check.to_string());
        }
        let text = lines.join("\n") + "\n";
        bar.suspend(|| {
            // A closed standard error loses the live transcript, not the run.
            let _ = std::io::stderr().write_all(text.as_bytes());
        });
    }
}
