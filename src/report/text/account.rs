//! A verdict that is no *conforms*, told in full: the fields, the evidence, how to go on.

use super::curl::{curl, quoted};
use super::{Depth, transcript};
use crate::model::{CheckId, Evidence, NotReady, Outcome, Verdict};

/// A label and what stands beside it; more than one line for a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// "requirement", "expected", "seen" …
    pub label: &'static str,
    /// At least one line, without control characters.
    pub lines: Vec<String>,
}

impl Field {
    fn new(label: &'static str, line: impl Into<String>) -> Self {
        Self { label, lines: vec![line.into()] }
    }
}

/// Everything a report says about one check that did not conform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Requirement, step, expected, seen, finding; or what happened and whose doing it was.
    pub fields: Vec<Field>,
    /// Transcript and facts, oldest first.
    pub evidence: Vec<String>,
    /// Commands that explain and repeat.
    pub commands: Vec<Field>,
}

impl Account {
    /// The account of `outcome`, seen under `profile` with `seed`; none for a check that conforms.
    pub fn of(outcome: &Outcome, profile: &str, seed: u64, depth: Depth) -> Option<Self> {
        let none = Evidence::default();
        let mut fields = vec![Field::new("requirement", outcome.requirement)];
        let evidence = match &outcome.verdict {
            Verdict::Conforms(_) => return None,
            Verdict::Deviates(deviation) => {
                if !deviation.step.is_empty() {
                    fields.push(Field::new("step", depth.shown(&deviation.step)));
                }
                fields.push(Field { label: "expected", lines: alternatives(&deviation.expected, depth) });
                fields.push(Field::new("seen", depth.shown(&deviation.seen)));
                fields.push(Field::new("finding", deviation.finding.slug()));
                &deviation.evidence
            }
            Verdict::Inconclusive(inconclusive) => {
                fields.push(Field::new("cause", depth.shown(&inconclusive.what)));
                fields.push(Field::new("blame", inconclusive.blame.slug()));
                &inconclusive.evidence
            }
            Verdict::NotVerified(reason) => {
                fields.push(Field::new("reason", depth.shown(&reason.to_string())));
                &none
            }
        };
        if outcome.attempts > 1 {
            let agreed = if outcome.flaky { "they disagreed" } else { "all the same" };
            fields.push(Field::new("attempts", format!("{}, {agreed}", outcome.attempts)));
        }
        if outcome.known {
            fields.push(Field::new("known", "the baseline knows this deviation"));
        }
        let mut commands = vec![
            Field::new("explain", format!("netra-check explain {}", outcome.id)),
            Field::new(
                "again",
                format!("netra-check run {} --profile {} --seed {seed} --wire", outcome.id, quoted(profile)),
            ),
        ];
        commands.extend(curl(evidence).map(|line| Field::new("curl", line)));
        Some(Self { fields, evidence: transcript(evidence, outcome.id, depth), commands })
    }

    /// The account of a step before the first check that failed, seen under `profile`.
    pub fn of_not_ready(why: &NotReady, profile: &str, depth: Depth) -> Self {
        let fields = vec![
            Field::new("expected", depth.shown(&why.expected)),
            Field::new("seen", depth.shown(&why.seen)),
            Field::new("next", depth.shown(&why.next)),
            Field::new("blame", why.blame.slug()),
        ];
        let mut commands = vec![Field::new("doctor", format!("netra-check doctor --profile {}", quoted(profile)))];
        commands.extend(curl(&why.evidence).map(|line| Field::new("curl", line)));
        let asked = why.evidence.entries.first().map_or(CheckId::new("run/ready"), |entry| entry.check);
        Self { fields, evidence: transcript(&why.evidence, asked, depth), commands }
    }

    /// As plain text, each label in a column of its own.
    pub fn text(&self) -> String {
        let evidence = Field { label: "evidence", lines: self.evidence.clone() };
        let evidence = (!evidence.lines.is_empty()).then_some(&evidence);
        let mut text = String::new();
        for field in self.fields.iter().chain(evidence).chain(&self.commands) {
            for (index, line) in field.lines.iter().enumerate() {
                let label = if index == 0 { field.label } else { "" };
                text.push_str(format!("{label:<12} {line}").trim_end());
                text.push('\n');
            }
        }
        text
    }
}

/// One alternative a line, so that a set reads as a set.
fn alternatives(expected: &[String], depth: Depth) -> Vec<String> {
    if expected.is_empty() {
        return vec!["(not stated)".into()];
    }
    let or = |(index, one): (usize, &String)| format!("{}{}", if index == 0 { "" } else { "or " }, depth.shown(one));
    expected.iter().enumerate().map(or).collect()
}
