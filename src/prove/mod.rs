//! Proof in both directions: every defect is caught by its own checks for the right reason, and
//! no permitted variation is accused.

mod clean;
mod defects;
mod mutants;
mod needs;
mod stage;
mod survivors;

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};
use serde::Serialize;

use crate::check::Check;
use crate::model::{Outcome, Verdict};
use crate::reference::{DEFECTS, Defect, Filter, VARIATIONS, Variation};

pub use clean::CheckProof;
use clean::Clean;
pub use defects::{DefectProof, Fate};
pub use mutants::{Ending, Mutant};
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
    /// Under each defect also the other checks that consult its switch.
    pub collateral: bool,
    /// Mutants that nobody picked by hand.
    pub mutants: Mutants,
    /// Reference environments side by side.
    pub jobs: usize,
}

impl ProveOptions {
    fn asks_for(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.contains(id)
    }

    /// The defects that are asked for and that a page of the checks names.
    fn defects(&self) -> impl Iterator<Item = &'static Defect> {
        let is_meant = |defect: &&Defect| self.asks_for(defect.id) && defects::is_named(defect, &self.checks);
        DEFECTS.iter().filter(is_meant)
    }
}

/// Mutants to be tried beside the defects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mutants {
    /// None.
    #[default]
    None,
    /// Every filter over every message and field of the contract.
    Generated,
    /// These, and neither defects nor variations.
    These(Vec<Filter>),
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
    /// Mutants, where they were asked for.
    pub mutants: Vec<Mutant>,
    /// What the file of survivors explains, though nothing survived so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unused_explanations: Vec<String>,
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
        let tried = !(self.defects.is_empty() && self.variations.is_empty() && self.mutants.is_empty());
        tried
            && !self.checks.is_empty()
            && self.checks.iter().all(|check| check.verdict == "conforms" && check.defects > 0)
            && self.defects.iter().all(|defect| defect.outcome == Fate::Caught && defect.unconsulted_by.is_empty())
            && self.mutants.iter().all(|mutant| mutant.outcome == Ending::Caught || mutant.explanation.is_some())
            && self.unused_explanations.is_empty()
            && self.variations.iter().all(|it| it.accused_by.is_empty() && it.unjudged.is_empty())
            && self.needs.iter().all(|need| need.not_verified)
    }
}

/// Proves. `tell` is called with each line of progress.
pub async fn prove(options: &ProveOptions, tell: &(dyn Fn(&str) + Sync)) -> Proof {
    let clean = Clean::run(options, tell).await;
    let mut proof = Proof { checks: clean.proofs.clone(), ..Proof::default() };
    if !matches!(options.mutants, Mutants::These(_)) {
        picked_by_hand(options, &clean, &mut proof, tell).await;
    }
    if options.mutants != Mutants::None {
        (proof.mutants, proof.unused_explanations) = mutants::prove(options, &clean, tell).await;
    }
    proof
}

/// Defects of time side by side.
const TIMED: usize = 2;

/// Defects, variations and needs.
async fn picked_by_hand(options: &ProveOptions, clean: &Clean, proof: &mut Proof, tell: &(dyn Fn(&str) + Sync)) {
    let prove_defect = |defect: &'static Defect| async move {
        let result = defects::prove(defect, options, clean).await;
        tell(&format!("{:9} {}", format!("{:?}", result.outcome).to_lowercase(), defect.id));
        result
    };
    let (timed, others): (Vec<_>, Vec<_>) =
        options.defects().partition(|defect| defects::is_about_time(defect, &options.checks));
    proof.defects = each(others.into_iter(), options.jobs, prove_defect).await;
    let variations = VARIATIONS.iter().filter(|variation| options.asks_for(variation.id));
    // Each runs every check: fewer side by side.
    proof.variations = each(variations, options.jobs.div_ceil(2), |variation| async {
        let result = prove_variation(variation, &options.checks, clean).await;
        let verdict = if result.accused_by.is_empty() { "unaccused" } else { "accused" };
        tell(&format!("{verdict:9} {}", variation.id));
        result
    })
    .await;
    // Where time is measured, what else goes on at the same time would be our own delay.
    proof.defects.extend(each(timed.into_iter(), TIMED, prove_defect).await);
    proof.defects.sort_by_key(|proved| DEFECTS.iter().position(|defect| defect.id == proved.id));
    if options.only.is_empty() {
        proof.needs = needs::prove(&options.checks).await;
    }
}

/// `prove` of each item, some side by side, in the items' order.
async fn each<T, R, F: Future<Output = R>>(
    items: impl Iterator<Item = T>,
    jobs: usize,
    prove: impl Fn(T) -> F,
) -> Vec<R> {
    stream::iter(items.map(prove)).buffered(jobs.max(1)).collect().await
}

async fn prove_variation(variation: &'static Variation, checks: &[&'static Check], clean: &Clean) -> VariationProof {
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
        let judged_clean = clean.conforms(outcome.id.as_str());
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
