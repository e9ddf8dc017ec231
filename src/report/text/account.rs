//! A verdict that is no *conforms*, told in full: the fields, the evidence, how to go on.

use super::curl::curl;
use super::{Again, Depth, transcript};
use crate::model::{CheckId, Evidence, Level, NotReady, Outcome, Verdict};

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
    /// The account of `outcome`; none for a check that conforms.
    pub fn of(outcome: &Outcome, again: Again<'_>, depth: Depth) -> Option<Self> {
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
                fields.extend(ungated(outcome).map(|why| Field::new("gate", why)));
                &deviation.evidence
            }
            Verdict::Inconclusive(inconclusive) => {
                if !inconclusive.step.is_empty() {
                    fields.push(Field::new("step", depth.shown(&inconclusive.step)));
                }
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
        if !outcome.claims.is_empty() {
            let lines = outcome.claims.iter().map(|claim| depth.shown(claim)).collect();
            fields.push(Field { label: "profile", lines });
        }
        fields.extend(traced(outcome, depth));
        let mut commands = vec![
            Field::new("explain", format!("netra-check explain {}", outcome.id)),
            Field::new("again", again.run(outcome.id)),
        ];
        commands.extend(curl(evidence, &again.repetition.curl).map(|line| Field::new("curl", line)));
        Some(Self { fields, evidence: transcript(evidence, outcome.id, depth), commands })
    }

    /// The account of a step before the first check that failed, and how to go on.
    pub fn of_not_ready(why: &NotReady, again: Again<'_>, depth: Depth) -> Self {
        let fields = vec![
            Field::new("expected", depth.shown(&why.expected)),
            Field::new("seen", depth.shown(&why.seen)),
            Field::new("next", depth.shown(&why.next)),
            Field::new("blame", why.blame.slug()),
        ];
        let mut commands = vec![Field::new("doctor", again.doctor())];
        commands.extend(curl(&why.evidence, &again.repetition.curl).map(|line| Field::new("curl", line)));
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

/// Why a deviation does not fail the run.
fn ungated(outcome: &Outcome) -> Option<&'static str> {
    match (outcome.gates, outcome.level) {
        (true, _) => None,
        (false, Level::Should) => Some("a warning: the requirement is a SHOULD, and the gate is not strict"),
        (false, Level::Must) => Some("a warning: `gate.priorities` or `gate.scenarios` leaves this check out"),
    }
}

/// What finds the exchange in the target's logs, and the time there.
fn traced(outcome: &Outcome, depth: Depth) -> Vec<Field> {
    let trace = &outcome.trace;
    let returned = trace.returned.iter().map(|(name, value)| depth.shown(&format!("{name}: {value}")));
    let sent = trace.sent.iter().map(|sent| depth.shown(&format!("traceparent: {sent} (sent)")));
    let lines: Vec<String> = returned.chain(sent).collect();
    let mut fields = Vec::new();
    if !lines.is_empty() {
        fields.push(Field { label: "trace", lines });
    }
    fields.extend(trace.server_time.iter().map(|time| Field::new("server time", depth.shown(time))));
    fields
}

/// One alternative a line, so that a set reads as a set.
fn alternatives(expected: &[String], depth: Depth) -> Vec<String> {
    if expected.is_empty() {
        return vec!["(not stated)".into()];
    }
    let or = |(index, one): (usize, &String)| format!("{}{}", if index == 0 { "" } else { "or " }, depth.shown(one));
    expected.iter().enumerate().map(or).collect()
}
