//! Histories that must be what was written: the same messages, once, in order, with their texts.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::check::{Context, text};
use crate::model::{Evidence, Finding, Stop};

/// A message as it must stand in a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) role: String,
    pub(super) content: String,
}

impl Line {
    /// A user's message.
    pub(super) fn of_user(id: impl Into<String>, content: impl Into<String>) -> Self {
        Self { id: id.into(), role: "user".into(), content: content.into() }
    }

    /// A message as a history shows it.
    pub(super) fn of(message: &Value) -> Self {
        Self { id: text(message, "id"), role: text(message, "role"), content: text(message, "content") }
    }
}

/// The same, with the ids of what was said and never acknowledged under one.
fn named(due: &[Line], seen: &[Line]) -> Vec<Line> {
    let mut taken = BTreeSet::new();
    let mut name = |line: &Line| {
        let is_it = |other: &&Line| other.role == line.role && other.content == line.content;
        let id = seen.iter().filter(is_it).find(|other| taken.insert(other.id.clone())).map(|other| other.id.clone());
        Line { id: id.unwrap_or_default(), ..line.clone() }
    };
    due.iter().map(|line| if line.id.is_empty() { name(line) } else { line.clone() }).collect()
}

/// The messages of a history must be these.
///
/// # Errors
/// Deviates with [`Finding::WrongValue`] for foreign or changed ones, [`Finding::Lost`],
/// [`Finding::Duplicated`] or [`Finding::WrongOrder`].
pub(super) fn same(
    cx: &Context,
    what: &str,
    due: &[Line],
    seen: &[Value],
    evidence: impl Fn() -> Evidence,
) -> Result<(), Stop> {
    let seen: Vec<Line> = seen.iter().map(Line::of).collect();
    let due = &named(due, &seen);
    let ids = |lines: &[Line]| lines.iter().map(|line| line.id.clone()).collect::<Vec<_>>();
    let (due_ids, seen_ids) = (ids(due), ids(&seen));
    let known: BTreeSet<_> = due_ids.iter().collect();
    let came: BTreeSet<_> = seen_ids.iter().collect();
    let expected = || format!("{what}: its {} messages, each once, in order", due.len());
    let told = |what: String| move || what;

    let foreign = seen.iter().find(|line| !known.contains(&line.id));
    let tell = foreign.map_or_else(String::new, |line| format!("a message that is not its own: {:?}", line.content));
    cx.holds(foreign.is_none(), Finding::WrongValue, expected(), told(tell), &evidence)?;
    let lost = due_ids.iter().filter(|id| !came.contains(id)).count();
    let tell = format!("{lost} of {} are missing", due.len());
    cx.holds(lost == 0, Finding::Lost, expected(), told(tell), &evidence)?;
    let tell = format!("{} messages, {} of them twice", seen.len(), seen.len() - came.len());
    cx.holds(seen.len() == came.len(), Finding::Duplicated, expected(), told(tell), &evidence)?;
    let tell = "the same messages in another order".to_owned();
    cx.holds(due_ids == seen_ids, Finding::WrongOrder, expected(), told(tell), &evidence)?;
    let changed = due.iter().zip(&seen).find(|(due, seen)| due != seen);
    let tell = changed.map_or_else(String::new, |(due, seen)| format!("{seen:?} in place of {due:?}"));
    cx.holds(changed.is_none(), Finding::WrongValue, expected(), told(tell), &evidence)
}
