//! Each declared need and effect taken away: the check must say *not verified*, and why.

use serde::Serialize;

use super::ProveOptions;
use super::stage::{Stage, withdraw};
use crate::check::Check;
use crate::model::{Effect, NotVerified, Verdict};

/// A need or effect taken away from a check.
#[derive(Clone, Debug, Serialize)]
pub struct NeedProof {
    /// The check.
    pub check: &'static str,
    /// What was taken away.
    pub without: String,
    /// It said *not verified*, naming just that.
    pub not_verified: bool,
}

/// Takes each declared need and effect of each check away in turn.
pub(super) async fn prove(options: &ProveOptions) -> Vec<NeedProof> {
    let mut proofs = Vec::new();
    let Ok(mut stage) = Stage::start(options.staging()).await else { return proofs };
    let whole = stage.profile().clone();
    for check in options.checks.iter().copied() {
        for need in check.needs.iter().copied() {
            stage.without(|profile| withdraw(profile, need));
            let named = verdict(&stage, check).await.is_some_and(|reason| match reason {
                NotVerified::Lacks(lacking) => {
                    lacking == need || !whole.supplies(lacking) || check.needs.contains(&lacking)
                }
                _ => false,
            });
            proofs.push(NeedProof { check: check.id.as_str(), without: need.to_string(), not_verified: named });
            stage.without(|profile| *profile = whole.clone());
        }
        for effect in check.effects.iter().copied().filter(|effect| *effect != Effect::Read) {
            stage.without(|profile| {
                profile.allow.remove(&effect);
            });
            let named = matches!(verdict(&stage, check).await, Some(NotVerified::Forbids(_) | NotVerified::Lacks(_)));
            proofs.push(NeedProof { check: check.id.as_str(), without: effect.to_string(), not_verified: named });
            stage.without(|profile| *profile = whole.clone());
        }
    }
    stage.end().await;
    proofs
}

async fn verdict(stage: &Stage, check: &'static Check) -> Option<NotVerified> {
    let outcomes = stage.judge(&[check], false).await;
    match &outcomes.first()?.verdict {
        Verdict::NotVerified(reason) => Some(reason.clone()),
        _ => None,
    }
}
