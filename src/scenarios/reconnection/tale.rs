//! What the interrupted streams left behind, as their judges read it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::drops::Style;
use crate::check::{Lost, Recording, Seen};
use crate::model::{Blame, Evidence, Inconclusive, Stop};
use crate::wire::{Kind, Message};

/// One session and all its connections.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tale {
    pub(super) name: String,
    /// Its connections in the recording; each but the first was restored.
    pub(super) parts: Vec<String>,
    pub(super) thread: String,
    /// Its runs, in the order of their beginning.
    pub(super) runs: Vec<String>,
    /// What led from each connection to the next.
    pub(super) restores: Vec<Restore>,
}

/// A connection was lost, and its session restored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Restore {
    pub(super) style: Style,
    /// What the client remembered.
    pub(super) lost: Lost,
    /// The session's latest run.
    pub(super) run: String,
    /// When the new connection was begun, on the transcript's clock.
    pub(super) asked_s: f64,
}

impl Tale {
    /// The latest run.
    pub(super) fn run(&self) -> &str {
        self.runs.last().map_or("", String::as_str)
    }

    /// Whether a message tells of one of its runs.
    pub(super) fn concerns(&self, message: &Message) -> bool {
        message.kind != Kind::MessageCreated
            && message.run_id().is_some_and(|run| self.runs.iter().any(|own| own == run))
    }

    /// What its client took of the session on the connection of this number: after the restore that
    /// began it, and up to what was remembered when it was lost.
    ///
    /// # Errors
    /// Inconclusive when the flow tells nothing of the connection.
    pub(super) fn taken(&self, recording: &Recording, number: usize) -> Result<Vec<Seen>, Stop> {
        let mut seen = recording.seen(&self.parts[number])?;
        if number > 0 {
            let restored = seen.iter().position(|it| it.is(&Kind::SessionRestored));
            seen.drain(..restored.map_or(seen.len(), |at| at + 1));
        }
        if let Some(Restore { lost, .. }) = self.restores.get(number) {
            let is_last = |it: &Seen| match &lost.message_id {
                Some(id) => it.message.message_id.as_ref() == Some(id),
                None => it.message.sequence == lost.sequence,
            };
            seen.truncate(seen.iter().rposition(is_last).map_or(0, |at| at + 1));
        }
        Ok(seen)
    }

    /// What its client took on the connection after the restore of this number; nothing where the
    /// session was not resumed: whether that was right is a matter of `nothing-lost`.
    ///
    /// # Errors
    /// As [`Self::taken`] and [`Self::restored`].
    pub(super) fn taken_after(&self, recording: &Recording, number: usize) -> Result<Vec<Seen>, Stop> {
        let is_resumed = is_resumed(&self.restored(recording, number)?);
        if is_resumed { self.taken(recording, number + 1) } else { Ok(Vec::new()) }
    }

    /// The `session_restored` of the restore of this number.
    ///
    /// # Errors
    /// Inconclusive when there is none.
    pub(super) fn restored(&self, recording: &Recording, number: usize) -> Result<Seen, Stop> {
        let part = &self.parts[number + 1];
        let found = recording.seen(part)?.into_iter().find(|it| it.is(&Kind::SessionRestored));
        found.ok_or_else(|| Inconclusive::new(Blame::Harness, format!("no session_restored on {part}")).into())
    }
}

/// Whether a `session_restored` says that the session goes on.
pub(super) fn is_resumed(restored: &Seen) -> bool {
    restored.message.field("resumed") == Some(&true.into())
}

/// The tales of a recording.
///
/// # Errors
/// Inconclusive when the flow does not tell them.
pub(super) fn tales(recording: &Recording) -> Result<Vec<Tale>, Stop> {
    let told = recording.fact("tales")?.clone();
    serde_json::from_value(told).map_err(|error| Inconclusive::new(Blame::Harness, error.to_string()).into())
}

/// What the witness saw of a tale's runs, in order.
///
/// # Errors
/// As [`Recording::seen`].
pub(super) fn witnessed(recording: &Recording, tale: &Tale) -> Result<Vec<Seen>, Stop> {
    Ok(recording.seen("witness")?.into_iter().filter(|seen| tale.concerns(&seen.message)).collect())
}

/// The name of the event that a message tells of.
pub(super) fn event(seen: &Seen) -> &str {
    seen.message.message_id.as_deref().unwrap_or_default()
}

/// Where each event stands in a row.
pub(super) fn places(seen: &[Seen]) -> BTreeMap<&str, usize> {
    seen.iter().enumerate().map(|(place, it)| (event(it), place)).collect()
}

/// A few messages, and the sums of a tale.
pub(super) fn evidence<'s>(recording: &Recording, shown: impl IntoIterator<Item = &'s Seen>) -> Evidence {
    recording.only(shown.into_iter().take(8))
}
