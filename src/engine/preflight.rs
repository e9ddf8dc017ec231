//! What is decided before a check begins.

use crate::check::{Check, Waits};
use crate::model::{Effect, Need, NotVerified};
use crate::profile::Profile;
use crate::wire::{Contract, WsConfig};

/// Time that a check has beside its mandatory wait.
const TO_ACT: std::time::Duration = std::time::Duration::from_secs(5);

/// What is known of the target before the first check.
#[derive(Clone, Debug)]
pub struct Known {
    /// What `/ws/config` told, within its bounds.
    pub config: WsConfig,
    /// The auth service publishes keys: its tokens are signed asymmetrically.
    pub publishes_keys: bool,
}

/// Why `check` is not tried with this profile on this target, if it is not.
pub fn obstacle(check: &Check, profile: &Profile, contract: &Contract, known: &Known) -> Option<NotVerified> {
    if let Some(what) = contract.unpromised(check.id.as_str()) {
        return Some(NotVerified::Unpromised(what.to_owned()));
    }
    let lacks = |need: &Need| !profile.supplies(*need) || (*need == Need::Jwks && !known.publishes_keys);
    if let Some(need) = check.needs.iter().copied().find(lacks) {
        return Some(NotVerified::Lacks(need));
    }
    let forbidden = |effect: &Effect| !profile.allow.contains(effect);
    if let Some(effect) = check.effects.iter().copied().find(forbidden) {
        return Some(NotVerified::Forbids(effect));
    }
    let wait = (check.wait)(&Waits { profile, config: &known.config });
    let needs = wait + TO_ACT;
    (wait > std::time::Duration::ZERO && needs > profile.limits.check)
        .then_some(NotVerified::TooLong { needs, limit: profile.limits.check })
}
