//! What one check may do to the environment, and what befell it on the way there.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::model::{Blame, Effect, Evidence, Inconclusive};

/// Manners of one check.
#[derive(Debug, Default)]
pub struct Manners {
    /// A bit for each permitted effect beside `read`.
    effects: AtomicU8,
    unpaced: AtomicBool,
    expects_outages: AtomicBool,
    takes_any_answer: AtomicBool,
    restores: AtomicBool,
    disturbance: Mutex<Option<Inconclusive>>,
    pause: Mutex<Option<Duration>>,
    breach: Mutex<Option<String>>,
    waits: Mutex<Waits>,
}

#[derive(Debug, Default)]
struct Waits {
    /// How many wait at this moment, and since when there is one.
    waiting: usize,
    since: Option<Instant>,
    over: Duration,
}

const fn bit(effect: Effect) -> u8 {
    1 << effect as u8
}

impl Manners {
    /// Permits effects; without it only `read`. Who may disturb others may log out logins of its own.
    pub fn permit(&self, effects: impl IntoIterator<Item = Effect>) {
        for effect in effects {
            let also = if effect == Effect::Disrupt { bit(Effect::Revoke) } else { 0 };
            self.effects.fetch_or(bit(effect) | also, Ordering::Relaxed);
        }
    }

    /// Whether an effect is permitted.
    pub(super) fn permits(&self, effect: Effect) -> bool {
        effect == Effect::Read || self.effects.load(Ordering::Relaxed) & bit(effect) != 0
    }

    /// It exhausts limits: it is neither paced by user, nor disturbed when the target says that it is too much.
    pub fn expect_throttling(&self) {
        self.unpaced.store(true, Ordering::Relaxed);
    }

    pub(super) fn expects_throttling(&self) -> bool {
        self.unpaced.load(Ordering::Relaxed)
    }

    /// It takes services down: that they are not reached then is no reason to give them up.
    pub fn expect_outages(&self) {
        self.expects_outages.store(true, Ordering::Relaxed);
    }

    pub(super) fn expects_outages(&self) -> bool {
        self.expects_outages.load(Ordering::Relaxed)
    }

    /// It looks at the way itself: to it a gateway's answer is an answer like any other.
    pub fn take_any_answer(&self) {
        self.takes_any_answer.store(true, Ordering::Relaxed);
    }

    pub(super) fn takes_any_answer(&self) -> bool {
        self.takes_any_answer.load(Ordering::Relaxed)
    }

    /// It takes sessions up again: an old socket of theirs may be closed 1001.
    pub(super) fn restores(&self) {
        self.restores.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_restored(&self) -> bool {
        self.restores.load(Ordering::Relaxed)
    }

    /// Something came between the check and what it is about; the first is told.
    pub(super) fn disturb(&self, blame: Blame, what: String, evidence: Evidence) {
        let mut disturbance = self.disturbance.lock().unwrap_or_else(PoisonError::into_inner);
        disturbance.get_or_insert_with(|| Inconclusive::new(blame, what).with(evidence));
    }

    /// What came between, if anything did: whatever the check says then, it is not judged.
    pub fn disturbance(&self) -> Option<Inconclusive> {
        self.disturbance.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The target said after which time it will listen again.
    pub(super) fn slow_down(&self, pause: Duration) {
        let mut longest = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        *longest = (*longest).max(Some(pause));
    }

    /// After which time the target will listen again, where it asked us to slow down and said so.
    pub fn asked_pause(&self) -> Option<Duration> {
        *self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The check tried what it has not declared; it was not sent.
    pub(super) fn breach(&self, what: &str) {
        self.breach.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| what.to_owned());
    }

    /// What it tried without having declared it: a defect of ours.
    pub fn breached(&self) -> Option<String> {
        self.breach.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now until what is returned is dropped it waits for its turn.
    pub(super) fn wait(&self) -> Turn<'_> {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.waiting += 1;
        waits.since.get_or_insert_with(Instant::now);
        Turn(self)
    }

    /// How long it has waited for turns so far: none of its own time. Waits side by side count once.
    pub fn waited(&self) -> Duration {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.over + waits.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// A wait for a turn that goes on.
#[derive(Debug)]
pub(super) struct Turn<'m>(&'m Manners);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waits = self.0.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.waiting -= 1;
        if waits.waiting == 0
            && let Some(since) = waits.since.take()
        {
            waits.over += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_permitted_may_be_done() {
        let manners = Manners::default();
        assert!(manners.permits(Effect::Read));
        assert!(Effect::ALL.into_iter().skip(1).all(|effect| !manners.permits(effect)));
        manners.permit([Effect::Create]);
        assert!(manners.permits(Effect::Create) && !manners.permits(Effect::Revoke));
        manners.permit([Effect::Disrupt]);
        assert!(manners.permits(Effect::Revoke) && !manners.permits(Effect::Quota));
    }

    #[test]
    fn waits_side_by_side_count_once() {
        let manners = Manners::default();
        let began = Instant::now();
        let (one, other) = (manners.wait(), manners.wait());
        std::thread::sleep(Duration::from_millis(20));
        drop(one);
        assert!(manners.waited() >= Duration::from_millis(20));
        drop(other);
        let waited = manners.waited();
        assert!(waited >= Duration::from_millis(20) && waited <= began.elapsed());
        assert_eq!(manners.waited(), waited, "nobody waits any more");
    }
}
