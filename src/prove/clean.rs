//! The clean reference: what each check says of it, and what it does on behalf of which check.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::stage::{Stage, Staging};
use super::{Mutants, ProveOptions, reason};
use crate::check::{Body, Check, Waits};
use crate::model::{CheckId, Group, Need, Outcome, Verdict};
use crate::reference::{DEFECTS, Defect, Noted, Notes, Setting};
use crate::wire::Contract;

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

/// The clean reference under every setting.
pub(super) struct Clean {
    pub(super) proofs: Vec<CheckProof>,
    baselines: Vec<Baseline>,
}

/// The clean reference under one setting.
pub(super) struct Baseline {
    setting: Option<Setting>,
    /// What a check that conforms cost, in the order of the run.
    costs: Vec<(&'static Check, Duration)>,
    /// Checks with a mandatory wait.
    waiting: Vec<&'static str>,
    /// By who acted: a check, or the flow that it judges.
    pages: BTreeMap<CheckId, Noted>,
    /// What was done for no check: at start, and before the first of them.
    nobody: Noted,
}

/// Settings that have a stage of their own; the sources and the separate processes are on each.
const SETTINGS: [Option<Setting>; 6] = [
    None,
    Some(Setting::Rs256),
    Some(Setting::Tls),
    Some(Setting::PostgreSql),
    Some(Setting::Tickets),
    Some(Setting::Browser),
];

impl Clean {
    /// Runs the checks under every setting that one of them cannot do without; all of them under
    /// all settings, where others than its own are asked about a defect.
    pub(super) async fn run(options: &ProveOptions, tell: &(dyn Fn(&str) + Sync)) -> Self {
        let mut proofs: Vec<Option<CheckProof>> = vec![None; options.checks.len()];
        let mut baselines = Vec::new();
        for setting in SETTINGS {
            if setting.is_some() && matches!(options.mutants, Mutants::These(_)) {
                // Mutants are tried under no setting.
                break;
            }
            let others_are_asked = options.collateral && options.defects().any(|defect| defect.needs == setting);
            let is_open = |proof: &Option<CheckProof>| proof.as_ref().is_none_or(|it| it.verdict == "not_verified");
            let is_asked = |check: &Check| {
                let is_shown = |defect: &Defect| defect.needs == setting && options.asks_for(defect.id);
                let catches = |defect: &Defect| check.page.catches().any(|catch| catch.defect == defect.id);
                setting.is_some() && DEFECTS.iter().any(|defect| is_shown(defect) && catches(defect))
            };
            let open: Vec<_> = options
                .checks
                .iter()
                .copied()
                .zip(&proofs)
                .filter(|(check, proof)| others_are_asked || is_asked(check) || is_open(proof))
                .map(|(check, _)| check)
                .collect();
            if open.is_empty() {
                continue;
            }
            let (baseline, outcomes) = match Baseline::run(options.staging(), setting, &open).await {
                Ok(ran) => ran,
                Err(error) => {
                    tell(&format!("the clean reference: {error}"));
                    continue;
                }
            };
            baselines.push(baseline);
            for outcome in outcomes {
                let Some(place) = options.checks.iter().position(|check| check.id == outcome.id) else { continue };
                // Of several settings that say nothing the first tells why.
                let says_something = !matches!(outcome.verdict, Verdict::NotVerified(_));
                if proofs[place].is_none() || (says_something && is_open(&proofs[place])) {
                    proofs[place] = Some(CheckProof {
                        id: outcome.id.as_str(),
                        verdict: outcome.verdict.slug(),
                        reason: reason(&outcome),
                        defects: options.checks[place].page.catches().count(),
                    });
                }
            }
        }
        let unknown = |check: &Check| CheckProof {
            id: check.id.as_str(),
            verdict: "not_verified",
            reason: Some("the clean reference did not start".into()),
            defects: check.page.catches().count(),
        };
        let proofs = proofs.into_iter().zip(&options.checks);
        Self { proofs: proofs.map(|(proof, check)| proof.unwrap_or_else(|| unknown(check))).collect(), baselines }
    }

    /// Leaves out the checks that the contract does not let judge, and those that tell one of its known gaps.
    pub(super) fn leave_out(&mut self, options: &ProveOptions) {
        let Ok(contract) = Contract::load(&options.contract) else { return };
        let is_gap = |defect: &str| contract.gaps().any(|(gap, _)| gap == defect);
        let tells_a_gap = |proof: &CheckProof| {
            let mut check = options.checks.iter().filter(|check| check.id.as_str() == proof.id);
            check.any(|check| check.page.catches().any(|catch| is_gap(catch.defect)))
        };
        self.proofs.retain(|proof| match proof.verdict {
            "not_verified" => false,
            "deviates" => !tells_a_gap(proof),
            _ => true,
        });
    }

