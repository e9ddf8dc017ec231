//! The course of one run, as one connection saw it.

use serde_json::Value;

use crate::check::{Recording, Seen, ends_run, is_of_a_run};
use crate::model::{Blame, Evidence, Finding, Inconclusive, Stop};
use crate::wire::{Endpoint, Kind, Message};

/// Whether a message belongs between an agent's start and its end, or is that end.
pub(super) const fn is_of_a_segment(kind: &Kind) -> bool {
    matches!(kind, Kind::AgentThinking | Kind::ToolExecuting | Kind::ToolCompleted | Kind::PartialResult)
        || is_terminal(kind)
}

/// Whether a message ends an agent's segment.
pub(super) const fn is_terminal(kind: &Kind) -> bool {
    matches!(kind, Kind::AgentCompleted | Kind::AgentError | Kind::AgentStopped | Kind::StreamTerminated)
}

/// The agent that a message names; `None` for what concerns the whole run.
pub(super) fn agent(message: &Message) -> Option<&str> {
    message.text("agent_name")
}

/// The events of a run in the order in which one connection received them.
pub(super) struct Course {
    /// Everything that bears the run's id.
    pub(super) events: Vec<Seen>,
    run: String,
    /// Which connection.
    part: &'static str,
}

impl Course {
    /// The run of this id, on the connection of this part.
    ///
    /// # Errors
    /// Inconclusive when the flow tells nothing of the part.
    pub(super) fn of(recording: &Recording, part: &'static str, run: &str) -> Result<Self, Stop> {
        let is_own = |seen: &Seen| is_of_a_run(&seen.message.kind) && seen.message.run_id() == Some(run);
        Ok(Self { events: recording.seen(part)?.into_iter().filter(is_own).collect(), run: run.to_owned(), part })
    }

    /// The flow's run, on the socket that asked for it.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(super) fn asked(recording: &Recording) -> Result<Self, Stop> {
        Self::of(recording, "asking", recording.told("run")?)
    }

    /// All events of this kind.
    pub(super) fn all<'c>(&'c self, kind: &'c Kind) -> impl DoubleEndedIterator<Item = &'c Seen> {
        self.events.iter().filter(move |seen| seen.is(kind))
    }

    /// Agents in the order of their first event.
    pub(super) fn agents(&self) -> Vec<&str> {
        let mut agents = Vec::new();
        for name in self.events.iter().filter_map(|seen| agent(&seen.message)) {
            if !agents.contains(&name) {
                agents.push(name);
            }
        }
        agents
    }

    /// The events of one agent.
    pub(super) fn segment<'c>(&'c self, name: &'c str) -> impl DoubleEndedIterator<Item = &'c Seen> {
        self.events.iter().filter(move |seen| agent(&seen.message) == Some(name))
    }

    /// What the history over REST (the part `history`) holds of the run.
    ///
    /// # Errors
    /// Deviates when that is not one assistant message; inconclusive when the history was not told.
    pub(super) fn stored(&self, recording: &Recording) -> Result<String, Stop> {
        let run = self.run.as_str();
        let page = recording.contract().read_body(Endpoint::ListMessages, &recording.body("history")?);
        let messages = page.get("messages").and_then(Value::as_array).cloned().unwrap_or_default();
        let is_own = |message: &&Value| message.pointer("/metadata/run_id").and_then(Value::as_str) == Some(run);
        let own: Vec<_> =
            messages.iter().filter(is_own).filter_map(|message| message.get("content")?.as_str()).collect();
        let told = || format!("{} messages with its run_id in metadata", own.len());
        let (expected, evidence) = ("one assistant message of the run", || recording.end_of("history"));
        recording.holds(own.len() == 1, Finding::MissingEvent, expected, told, evidence)?;
        Ok(own.concat())
    }

    /// All of it as evidence; what the connection said last where there is nothing.
    pub(super) fn evidence(&self, recording: &Recording) -> Evidence {
        match self.events.is_empty() {
            true => recording.end_of(self.part),
            false => recording.only(&self.events),
        }
    }
}

/// A later run of the same connection that was seen to its end: what should have come before it has.
///
/// # Errors
/// Inconclusive when it was not.
pub(super) fn marker(recording: &Recording) -> Result<(), Stop> {
    let missing = || {
        let what = "the run after it did not come to its end, so nothing tells what may still come of this one";
        Inconclusive::new(Blame::Target, what).with(recording.end_of("asking"))
    };
    let marker = recording.fact("marker").ok().and_then(|run| run.as_str()).ok_or_else(missing)?;
    let ended = Course::of(recording, "asking", marker)?.events.iter().any(|seen| ends_run(&seen.message.kind));
    ended.then_some(()).ok_or_else(|| missing().into())
}
