//! Proof in both directions: every defect is caught by its own checks for the right reason, and
//! no permitted variation is accused.

mod mutants;
mod needs;
mod stage;

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};
use serde::Serialize;

use crate::check::Check;
use crate::model::{Finding, Outcome, Verdict};
use crate::reference::{DEFECTS, Defect, Setting, VARIATIONS, Variation};

pub use mutants::Mutant;
pub use needs::NeedProof;
pub use stage::StageError;
use stage::{Stage, Staging};

/// What is proved, and how.
#[derive(Clone)]
pub struct ProveOptions {
    /// The checks whose proof is asked for.
    pub checks: Vec<&'static Check>,
    /// Only these defects and variations; empty: all.
    pub only: BTreeSet<String>,
    /// Every check under every defect.
    pub collateral: bool,
    /// Also the generated mutants.
    pub generated: bool,
    /// Reference environments side by side.
    pub jobs: usize,
}

/// The proof, as `prove --json` writes it.
#[derive(Debug, Default, Serialize)]
pub struct Proof {
    /// Each check on the clean reference.
    pub checks: Vec<CheckProof>,
    /// Each defect against its own checks.
    pub defects: Vec<DefectProof>,
    /// Each variation against every check.
    pub variations: Vec<VariationProof>,
    /// Each declared need taken away.
    pub needs: Vec<NeedProof>,
    /// Generated mutants, where they were asked for.
    pub mutants: Vec<Mutant>,
}

/// A check on the clean reference, under the setting that it needs.
#[derive(Clone, Debug, Serialize)]
pub struct CheckProof {
    /// The check.
    pub id: &'static str,
    /// What it said.
    pub verdict: &'static str,
    /// Why, where it did not conform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Defects that its page names.
    pub defects: usize,
}

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

/// A defect against its own checks.
#[derive(Clone, Debug, Serialize)]
pub struct DefectProof {
    /// The defect.
    pub id: &'static str,
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
    /// Other checks that deviate under it, where they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub collateral: Vec<&'static str>,
}

