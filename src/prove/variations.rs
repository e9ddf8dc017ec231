//! Each permitted variation against every check: nobody is accused unjustly.

use serde::Serialize;
use tokio::sync::Semaphore;

use super::clean::Clean;
use super::stage::{Stage, Staging};
use super::{ProveOptions, each, met_our_delay, reason};
use crate::check::Check;
use crate::engine::phases;
use crate::model::{Outcome, Verdict};
use crate::reference::Variation;

/// A variation against every check.
#[derive(Clone, Serialize)]
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
    /// Checks that met our own delay.
    #[serde(skip)]
    delayed: Vec<&'static Check>,
}

impl VariationProof {
    /// Whether every check conforms that conforms without it.
    pub fn holds(&self) -> bool {
        self.accused_by.is_empty() && self.unjudged.is_empty() && self.delayed.is_empty()
    }

    /// Whether some of the checks are to be asked again.
    pub(super) fn met_our_delay(&self) -> bool {
        !self.delayed.is_empty()
    }

    pub(super) fn word(&self) -> &'static str {
        match (self.holds(), self.met_our_delay()) {
            (true, _) => "unaccused",
            (false, true) => "delayed",
            (false, false) => "accused",
        }
    }

    fn judge(&mut self, check: &'static Check, outcome: &Outcome, clean: &Clean) {
        match &outcome.verdict {
            Verdict::Deviates(_) => self.accused_by.push(check.id.as_str()),
            Verdict::Inconclusive(_) if met_our_delay(outcome) => return self.delayed.push(check),
            Verdict::Inconclusive(_) if clean.conforms(check.id.as_str()) => self.unjudged.push(check.id.as_str()),
            // What needs a setting that this stage has not may stay unverified, as on the default.
            Verdict::Conforms(_) | Verdict::NotVerified(_) | Verdict::Inconclusive(_) => return,
        }
        if let Some(why) = reason(outcome) {
            self.remarks.push(format!("{}: {why}", check.id));
        }
    }

    async fn try_on(&mut self, checks: &[&'static Check], options: &ProveOptions, clean: &Clean, slots: &Semaphore) {
        // What runs one after the other in a run has a reference of its own each.
        let ran = each(phases(checks), slots, |checks| async {
            let staging = Staging { variation: Some(self.id.to_owned()), ..options.staging() };
            let outcomes = match Stage::start(staging).await {
                Ok(stage) => Ok(stage.run(&checks, false).await),
                Err(error) => Err(error),
            };
            (checks, outcomes)
        })
        .await;
        for (checks, outcomes) in ran {
            match outcomes {
                Ok(outcomes) => {
                    for (check, outcome) in checks.into_iter().zip(outcomes) {
                        self.judge(check, &outcome, clean);
                    }
                }
                Err(error) => {
                    self.unjudged.extend(checks.iter().map(|check| check.id.as_str()));
                    self.remarks.push(error.to_string());
                }
            }
        }
    }
}

/// Runs the checks under a variation, wherever there is a slot.
pub(super) async fn prove(
    variation: &'static Variation,
    options: &ProveOptions,
    clean: &Clean,
    slots: &Semaphore,
) -> VariationProof {
    let mut proof = VariationProof {
        id: variation.id,
        accused_by: Vec::new(),
        unjudged: Vec::new(),
        remarks: Vec::new(),
        delayed: Vec::new(),
    };
    proof.try_on(&options.checks, options, clean, slots).await;
    proof
}

/// Runs those of its checks once more that met our own delay; what meets it again is not judged.
pub(super) async fn prove_again(proof: &mut VariationProof, options: &ProveOptions, clean: &Clean, slots: &Semaphore) {
    let checks = std::mem::take(&mut proof.delayed);
    proof.try_on(&checks, options, clean, slots).await;
    for check in std::mem::take(&mut proof.delayed) {
        proof.unjudged.push(check.id.as_str());
        proof.remarks.push(format!("{} met our own delay twice", check.id));
    }
}
