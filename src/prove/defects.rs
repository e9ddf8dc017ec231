//! Each defect against its own checks, and against others that consult its switch.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::clean::Clean;
use super::stage::{Stage, StageError, Staging};
use super::{NETRA_V1, ProveOptions, reason};
use crate::check::Check;
use crate::model::{Finding, Verdict};
use crate::reference::Defect;

/// What became of a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Each of its checks deviated with the finding of its page.
    Caught,
    /// One of them did not.
    Survived,
    /// It could not be shown, or nothing could be judged under it.
    Broken,
}

impl Fate {
    /// Its word for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Caught => "caught",
            Self::Survived => "survived",
            Self::Broken => "broken",
        }
    }
}

/// A defect against its own checks.
#[derive(Clone, Serialize)]
pub struct DefectProof {
    /// The defect.
    pub id: &'static str,
    #[serde(skip)]
    pub(super) defect: &'static Defect,
    /// How long its own checks took.
    #[serde(skip)]
    pub(super) took: Duration,
    /// The checks whose pages name it.
    pub expected: Vec<&'static str>,
    /// Those that deviated with the finding of their page.
    pub caught_by: Vec<&'static str>,
    /// The finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<&'static str>,
    /// What became of it.
    pub outcome: Fate,
    /// What its checks said instead, or why it could not be shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Those of its checks on whose behalf the clean reference never consulted its switch: for them it is dead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unconsulted_by: Vec<&'static str>,
    /// How many other checks consult its switch and were run beside its own, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<usize>,
    /// Those of them that deviated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub collateral: Vec<&'static str>,
    /// Why it cannot be caught in this contract.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// Where many references shared the machine it was not caught, and was tried again where few did.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tried_again: bool,
}

impl DefectProof {
    /// Whether it is caught by its own checks, or cannot be in this contract.
    pub fn holds(&self) -> bool {
        self.explanation.is_some() || self.outcome == Fate::Caught && self.unconsulted_by.is_empty()
    }

    fn is_own(&self, check: &Check) -> bool {
        self.expected.contains(&check.id.as_str())
    }
}

/// The checks whose pages name `defect`, with the finding that must catch it.
fn catching<'a>(
    defect: &'a Defect,
    checks: &'a [&'static Check],
) -> impl Iterator<Item = (&'static Check, Option<Finding>)> + 'a {
    checks.iter().copied().flat_map(move |check| {
        let catches = check.page.catches().filter(|catch| catch.defect == defect.id);
        catches.map(move |catch| (check, catch.finding))
    })
}

/// Runs a defect's own checks under it.
pub(super) async fn prove(defect: &'static Defect, options: &ProveOptions, clean: &Clean) -> DefectProof {
    let expected: Vec<_> = catching(defect, &options.checks).collect();
    let mut result = DefectProof {
        id: defect.id,
        defect,
        took: Duration::ZERO,
        expected: expected.iter().map(|(check, _)| check.id.as_str()).collect(),
        caught_by: Vec::new(),
        finding: expected.first().and_then(|(_, finding)| *finding).map(Finding::slug),
        outcome: Fate::Broken,
        remarks: Vec::new(),
        unconsulted_by: Vec::new(),
        beside: None,
        collateral: Vec::new(),
        explanation: None,
        tried_again: false,
    };
    if let Some(baseline) = clean.under(defect.needs) {
        let asks = |check: &Check| baseline.concerns(check, |noted| defect.was_consulted(noted));
        let dead = expected.iter().filter(|(check, _)| baseline.knows(check) && !asks(check));
        result.unconsulted_by = dead.map(|(check, _)| check.id.as_str()).collect();
    }
    // In the registry's order, whoever asks.
    let checks: Vec<_> = options.checks.iter().copied().filter(|check| result.is_own(check)).collect();
    let began = Instant::now();
    let outcomes = match stage_of(defect, options).await {
        Ok(stage) => stage.run(&checks, false).await,
        Err(error) => {
            result.remarks.push(error.to_string());
            return result;
        }
    };
    result.took = began.elapsed();
    let mut unjudged = false;
    for outcome in outcomes {
        let Some((_, due)) = expected.iter().find(|(check, _)| check.id == outcome.id) else { continue };
        match &outcome.verdict {
            // A contract that promises less may show another sign first.
            Verdict::Deviates(deviation) if Some(deviation.finding) == *due || options.contract != NETRA_V1 => {
                result.caught_by.push(outcome.id.as_str());
            }
            verdict => {
                unjudged |= matches!(verdict, Verdict::NotVerified(_) | Verdict::Inconclusive(_));
                let why = reason(&outcome).map_or_else(String::new, |reason| format!(": {reason}"));
                result.remarks.push(format!("{} {}{why}", outcome.id, verdict.slug().replace('_', " ")));
            }
        }
    }
    result.outcome = if result.caught_by.len() == result.expected.len() {
        Fate::Caught
    } else if unjudged {
        Fate::Broken
    } else {
        Fate::Survived
    };
    result
}

/// Runs the other checks that may see a defect, on a stage of their own: what its own checks must see does not come to
/// one of these.
pub(super) async fn prove_beside(proof: &mut DefectProof, options: &ProveOptions, clean: &Clean) {
    let Some(baseline) = clean.under(proof.defect.needs) else { return };
    let may_see = |check: &Check| baseline.may_concern(check, |noted| proof.defect.was_consulted(noted));
    let others = baseline.conforming().map(|(check, _)| check);
    let others: Vec<_> = others.filter(|check| !proof.is_own(check) && may_see(check)).collect();
    let outcomes = match stage_of(proof.defect, options).await {
        Ok(stage) => stage.run(&others, false).await,
        Err(error) => return proof.remarks.push(error.to_string()),
    };
    proof.beside = Some(outcomes.len());
    let deviate = outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Deviates(_)));
    proof.collateral = deviate.map(|outcome| outcome.id.as_str()).collect();
}

async fn stage_of(defect: &Defect, options: &ProveOptions) -> Result<Stage, StageError> {
    Stage::start(Staging { defect: Some(defect.id.to_owned()), setting: defect.needs, ..options.staging() }).await
}