/// A variation against every check.
#[derive(Clone, Debug, Serialize)]
pub struct VariationProof {
    /// The variation.
    pub id: &'static str,
    /// Checks that deviate under it.
    pub accused_by: Vec<&'static str>,
    /// Checks that could not be judged under it, though they can without.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unjudged: Vec<&'static str>,
    /// What those checks said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

impl Proof {
    /// Whether everything that was tried is proved.
    pub fn holds(&self) -> bool {
        !(self.checks.is_empty() || self.defects.is_empty() && self.variations.is_empty())
            && self.checks.iter().all(|check| check.verdict == "conforms" && check.defects > 0)
            && self.defects.iter().all(|defect| defect.outcome == Fate::Caught)
            && self.variations.iter().all(|it| it.accused_by.is_empty() && it.unjudged.is_empty())
            && self.needs.iter().all(|need| need.not_verified)
    }
}

/// Proves. `tell` is called with each line of progress.
pub async fn prove(options: &ProveOptions, tell: &(dyn Fn(&str) + Sync)) -> Proof {
    let asked = |id: &str| options.only.is_empty() || options.only.contains(id);
    let mut proof = Proof { checks: clean(options, tell).await, ..Proof::default() };

    let named = |defect: &Defect| catching(defect, &options.checks).next().is_some();
    let defects = DEFECTS.iter().filter(|defect| asked(defect.id) && named(defect));
    proof.defects = each(defects, options.jobs, |defect| async move {
        let result = prove_defect(defect, options).await;
        tell(&format!("{:9} {}", format!("{:?}", result.outcome).to_lowercase(), defect.id));
        result
    })
    .await;
    let variations = VARIATIONS.iter().filter(|variation| asked(variation.id));
    // Each runs every check: fewer side by side.
    let jobs = options.jobs.div_ceil(2);
    proof.variations = each(variations, jobs, |variation| async {
        let result = prove_variation(variation, &options.checks, &proof.checks).await;
        let verdict = if result.accused_by.is_empty() { "unaccused" } else { "accused" };
        tell(&format!("{verdict:9} {}", variation.id));
        result
    })
    .await;
    if options.only.is_empty() {
        proof.needs = needs::prove(&options.checks).await;
    }
    if options.generated {
        proof.mutants = mutants::prove(&options.checks, options.jobs, tell).await;
    }
    proof
}

/// `prove` of each item, some side by side, in the items' order.
async fn each<T, R, F: Future<Output = R>>(
    items: impl Iterator<Item = T>,
    jobs: usize,
    prove: impl Fn(T) -> F,
) -> Vec<R> {
    stream::iter(items.map(prove)).buffered(jobs.max(1)).collect().await
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

/// The clean reference, by itself and under each setting that a check cannot do without.
async fn clean(options: &ProveOptions, tell: &(dyn Fn(&str) + Sync)) -> Vec<CheckProof> {
    let mut proofs: Vec<Option<CheckProof>> = vec![None; options.checks.len()];
    for setting in [None, Some(Setting::Rs256), Some(Setting::Tls), Some(Setting::PostgreSql)] {
        let open: Vec<_> = options
            .checks
            .iter()
            .copied()
            .zip(&proofs)
            .filter(|(_, proof)| proof.as_ref().is_none_or(|proof| proof.verdict == "not_verified"))
            .map(|(check, _)| check)
            .collect();
        if open.is_empty() {
            break;
        }
        let outcomes = match Stage::start(Staging { setting, ..Staging::default() }).await {
            Ok(stage) => stage.run(&open, false).await,
            Err(error) => {
                tell(&format!("the clean reference: {error}"));
                continue;
            }
        };
        for outcome in outcomes {
            let Some(place) = options.checks.iter().position(|check| check.id == outcome.id) else { continue };
            let better = !matches!(outcome.verdict, Verdict::NotVerified(_)) || proofs[place].is_none();
            if better {
                proofs[place] = Some(CheckProof {
                    id: outcome.id.as_str(),
                    verdict: outcome.verdict.slug(),
                    reason: reason(&outcome),
                    defects: options.checks[place].page.catches().count(),
                });
            }
        }
    }
    let unknown = |check: &&'static Check| CheckProof {
        id: check.id.as_str(),
        verdict: "not_verified",
        reason: Some("the clean reference did not start".into()),
        defects: check.page.catches().count(),
    };
    proofs.into_iter().zip(&options.checks).map(|(proof, check)| proof.unwrap_or_else(|| unknown(check))).collect()
}

async fn prove_defect(defect: &'static Defect, options: &ProveOptions) -> DefectProof {
    let expected: Vec<_> = catching(defect, &options.checks).collect();
    let mut result = DefectProof {
        id: defect.id,
        expected: expected.iter().map(|(check, _)| check.id.as_str()).collect(),
        caught_by: Vec::new(),
        finding: expected.first().and_then(|(_, finding)| *finding).map(Finding::slug),
        outcome: Fate::Broken,
        remarks: Vec::new(),
        collateral: Vec::new(),
    };
    let own: Vec<_> = expected.iter().map(|(check, _)| *check).collect();
    let staging = Staging { defect: Some(defect.id.to_owned()), setting: defect.needs, ..Staging::default() };
    let outcomes = match Stage::start(staging).await {
        Ok(stage) => stage.run(if options.collateral { &options.checks } else { &own }, false).await,
        Err(error) => {
            result.remarks.push(error.to_string());
            return result;
        }
    };
    let mut unjudged = false;
    for outcome in outcomes {
        let due = expected.iter().find(|(check, _)| check.id == outcome.id);
        match (&outcome.verdict, due) {
            (Verdict::Deviates(deviation), Some((_, finding))) if Some(deviation.finding) == *finding => {
                result.caught_by.push(outcome.id.as_str());
            }
            (Verdict::Deviates(_), None) => result.collateral.push(outcome.id.as_str()),
            (_, None) => {}
            (verdict, Some(_)) => {
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

async fn prove_variation(
    variation: &'static Variation,
    checks: &[&'static Check],
    clean: &[CheckProof],
) -> VariationProof {
    let mut result =
        VariationProof { id: variation.id, accused_by: Vec::new(), unjudged: Vec::new(), remarks: Vec::new() };
    let staging = Staging { variation: Some(variation.id.to_owned()), ..Staging::default() };
    let outcomes = match Stage::start(staging).await {
        Ok(stage) => stage.run(checks, false).await,
        Err(error) => {
            result.unjudged = checks.iter().map(|check| check.id.as_str()).collect();
            result.remarks.push(error.to_string());
            return result;
        }
    };
    for outcome in outcomes {
        let judged_clean = clean.iter().any(|proof| proof.id == outcome.id.as_str() && proof.verdict == "conforms");
        match &outcome.verdict {
            Verdict::Conforms(_) => continue,
            Verdict::Deviates(_) => result.accused_by.push(outcome.id.as_str()),
            // What needs a setting that this stage has not may stay unverified, as on the default.
            Verdict::NotVerified(_) => continue,
            Verdict::Inconclusive(_) if judged_clean => result.unjudged.push(outcome.id.as_str()),
            Verdict::Inconclusive(_) => continue,
        }
        if let Some(why) = reason(&outcome) {
            result.remarks.push(format!("{}: {why}", outcome.id));
        }
    }
    result
}

/// Why a check did not conform, in one line.
fn reason(outcome: &Outcome) -> Option<String> {
    match &outcome.verdict {
        Verdict::Conforms(_) => None,
        Verdict::Deviates(deviation) => Some(format!(
            "{} at {}: expected {}, seen {}",
            deviation.finding,
            deviation.step,
            deviation.expected.join(" or "),
            deviation.seen
        )),
        Verdict::NotVerified(reason) => Some(reason.to_string()),
        Verdict::Inconclusive(why) => Some(format!("blame {}: {}", why.blame, why.what)),
    }
}
