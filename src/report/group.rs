//! What belongs together: equal deviations, equal reasons, the checks of a scenario.

use std::time::Duration;

use crate::model::{CheckId, Outcome, Priority, Scenario, Totals, Verdict};

/// What a block is about; blocks of different kinds are listed apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Deviations that fail the run.
    Deviation,
    /// Deviations that do not.
    Warning,
    /// Checks that could not be judged.
    Inconclusive,
}

impl Kind {
    /// The kind of a verdict that has a block of its own.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        match outcome.verdict {
            Verdict::Deviates(_) if outcome.gates => Some(Self::Deviation),
            Verdict::Deviates(_) => Some(Self::Warning),
            Verdict::Inconclusive(_) => Some(Self::Inconclusive),
            Verdict::Conforms(_) | Verdict::NotVerified(_) => None,
        }
    }

    /// The verb before a check's name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Deviation => "deviates",
            Self::Warning => "warning",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// The heading above its blocks.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Deviation => "Deviations",
            Self::Warning => "Warnings",
            Self::Inconclusive => "Inconclusive",
        }
    }
}

/// Checks with one fingerprint: told once.
#[derive(Clone, Debug)]
pub struct Block<'a> {
    /// The first of them in registry order, with its evidence.
    pub first: &'a Outcome,
    /// The others.
    pub also: Vec<CheckId>,
}

/// The blocks of one kind, in the order of their first check.
pub fn blocks<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>, kind: Kind) -> Vec<Block<'a>> {
    let mut blocks: Vec<Block<'a>> = Vec::new();
    for outcome in outcomes.into_iter().filter(|outcome| Kind::of(outcome) == Some(kind)) {
        match blocks.iter_mut().find(|block| same(block.first, outcome)) {
            Some(block) => block.also.push(outcome.id),
            None => blocks.push(Block { first: outcome, also: Vec::new() }),
        }
    }
    blocks
}

/// Whether two outcomes have the same fingerprint: the same cause is assumed.
fn same(one: &Outcome, other: &Outcome) -> bool {
    match (&one.verdict, &other.verdict) {
        (Verdict::Deviates(a), Verdict::Deviates(b)) => {
            a.finding == b.finding && a.step == b.step && a.expected == b.expected && a.seen == b.seen
        }
        (Verdict::Inconclusive(a), Verdict::Inconclusive(b)) => a.blame == b.blame && a.what == b.what,
        _ => false,
    }
}

/// The checks that were not verified, by reason, in the order in which the reasons first appear.
pub fn reasons<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Vec<(String, Vec<CheckId>)> {
    let mut reasons: Vec<(String, Vec<CheckId>)> = Vec::new();
    for outcome in outcomes {
        let Verdict::NotVerified(reason) = &outcome.verdict else { continue };
        let reason = super::text::visible(&reason.to_string()).into_owned();
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, checks)) => checks.push(outcome.id),
            None => reasons.push((reason, vec![outcome.id])),
        }
    }
    reasons
}

/// A scenario's line in a table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which scenario.
    pub scenario: Scenario,
    /// Its priority.
    pub priority: Priority,
    /// Counts of its checks.
    pub totals: Totals,
    /// Sum of its checks' times; they run side by side.
    pub time: Duration,
}

/// One row a scenario that has outcomes, in the plan's order.
pub fn rows<'a>(outcomes: impl IntoIterator<Item = &'a Outcome> + Clone) -> Vec<Row> {
    let row = |scenario: Scenario| {
        let own = || outcomes.clone().into_iter().filter(move |outcome| outcome.id.scenario() == scenario);
        let priority = own().next()?.priority;
        Some(Row {
            scenario,
            priority,
            totals: Totals::of(own(), 0),
            // Whole milliseconds, as the reports have them: a sum reads the same wherever it is made.
            time: own().map(|outcome| Duration::from_millis(outcome.duration.as_millis() as u64)).sum(),
        })
    };
    Scenario::ALL.into_iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::formats;

    #[test]
    fn equal_causes_are_one_block_and_kinds_stay_apart() {
        let result = formats::run();
        let outcomes = || result.outcomes.iter().map(AsRef::as_ref);
        let told = |kind| {
            let blocks = blocks(outcomes(), kind);
            blocks.iter().map(|block| (block.first.id.as_str(), block.also.len())).collect::<Vec<_>>()
        };
        assert_eq!(told(Kind::Deviation), [("handshake/expired-token-refused", 1)]);
        assert_eq!(told(Kind::Warning), [("auth-sync/refresh-is-not-cached", 0)]);
        assert_eq!(told(Kind::Inconclusive), [("recovery/agent-failure-told", 1)]);
    }

    #[test]
    fn another_step_is_another_cause() {
        let mut result = formats::run();
        let mut other = result.outcomes[2].as_ref().clone();
        let Verdict::Deviates(deviation) = &mut other.verdict else { panic!("a deviation") };
        std::sync::Arc::make_mut(deviation).step = "another".into();
        result.outcomes[2] = std::sync::Arc::new(other);
        assert_eq!(blocks(result.outcomes.iter().map(AsRef::as_ref), Kind::Deviation).len(), 2);
    }

    #[test]
    fn reasons_are_told_once_with_all_their_checks() {
        let result = formats::run();
        let reasons = reasons(result.outcomes.iter().map(AsRef::as_ref));
        let counts: Vec<usize> = reasons.iter().map(|(_, checks)| checks.len()).collect();
        assert_eq!(counts, [1, 2]);
    }
}