    /// Whether a check is among those that are proved.
    pub(super) fn has(&self, id: &str) -> bool {
        self.proofs.iter().any(|proof| proof.id == id)
    }

    /// The run under the setting that a defect needs; production has none, there checks act otherwise.
    pub(super) fn under(&self, setting: Option<Setting>) -> Option<&Baseline> {
        if setting == Some(Setting::Production) {
            return None;
        }
        let setting = setting.filter(|setting| SETTINGS.contains(&Some(*setting)));
        self.baselines.iter().find(|baseline| baseline.setting == setting)
    }

    /// Whether a check conforms under the setting that it needs.
    pub(super) fn conforms(&self, id: &str) -> bool {
        self.proofs.iter().any(|proof| proof.id == id && proof.verdict == "conforms")
    }
}

impl Baseline {
    async fn run(
        staging: Staging,
        setting: Option<Setting>,
        checks: &[&'static Check],
    ) -> Result<(Self, Vec<Arc<Outcome>>), super::StageError> {
        let notes = Notes::default();
        let stage = Stage::start(Staging { setting, notes: Some(notes.clone()), ..staging }).await?;
        let (config, _) = stage.contract().ws_config(&serde_json::Value::Null);
        let waits = Waits { profile: stage.profile(), config: &config };
        let waiting = checks.iter().filter(|check| !(check.wait)(&waits).is_zero()).map(|check| check.id.as_str());
        let waiting = waiting.collect();
        let outcomes = stage.run(checks, false).await;
        let costs = checks.iter().zip(&outcomes);
        let costs = costs.filter(|(_, outcome)| matches!(outcome.verdict, Verdict::Conforms(_)));
        let costs = costs.map(|(check, outcome)| (*check, outcome.duration)).collect();
        let (mut pages, mut nobody) = (BTreeMap::new(), Noted::default());
        for who in notes.checks() {
            let noted = notes.of(who.as_deref());
            match checks.iter().map(|check| actor(check)).find(|actor| Some(actor.as_str()) == who.as_deref()) {
                Some(actor) => drop(pages.insert(actor, noted)),
                None => nobody.merge(&noted),
            }
        }
        Ok((Self { setting, costs, waiting, pages, nobody }, outcomes))
    }

    /// The checks that conform, and what each of them cost.
    pub(super) fn conforming(&self) -> impl Iterator<Item = (&'static Check, Duration)> {
        self.costs.iter().copied()
    }

    /// Whether a check waits because it must, or must not meet others.
    pub(super) fn is_slow(&self, check: &Check) -> bool {
        self.waiting.contains(&check.id.as_str()) || check.group.is_some() || launches(check)
    }

    /// Whether something that `touches` was done on behalf of `check`, or of none.
    pub(super) fn concerns(&self, check: &Check, touches: impl Fn(&Noted) -> bool) -> bool {
        self.pages.get(&actor(check)).is_some_and(&touches) || touches(&self.nobody)
    }

    /// The same for a check that may see more than is done on its behalf: it hears the others'
    /// connections, or has processes of its own, which take no notes.
    pub(super) fn may_concern(&self, check: &Check, touches: impl Fn(&Noted) -> bool) -> bool {
        is_run_wide(check) || launches(check) || self.concerns(check, touches)
    }

    /// Whether `check` was run under this setting and leaves nothing unnoted.
    pub(super) fn knows(&self, check: &Check) -> bool {
        self.pages.contains_key(&actor(check)) && !launches(check)
    }

    /// Everything that was noted.
    pub(super) fn everything(&self) -> Noted {
        let mut everything = self.nobody.clone();
        self.pages.values().for_each(|page| everything.merge(page));
        everything
    }
}

/// In whose name a check's requests are made.
pub(super) fn actor(check: &Check) -> CheckId {
    check.flow().map_or(check.id, |flow| flow.id)
}

pub(super) const fn is_run_wide(check: &Check) -> bool {
    matches!(check.body, Body::RunWide { .. })
}

/// Whether a check starts processes of its own.
pub(super) fn launches(check: &Check) -> bool {
    check.needs.contains(&Need::Launch)
}

/// Whether a check measures time, which means nothing while many references share a machine.
pub(super) fn measures_time(check: &Check) -> bool {
    check.group == Some(Group::Timing)
}
