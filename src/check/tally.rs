//! What a run-wide judge has found so far, in bounded memory.

use std::collections::BTreeSet;

use crate::model::{
    Blame, CheckId, Conforms, ConnectionId, Deviation, Entry, Evidence, Finding, Inconclusive, Judgement, Observation,
};

/// Names of checks that are told, the first by name; the others are counted.
const NAMED: usize = 8;
/// Characters of what was seen that are told.
const TOLD: usize = 400;

/// The count of facts found right, and one deviation: the first of the first check by name, so that
/// two runs that deviate alike tell the same one whatever came first.
#[derive(Debug)]
pub struct Tally {
    least: usize,
    what: &'static str,
    right: usize,
    wrong: usize,
    first: Option<(CheckId, ConnectionId, Deviation)>,
    checks: BTreeSet<CheckId>,
}

impl Tally {
    /// An empty one. Fewer than `least` facts (`what` says of what) are too few to conform.
    pub const fn new(least: usize, what: &'static str) -> Self {
        Self { least, what, right: 0, wrong: 0, first: None, checks: BTreeSet::new() }
    }

    /// Counts a fact that was found right.
    pub const fn right(&mut self) {
        self.right += 1;
    }

    /// Counts a deviation that `entry` shows.
    pub fn wrong(&mut self, entry: &Entry, finding: Finding, expected: &str, seen: &str) {
        self.wrong += 1;
        self.checks.insert(entry.check);
        // Entries come in the order of their recording: the first of a connection is the earliest.
        let place = (entry.check, entry.connection);
        if self.first.as_ref().is_some_and(|(check, connection, _)| (*check, *connection) <= place) {
            return;
        }
        let deviation = Deviation {
            finding,
            step: format!("connection {} of {}", entry.connection, entry.check),
            expected: vec![expected.to_owned()],
            seen: shortened(seen),
            evidence: Evidence { entries: vec![entry.clone()], facts: Vec::new() },
            window: None,
        };
        self.first = Some((entry.check, entry.connection, deviation));
    }

    /// The judgement.
    ///
    /// # Errors
    /// The deviation, if there is one; inconclusive when the sample was too small.
    pub fn decide(self) -> Judgement {
        if let Some((_, _, mut deviation)) = self.first {
            let checks: Vec<_> = self.checks.iter().take(NAMED).map(|check| check.as_str()).collect();
            let mut fact = format!(
                "{} of {} {} deviate, in {}",
                self.wrong,
                self.wrong + self.right,
                self.what,
                checks.join(", ")
            );
            if self.checks.len() > NAMED {
                fact.push_str(&format!(" and {} more", self.checks.len() - NAMED));
            }
            deviation.evidence.facts.push(fact);
            return Err(deviation.into());
        }
        if self.right < self.least {
            let what =
                format!("{} {} are too few to judge by, at least {} are needed", self.right, self.what, self.least);
            return Err(Inconclusive::new(Blame::Target, what).into());
        }
        Conforms::on(&vec![Observation::of_a_verified_fact(); self.right])
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TOLD) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Direction, Record, Stop};

    fn entry(check: &'static str, connection: u32) -> Entry {
        Entry {
            at: Duration::ZERO,
            check: CheckId::new(check),
            connection: ConnectionId(connection),
            direction: Direction::Received,
            record: Record::Note(String::new()),
            broken: false,
        }
    }

    #[test]
    fn the_deviation_told_does_not_depend_on_what_came_first() {
        let told = |order: &[(&'static str, u32)]| {
            let mut tally = Tally::new(1, "messages");
            for (check, connection) in order {
                tally.wrong(&entry(check, *connection), Finding::BadEnvelope, "a type", "none");
            }
            match tally.decide() {
                Err(Stop::Deviates(deviation)) => (deviation.step, deviation.evidence.facts),
                other => panic!("{other:?}"),
            }
        };
        let (step, facts) = told(&[("format/b", 1), ("format/a", 2), ("format/a", 1)]);
        assert_eq!(step, "connection #1 of format/a");
        assert_eq!(facts, ["3 of 3 messages deviate, in format/a, format/b"]);
        assert_eq!(told(&[("format/a", 1), ("format/a", 2), ("format/b", 1)]).0, step);
        let many = [
            "format/i", "format/h", "format/g", "format/f", "format/e", "format/d", "format/c", "format/b", "format/a",
        ];
        let (up, down): (Vec<_>, Vec<_>) = many.iter().rev().zip(many).map(|(up, down)| ((*up, 1), (down, 1))).unzip();
        assert_eq!(told(&up), told(&down));
        assert!(told(&up).1[0].ends_with("format/g, format/h and 1 more"));
    }

    #[test]
    fn a_sample_that_is_too_small_is_inconclusive() {
        let mut tally = Tally::new(2, "messages");
        tally.right();
        assert!(matches!(tally.decide(), Err(Stop::Inconclusive(_))));
        let mut tally = Tally::new(1, "messages");
        tally.right();
        assert_eq!(tally.decide().map(|it| it.observations()).ok(), Some(1));
    }
}
