//! What became of a check and of a run: verdicts, totals, exit code.

use std::process::{ExitCode as ProcessExit, Termination};
use std::sync::Arc;
use std::time::Duration;

use super::{
    CheckId, Conforms, Deviation, Evidence, History, Inconclusive, Judgement, Level, NotVerified, Priority, Stop, Trace,
};

/// A check's result as reports show it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which check.
    pub id: CheckId,
    /// Its page's title.
    pub title: &'static str,
    /// Its page's requirement sentence, the one that every report shows.
    pub requirement: &'static str,
    /// Priority of its scenario.
    pub priority: Priority,
    /// MUST or SHOULD.
    pub level: Level,
    /// The gate insists on it.
    pub required: bool,
    /// A deviation of it fails the run.
    pub gates: bool,
    /// What it said at last.
    pub verdict: Verdict,
    /// How often it was tried, at least 1 when it was begun.
    pub attempts: u32,
    /// Its attempts disagreed.
    pub flaky: bool,
    /// A baseline knows this deviation, so that it does not gate.
    pub known: bool,
    /// Time from its first action to its last, without waiting for its turn.
    pub duration: Duration,
    /// Of a deviation or an inconclusive check: the lines of the profile on which the verdict
    /// rests ("urls.backend at profiles/staging.yaml:5 (https://…)"), without secrets.
    pub claims: Vec<String>,
    /// Of the same: what finds its decisive exchange in the target's logs.
    pub trace: Trace,
    /// Of the same: everything that was said on its behalf; its evidence is an excerpt.
    pub history: Arc<History>,
}

/// [`Judgement`] in a form that can be shared with every report.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The requirement holds, seen so often.
    Conforms(Conforms),
    /// It does not.
    Deviates(Arc<Deviation>),
    /// Not tried.
    NotVerified(NotVerified),
    /// Tried, not judged.
    Inconclusive(Arc<Inconclusive>),
}

impl From<Judgement> for Verdict {
    fn from(judgement: Judgement) -> Self {
        match judgement {
            Ok(conforms) => Self::Conforms(conforms),
            Err(Stop::Deviates(deviation)) => Self::Deviates(deviation.into()),
            Err(Stop::NotVerified(reason)) => Self::NotVerified(reason),
            Err(Stop::Inconclusive(inconclusive)) => Self::Inconclusive(inconclusive.into()),
        }
    }
}

impl Verdict {
    /// The evidence of a deviation or of what could not be judged.
    pub fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::Deviates(deviation) => Some(&deviation.evidence),
            Self::Inconclusive(inconclusive) => Some(&inconclusive.evidence),
            Self::Conforms(_) | Self::NotVerified(_) => None,
        }
    }

    /// What a check that conforms has measured, one line each.
    pub fn figures(&self) -> &[String] {
        match self {
            Self::Conforms(conforms) => conforms.figures(),
            Self::Deviates(_) | Self::NotVerified(_) | Self::Inconclusive(_) => &[],
        }
    }

    /// Its word in JSON.
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::Conforms(_) => "conforms",
            Self::Deviates(_) => "deviates",
            Self::NotVerified(_) => "not_verified",
            Self::Inconclusive(_) => "inconclusive",
        }
    }
}

/// Counts of a run; every headline states all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requirement holds.
    pub conforms: usize,
    /// Gating deviations.
    pub deviates: usize,
    /// Deviations that do not gate.
    pub warnings: usize,
    /// Not tried.
    pub not_verified: usize,
    /// Tried, not judged.
    pub inconclusive: usize,
    /// Left out by the user.
    pub not_selected: usize,
    /// Attempts disagreed (counted above, too).
    pub flaky: usize,
    /// Deviations that a baseline knows (counted above, too).
    pub known: usize,
}

impl Totals {
    /// Counts `outcomes`; `not_selected` were left out by the user.
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>, not_selected: usize) -> Self {
        let mut totals = Self { not_selected, ..Self::default() };
        for outcome in outcomes {
            match &outcome.verdict {
                Verdict::Conforms(_) => totals.conforms += 1,
                Verdict::Deviates(_) if outcome.gates => totals.deviates += 1,
                Verdict::Deviates(_) => totals.warnings += 1,
                Verdict::NotVerified(_) => totals.not_verified += 1,
                Verdict::Inconclusive(_) => totals.inconclusive += 1,
            }
            totals.flaky += usize::from(outcome.flaky);
            totals.known += usize::from(outcome.known);
        }
        totals
    }
}

/// The process's answer to a deployment gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// 0: nothing gating deviates, no required check is open, at least one check conforms.
    Conforms,
    /// 1: at least one gating deviation.
    Deviation,
    /// 2: usage or profile error.
    Usage,
    /// 3: a required check is inconclusive, or the environment is unreachable.
    Inconclusive,
    /// 4: nothing selected, nothing judged, or a required check not verified.
    NothingVerified,
    /// 5: a report could not be written, or would have leaked a secret.
    Report,
    /// 70: internal error.
    Internal,
    /// 130: interrupted; reports are written.
    Interrupted,
}

impl ExitCode {
    /// All codes in the order of the table.
    pub const ALL: [Self; 8] = [
        Self::Conforms,
        Self::Deviation,
        Self::Usage,
        Self::Inconclusive,
        Self::NothingVerified,
        Self::Report,
        Self::Internal,
        Self::Interrupted,
    ];

    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Conforms => 0,
            Self::Deviation => 1,
            Self::Usage => 2,
            Self::Inconclusive => 3,
            Self::NothingVerified => 4,
            Self::Report => 5,
            Self::Internal => 70,
            Self::Interrupted => 130,
        }
    }

    /// Of two that hold, the one that is told: 130, 70, 5, 1, 3, 4, 0.
    #[must_use]
    pub fn or_worse(self, other: Self) -> Self {
        let rank = |code: Self| match code {
            Self::Interrupted => 7,
            Self::Internal => 6,
            Self::Report => 5,
            Self::Usage => 4,
            Self::Deviation => 3,
            Self::Inconclusive => 2,
            Self::NothingVerified => 1,
            Self::Conforms => 0,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl Termination for ExitCode {
    fn report(self) -> ProcessExit {
        self.code().into()
    }
}
