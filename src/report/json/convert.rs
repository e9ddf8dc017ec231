//! From the internal types to their public copy, and as much of the way back as can be gone.

use std::sync::Arc;
use std::time::Duration;

use super::{Check, Document, Entry, Evidence, NotReady, Record, Run, Totals, Trace, VERSION};
use crate::model::{
    self, Blame, CheckId, ConnectionId, Deviation, Direction, Finding, Head, Inconclusive, NotVerified,
};
use crate::model::{Level, Outcome, Priority, RunResult, Scenario, Verdict};
use crate::report::group::Row;
use crate::report::text::{started, target};

impl Document {
    /// The public copy of `result`.
    pub fn of(result: &RunResult) -> Self {
        let facts = &result.facts;
        let totals = result.totals;
        Self {
            version: VERSION,
            run: Run {
                id: facts.id.clone(),
                target: target(facts).into(),
                profile: facts.profile.clone(),
                profile_argument: facts.profile_argument.clone(),
                sets: facts.repetition.sets.clone(),
                curl: facts.repetition.curl.clone(),
                contract: facts.contract.clone(),
                hosts: facts.hosts.clone(),
                tool_version: facts.tool_version.into(),
                seed: facts.seed,
                selection: facts.selection.clone(),
                started: started(facts),
                duration_s: result.duration.as_millis() as f64 / 1_000.0,
                revision: facts.revision.clone(),
                exit_code: result.exit_code.code(),
                interrupted: result.interrupted,
                not_ready: result.not_ready.as_ref().map(|why| NotReady {
                    step: why.step.into(),
                    subject: why.subject.clone(),
                    expected: why.expected.clone(),
                    seen: why.seen.clone(),
                    next: why.next.clone(),
                    blame: why.blame.slug().into(),
                }),
                planned: facts.planned.len(),
                remarks: result.remarks.clone(),
                gate: result.gate.clone(),
            },
            totals: Totals {
                conforms: totals.conforms,
                deviates: totals.deviates,
                warnings: totals.warnings,
                not_verified: totals.not_verified,
                inconclusive: totals.inconclusive,
                not_selected: totals.not_selected,
                flaky: totals.flaky,
                known: totals.known,
            },
            checks: result.outcomes.iter().map(|outcome| Check::of(outcome)).collect(),
        }
    }
}

impl Check {
    fn of(outcome: &Outcome) -> Self {
        let mut check = Self {
            id: outcome.id.as_str().into(),
            title: outcome.title.into(),
            requirement: outcome.requirement.into(),
            scenario: outcome.id.scenario().slug().into(),
            priority: outcome.priority.to_string(),
            level: outcome.level.to_string(),
            required: outcome.required,
            verdict: outcome.verdict.slug().into(),
            gates: outcome.gates,
            finding: None,
            reason: None,
            blame: None,
            expected: None,
            seen: None,
            step: None,
            profile: outcome.claims.clone(),
            trace: Some(Trace::from(&outcome.trace)).filter(|trace| *trace != Trace::default()),
            evidence: None,
            observations: 0,
            figures: outcome.verdict.figures().to_vec(),
            attempts: outcome.attempts,
            flaky: outcome.flaky,
            known: outcome.known,
            duration_ms: u64::try_from(outcome.duration.as_millis()).unwrap_or(u64::MAX),
        };
        match &outcome.verdict {
            Verdict::Conforms(conforms) => check.observations = conforms.observations(),
            Verdict::Deviates(deviation) => {
                check.finding = Some(deviation.finding.slug().into());
                check.expected = Some(deviation.expected.clone());
                check.seen = Some(deviation.seen.clone());
                check.step = Some(deviation.step.clone());
                check.evidence = Some(Evidence::from(&deviation.evidence));
            }
            Verdict::NotVerified(reason) => check.reason = Some(reason.to_string()),
            Verdict::Inconclusive(inconclusive) => {
                check.reason = Some(inconclusive.what.clone());
                check.step = Some(inconclusive.step.clone()).filter(|step| !step.is_empty());
                check.blame = Some(inconclusive.blame.slug().into());
                check.evidence = Some(Evidence::from(&inconclusive.evidence));
            }
        }
        check
    }
}

