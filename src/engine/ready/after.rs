//! The environment after the run: still of the same revision, still well?

use std::sync::Arc;
use std::time::Instant;

use super::{FIRST_PAUSE, Patience, Revisions, recorder, samples};
use crate::model::{Blame, Deviation, Inconclusive, Outcome, Verdict};
use crate::target::Target;

/// What became of the environment during the run.
#[derive(Debug, Default)]
pub(in super::super) struct After {
    /// From which revision to which, when it changed.
    rollout: Option<String>,
    /// What is wrong with an origin that was well before.
    damage: Option<String>,
}

/// Asks health and revision again. An origin that does not answer well has `limits.connect_s` to recover: the last
/// check may have disturbed it.
pub(in super::super) async fn look_again(target: &Target, before: &Revisions) -> After {
    let end = Instant::now() + target.profile().limits.connect;
    let recorder = recorder(target);
    loop {
        let samples = samples(target, &recorder).await;
        let unwell = samples.iter().find_map(|origin| origin.healthy(target).err());
        let revisions = match unwell {
            None => Revisions::of(target, &recorder, &samples).await,
            Some(obstacle) => Err(obstacle),
        };
        match revisions {
            Ok(after) if before.differs(&after) => {
                let text = |revisions: &Revisions| revisions.text().unwrap_or_else(|| "none".into());
                let rollout = format!("from {} to {}", text(before), text(&after));
                return After { rollout: Some(rollout), damage: None };
            }
            Ok(_) => return After::default(),
            // It asks us to slow down, which it may.
            Err(obstacle) if obstacle.why.blame == Blame::Throttled => return After::default(),
            Err(obstacle) if obstacle.patience == Patience::Never || Instant::now() + FIRST_PAUSE >= end => {
                let why = obstacle.why;
                let damage = format!("{} of {}: {}", why.step, why.subject, why.seen);
                return After { rollout: None, damage: Some(damage) };
            }
            // A poll, as before the run.
            Err(_) => tokio::time::sleep(FIRST_PAUSE).await,
        }
    }
}

impl After {
    /// Whether what was judged says nothing about what is there now.
    pub(in super::super) const fn unsettled(&self) -> bool {
        self.rollout.is_some() || self.damage.is_some()
    }

    /// What a person must know.
    pub(in super::super) fn remarks(&self) -> impl Iterator<Item = String> {
        let rollout = self.rollout.as_ref().map(|rollout| {
            format!("rollout: the revision changed during the run, {rollout}: run again when the rollout is over")
        });
        let damage = self.damage.as_ref().map(|damage| {
            format!(
                "damage: the environment was well before the run and is not after it ({damage}): look at it, then at \
                 the checks with effects that ran last"
            )
        });
        rollout.into_iter().chain(damage)
    }

    /// The outcome as it counts: a deviation seen while the revision changed accuses nobody.
    pub(in super::super) fn outcome(&self, outcome: Arc<Outcome>) -> Arc<Outcome> {
        let (Some(rollout), Verdict::Deviates(deviation)) = (&self.rollout, &outcome.verdict) else { return outcome };
        let verdict = Verdict::Inconclusive(Arc::new(undecided(rollout, deviation)));
        Arc::new(Outcome { verdict, ..outcome.as_ref().clone() })
    }
}

fn undecided(rollout: &str, deviation: &Deviation) -> Inconclusive {
    let Deviation { finding, step, expected, seen, evidence, .. } = deviation;
    let what = format!("rollout: the revision changed during the run, {rollout}");
    let mut evidence = evidence.clone();
    let expected = expected.join(" or ");
    evidence.facts.push(format!("would deviate: {finding} at `{step}`: expected {expected}, seen {seen}"));
    Inconclusive::new(Blame::Environment, what).with(evidence)
}
