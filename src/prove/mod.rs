//! Proof in both directions: every defect is caught by its own checks for the right reason, and
//! no permitted variation is accused.

mod clean;
mod defects;
mod mutants;
mod needs;
mod stage;
mod survivors;
mod variations;

use std::borrow::Cow;
use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::check::Check;
use crate::model::{Blame, Outcome, Verdict};
use crate::reference::{DEFECTS, Defect, Filter, VARIATIONS};

pub use clean::CheckProof;
use clean::Clean;
pub use defects::{DefectProof, Fate};
pub use mutants::{Ending, Mutant};
pub use needs::NeedProof;
pub use stage::StageError;
use stage::Staging;
pub use variations::VariationProof;

/// What is proved, and how.
#[derive(Clone)]
pub struct ProveOptions {
    /// The contract that the references speak: a built-in one, or the path of a file.
    pub contract: String,
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
    /// A stage on which nothing is otherwise.
    fn staging(&self) -> Staging {
        Staging { contract: self.contract.clone(), ..Staging::default() }
    }

    fn asks_for(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.contains(id)
    }

    /// The defects that are asked for and that a page of the checks names.
    fn defects(&self) -> impl Iterator<Item = &'static Defect> {
        let named: BTreeSet<_> =
            self.checks.iter().flat_map(|check| check.page.catches()).map(|it| it.defect).collect();
        DEFECTS.iter().filter(move |defect| self.asks_for(defect.id) && named.contains(defect.id))
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
#[derive(Default, Serialize)]
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

impl Proof {
    /// Whether everything that was tried is proved.
    pub fn holds(&self) -> bool {
        let tried = !(self.defects.is_empty() && self.variations.is_empty() && self.mutants.is_empty());
        tried
            && !self.checks.is_empty()
            && self.checks.iter().all(|check| check.verdict == "conforms" && check.defects > 0)
            && self.defects.iter().all(DefectProof::holds)
            && self.mutants.iter().all(|mutant| mutant.outcome == Ending::Caught || mutant.explanation.is_some())
            && self.unused_explanations.is_empty()
            && self.variations.iter().all(VariationProof::holds)
            && self.needs.iter().all(|need| need.not_verified)
    }
}

/// Proves. `tell` is called with each line of progress.
pub async fn prove(options: &ProveOptions, tell: &(dyn Fn(&str) + Sync)) -> Proof {
    let mut clean = Clean::run(options, tell).await;
    let mut options = Cow::Borrowed(options);
    if options.contract != NETRA_V1 {
        // What another contract does not promise, is known to do wrong, or makes last too long, nobody can prove.
        // Whatever else does not conform stands in the way of the proof.
        clean.leave_out(&options);
        options.to_mut().checks.retain(|check| clean.has(check.id.as_str()));
    }
    let options = &*options;
    let mut proof = Proof { checks: clean.proofs.clone(), ..Proof::default() };
    if !matches!(options.mutants, Mutants::These(_)) {
        picked_by_hand(options, &clean, &mut proof, tell).await;
    }
    if options.mutants != Mutants::None {
        (proof.mutants, proof.unused_explanations) = mutants::prove(options, &clean, tell).await;
    }
    proof
}

/// The contract of which everything is proved.
pub const NETRA_V1: &str = "netra-v1";

/// What could not be judged where many share the machine is tried again, so many side by side.
const QUIETLY: usize = 2;

/// Defects, variations and needs.
async fn picked_by_hand(options: &ProveOptions, clean: &Clean, proof: &mut Proof, tell: &(dyn Fn(&str) + Sync)) {
    let tell_defect = |proved: &DefectProof| tell(&format!("{:9} {}", proved.outcome.word(), proved.id));
    let tell_variation = |proved: &VariationProof| tell(&format!("{:9} {}", proved.word(), proved.id));
    // Side by side from the first to the last: variations keep the processors busy, defects mostly wait.
    let of_defects = Semaphore::new(options.jobs.div_ceil(3));
    let of_variations = Semaphore::new((options.jobs - options.jobs.div_ceil(3)).max(1));
    let variations = VARIATIONS.iter().filter(|variation| options.asks_for(variation.id));
    let variations = join_all(variations.map(|variation| async {
        let proved = variations::prove(variation, options, clean, &of_variations).await;
        tell_variation(&proved);
        proved
    }));
    let defects = each(options.defects(), &of_defects, |defect| async move {
        let proved = defects::prove(defect, options, clean).await;
        tell_defect(&proved);
        proved
    });
    (proof.variations, proof.defects) = tokio::join!(variations, defects);

    // Many references share a machine. Where that is why a check could not measure, or judged a defect by another of its
    // effects, it is asked again; who accuses a variation is not.
    let slots = Semaphore::new(QUIETLY);
    let delayed = proof.variations.iter_mut().filter(|proved| proved.met_our_delay());
    join_all(delayed.map(|proved| async {
        variations::prove_again(proved, options, clean, &slots).await;
        tell_variation(proved);
    }))
    .await;
    let explanations = survivors::InContract::read(&options.contract);
    for proved in &mut proof.defects {
        if proved.outcome != Fate::Caught || !proved.unconsulted_by.is_empty() {
            proved.explanation = explanations.of(proved.id).map(str::to_owned);
        } else if explanations.of(proved.id).is_some() {
            proof.unused_explanations.push(proved.id.to_owned());
        }
    }
    let uncaught = proof.defects.iter_mut().filter(|proved| !proved.holds() && proved.outcome != Fate::Caught);
    each(uncaught, &slots, |proved| async move {
        *proved = defects::prove(proved.defect, options, clean).await;
        proved.tried_again = true;
        tell_defect(proved);
    })
    .await;
    if options.collateral {
        // Nothing is judged by them, so they may wait for a processor; what keeps its own checks waiting goes first, since
        // it keeps others waiting, too.
        let slots = Semaphore::new(options.jobs * 2);
        let mut defects: Vec<_> = proof.defects.iter_mut().collect();
        defects.sort_by_key(|proved| std::cmp::Reverse(proved.took));
        each(defects.into_iter(), &slots, |proved| defects::prove_beside(proved, options, clean)).await;
    }
    if options.only.is_empty() && options.contract == NETRA_V1 {
        proof.needs = needs::prove(options).await;
    }
}

/// `prove` of each item, as many at a time as there are `slots`, in the items' order.
async fn each<T, R, F: Future<Output = R>>(
    items: impl Iterator<Item = T>,
    slots: &Semaphore,
    prove: impl Fn(T) -> F,
) -> Vec<R> {
    let proofs = items.map(|item| {
        let proof = prove(item);
        async move {
            // Never closed.
            let _slot = slots.acquire().await;
            proof.await
        }
    });
    join_all(proofs).await
}

/// Whether a check said that this machine was too busy to judge.
fn met_our_delay(outcome: &Outcome) -> bool {
    matches!(&outcome.verdict, Verdict::Inconclusive(why) if why.blame == Blame::Harness)
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