fn thousandths(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

impl From<&model::Trace> for Trace {
    fn from(trace: &model::Trace) -> Self {
        let model::Trace { sent, returned, server_time } = trace.clone();
        Self { sent, returned, server_time }
    }
}

impl From<Trace> for model::Trace {
    fn from(trace: Trace) -> Self {
        let Trace { sent, returned, server_time } = trace;
        Self { sent, returned, server_time }
    }
}

impl From<&model::Evidence> for Evidence {
    fn from(evidence: &model::Evidence) -> Self {
        Self { entries: evidence.entries.iter().map(Entry::from).collect(), facts: evidence.facts.clone() }
    }
}

impl From<&model::Entry> for Entry {
    fn from(entry: &model::Entry) -> Self {
        Self {
            at_ms: thousandths(entry.at.as_secs_f64() * 1_000.0),
            check: entry.check.as_str().into(),
            connection: entry.connection.0,
            sent: entry.direction == Direction::Sent,
            broken: entry.broken,
            record: Record::from(&entry.record),
        }
    }
}

impl From<&model::Record> for Record {
    fn from(record: &model::Record) -> Self {
        match record.clone() {
            model::Record::Request { method, url, headers, body } => Self::Request { method, url, headers, body },
            model::Record::Response { status, headers, body } => Self::Response { status, headers, body },
            model::Record::Frame { head, payload, close_code, utf8 } => {
                let Head { fin, rsv, opcode, masked, length, minimal } = head;
                Self::Frame { fin, rsv, opcode, masked, length, minimal, payload, close_code, utf8 }
            }
            model::Record::Ended(how) => Self::Ended(how),
            model::Record::Note(note) => Self::Note(note),
        }
    }
}

impl Document {
    /// Its counts.
    pub fn totals(&self) -> model::Totals {
        let Totals { conforms, deviates, warnings, not_verified, inconclusive, not_selected, flaky, known } =
            self.totals;
        model::Totals { conforms, deviates, warnings, not_verified, inconclusive, not_selected, flaky, known }
    }

    /// A row a scenario, from what each check says of itself.
    pub fn rows(&self) -> Vec<Row> {
        let row = |scenario: Scenario| {
            let own: Vec<&Check> = self.checks.iter().filter(|check| check.scenario == scenario.slug()).collect();
            let count = |verdict: &str, gates: Option<bool>| {
                let is = |check: &&&Check| check.verdict == verdict && gates.is_none_or(|gates| check.gates == gates);
                own.iter().filter(is).count()
            };
            let totals = model::Totals {
                conforms: count("conforms", None),
                deviates: count("deviates", Some(true)),
                warnings: count("deviates", Some(false)),
                not_verified: count("not_verified", None),
                inconclusive: count("inconclusive", None),
                ..model::Totals::default()
            };
            let time = own.iter().map(|check| Duration::from_millis(check.duration_ms)).sum();
            (!own.is_empty()).then(|| Row { scenario, priority: scenario.priority(), totals, time })
        };
        Scenario::ALL.into_iter().filter_map(row).collect()
    }
}

impl NotReady {
    /// The step that failed, without its transcript; none for words that this version does not know.
    pub fn recall(&self) -> Option<model::NotReady> {
        Some(model::NotReady {
            step: model::NotReady::STEPS.into_iter().find(|step| *step == self.step)?,
            subject: self.subject.clone(),
            expected: self.expected.clone(),
            seen: self.seen.clone(),
            next: self.next.clone(),
            blame: Blame::ALL.into_iter().find(|blame| blame.slug() == self.blame)?,
            evidence: model::Evidence::default(),
        })
    }
}

impl Check {
    /// The outcome as it was, for the check that is registered as `id` today. None for a check that
    /// conforms (a proof cannot be read from a file) and for words that this version does not know.
    pub fn recall(&self, id: CheckId, title: &'static str, requirement: &'static str) -> Option<Outcome> {
        let evidence = || self.evidence.as_ref().map(|evidence| evidence.recall(id)).unwrap_or_default();
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let verdict = match self.verdict.as_str() {
            "deviates" => Verdict::Deviates(Arc::new(Deviation {
                finding: *Finding::ALL.iter().find(|finding| Some(finding.slug()) == self.finding.as_deref())?,
                step: text(&self.step),
                expected: self.expected.clone().unwrap_or_default(),
                seen: text(&self.seen),
                evidence: evidence(),
                window: None,
            })),
            "inconclusive" => {
                let blame = Blame::ALL.into_iter().find(|blame| Some(blame.slug()) == self.blame.as_deref())?;
                let inconclusive = Inconclusive::new(blame, text(&self.reason)).at(text(&self.step));
                Verdict::Inconclusive(Arc::new(inconclusive.with(evidence())))
            }
            // The variant whose words are its own: those of the report.
            "not_verified" => Verdict::NotVerified(NotVerified::NotProvoked(text(&self.reason))),
            _ => return None,
        };
        Some(Outcome {
            id,
            title,
            requirement,
            priority: [Priority::P0, Priority::P1].into_iter().find(|one| one.to_string() == self.priority)?,
            level: [Level::Must, Level::Should].into_iter().find(|one| one.to_string() == self.level)?,
            required: self.required,
            gates: self.gates,
            verdict,
            attempts: self.attempts,
            flaky: self.flaky,
            known: self.known,
            duration: Duration::from_millis(self.duration_ms),
            claims: self.profile.clone(),
            trace: self.trace.clone().map(model::Trace::from).unwrap_or_default(),
            // The report has the excerpt alone; `evidence/` has all of it.
            history: Arc::default(),
        })
    }
}

impl Evidence {
    /// The evidence as it was. Entries of other checks than `id` are told as its own.
    fn recall(&self, id: CheckId) -> model::Evidence {
        let entry = |entry: &Entry| model::Entry {
            at: Duration::try_from_secs_f64(entry.at_ms / 1_000.0).unwrap_or_default(),
            check: id,
            connection: ConnectionId(entry.connection),
            direction: if entry.sent { Direction::Sent } else { Direction::Received },
            record: entry.record.recall(),
            broken: entry.broken,
        };
        model::Evidence { entries: self.entries.iter().map(entry).collect(), facts: self.facts.clone() }
    }
}

impl Record {
    fn recall(&self) -> model::Record {
        match self.clone() {
            Self::Request { method, url, headers, body } => model::Record::Request { method, url, headers, body },
            Self::Response { status, headers, body } => model::Record::Response { status, headers, body },
            Self::Frame { fin, rsv, opcode, masked, length, minimal, payload, close_code, utf8 } => {
                let head = Head { fin, rsv, opcode, masked, length, minimal };
                model::Record::Frame { head, payload, close_code, utf8 }
            }
            Self::Ended(how) => model::Record::Ended(how),
            Self::Note(note) => model::Record::Note(note),
        }
    }
}
