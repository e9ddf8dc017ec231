//! What the defects of a replay make of it.

use std::sync::Arc;

use super::session::Entry;
use crate::reference::policy::RestorePolicy;

/// The missed messages as they are sent; unchanged without a defect.
pub(super) fn twisted(policy: RestorePolicy, mut missed: Vec<Arc<Entry>>) -> Vec<Arc<Entry>> {
    if policy.lose_one_on_drop.on() {
        missed.drain(..missed.len().min(1));
    }
    if policy.lose_tail.on() {
        missed.truncate(missed.len().saturating_sub(3));
    }
    if policy.replay_one_twice.on()
        && let Some(first) = missed.first().cloned()
    {
        missed.insert(0, first);
    }
    if policy.replay_reversed.on() {
        missed.reverse();
    }
    if policy.replay_renumbered.on() {
        let renumbered = |(number, entry): (u64, &Arc<Entry>)| Entry { sequence: Some(number), ..(**entry).clone() };
        missed = (1..).zip(&missed).map(renumbered).map(Arc::new).collect();
    }
    missed
}
