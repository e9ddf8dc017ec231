//! What decides a run's exit code.

use super::outcome::{ExitCode, Outcome, Totals, Verdict};
use super::{CheckId, Level, NotVerified, Priority, Scenario};

/// Which checks gate, and what a gate insists on beside their deviations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateRules {
    /// A deviation from a SHOULD gates, too.
    pub strict: bool,
    /// So many checks conform at least.
    pub min_checks: usize,
    /// Every check that gates and that the contract promises is verified.
    pub fail_on_not_verified: bool,
    /// Every check that gates is judged.
    pub fail_on_inconclusive: bool,
    /// Only scenarios of these priorities gate; empty: all.
    pub priorities: Vec<Priority>,
    /// Only these scenarios gate; empty: all.
    pub scenarios: Vec<Scenario>,
}

impl GateRules {
    /// Whether the check is among those on which the gate looks at all.
    pub fn covers(&self, id: CheckId) -> bool {
        let scenario = id.scenario();
        (self.scenarios.is_empty() || self.scenarios.contains(&scenario))
            && (self.priorities.is_empty() || self.priorities.contains(&scenario.priority()))
    }

    /// Whether a deviation of a check of this level fails the run.
    pub fn gates(&self, id: CheckId, level: Level) -> bool {
        (level == Level::Must || self.strict) && self.covers(id)
    }
}

/// What the gate knows beside the outcomes.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    /// The run was interrupted.
    pub interrupted: bool,
    /// The engine lost a check to a panic of its own.
    pub internal_error: bool,
    /// The environment was not ready or could not be reached, became another revision, or was left unwell: what
    /// conforms says nothing about what is deployed now.
    pub unreachable: bool,
    /// What it insists on.
    pub rules: GateRules,
}

impl Gate {
    /// The exit code of a run, before its reports are written: the first that matches of
    /// 130, 70, 1, 3, 4, 0.
    pub fn exit_code<'a>(&self, outcomes: impl IntoIterator<Item = &'a Outcome> + Clone) -> ExitCode {
        self.objections(outcomes).into_iter().fold(ExitCode::Conforms, |code, (other, _)| code.or_worse(other))
    }

    /// Why the gate stays shut, for codes that no block of a report explains: 3 and 4.
    pub fn reasons<'a>(&self, outcomes: impl IntoIterator<Item = &'a Outcome> + Clone) -> Vec<String> {
        let objections = self.objections(outcomes);
        let code = objections.iter().fold(ExitCode::Conforms, |code, (other, _)| code.or_worse(*other));
        if !matches!(code, ExitCode::Inconclusive | ExitCode::NothingVerified) {
            return Vec::new();
        }
        objections.into_iter().map(|(_, why)| why).collect()
    }

    /// Everything that stands against exit code 0.
    fn objections<'a>(&self, outcomes: impl IntoIterator<Item = &'a Outcome> + Clone) -> Vec<(ExitCode, String)> {
        let totals = Totals::of(outcomes.clone(), 0);
        let names = |counts: &dyn Fn(&Outcome) -> bool| -> Option<String> {
            let names: Vec<_> =
                outcomes.clone().into_iter().filter(|one| counts(one)).map(|one| one.id.as_str()).collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        let inconclusive = |one: &Outcome| matches!(one.verdict, Verdict::Inconclusive(_));
        let not_verified = |one: &Outcome| matches!(one.verdict, Verdict::NotVerified(_));
        let mut objections = Vec::new();
        let mut object = |code, why: Option<String>| objections.extend(why.map(|why| (code, why)));
        object(ExitCode::Interrupted, self.interrupted.then(|| "the run was interrupted".into()));
        object(ExitCode::Internal, self.internal_error.then(|| "the checker itself failed".into()));
        object(ExitCode::Deviation, (totals.deviates > 0).then(|| "a check that gates deviates".into()));
        object(
            ExitCode::Inconclusive,
            self.unreachable
                .then(|| "the environment was not ready, could not be reached, or did not stay as it was".into()),
        );
        object(
            ExitCode::Inconclusive,
            names(&|one| one.required && inconclusive(one)).map(|names| format!("required and inconclusive: {names}")),
        );
        object(
            ExitCode::NothingVerified,
            names(&|one| one.required && not_verified(one)).map(|names| format!("required and not verified: {names}")),
        );
        if self.rules.fail_on_inconclusive {
            let open = names(&|one| one.gates && !one.required && inconclusive(one));
            object(ExitCode::Inconclusive, open.map(|names| format!("`gate.fail_on: inconclusive`: {names}")));
        }
        if self.rules.fail_on_not_verified {
            let is_promised = |one: &Outcome| !matches!(one.verdict, Verdict::NotVerified(NotVerified::Unpromised(_)));
            let open = names(&|one| one.gates && !one.required && not_verified(one) && is_promised(one));
            object(ExitCode::NothingVerified, open.map(|names| format!("`gate.fail_on: not-verified`: {names}")));
        }
        if totals.conforms + totals.warnings + totals.deviates == 0 && totals.inconclusive > 0 {
            // Inconclusive checks alone show that something was tried and could not be judged.
            object(ExitCode::Inconclusive, Some("nothing that was tried could be judged".into()));
        } else if totals.conforms == 0 {
            object(ExitCode::NothingVerified, Some("no check conforms".into()));
        } else if totals.conforms < self.rules.min_checks {
            let (conform, asked) = (totals.conforms, self.rules.min_checks);
            let verb = if conform == 1 { "conforms" } else { "conform" };
            let why = format!("{conform} {verb}, `gate.min_checks` asks for {asked}");
            object(ExitCode::NothingVerified, Some(why));
        }
        objections
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::model::{Blame, Conforms, Deviation, Evidence, Finding, Inconclusive, Need, Observation, Trace};

    const MUST: &str = "handshake/valid-token-accepted";
    const OTHER: &str = "threads/titles-kept";

    fn outcome(id: &'static str, verdict: Verdict) -> Outcome {
        Outcome {
            id: CheckId::new(id),
            title: "",
            requirement: "",
            priority: CheckId::new(id).scenario().priority(),
            level: Level::Must,
            required: false,
            gates: true,
            verdict,
            attempts: 1,
            flaky: false,
            known: false,
            duration: Duration::ZERO,
            claims: Vec::new(),
            trace: Trace::default(),
            history: Arc::default(),
        }
    }

    fn conforms(id: &'static str) -> Outcome {
        outcome(id, Conforms::on(&[Observation::of_a_verified_fact()]).into())
    }

    fn deviates(id: &'static str) -> Outcome {
        let deviation = Deviation {
            finding: Finding::Accepted,
            step: String::new(),
            expected: Vec::new(),
            seen: String::new(),
            evidence: Evidence::default(),
            window: None,
        };
        outcome(id, Verdict::Deviates(Arc::new(deviation)))
    }

    fn inconclusive(id: &'static str) -> Outcome {
        outcome(id, Verdict::Inconclusive(Arc::new(Inconclusive::new(Blame::Target, "silence"))))
    }

    fn not_verified(id: &'static str) -> Outcome {
        outcome(id, Verdict::NotVerified(NotVerified::Lacks(Need::Sign)))
    }

    fn required(outcome: Outcome) -> Outcome {
        Outcome { required: true, ..outcome }
    }

    fn warning(id: &'static str) -> Outcome {
        Outcome { gates: false, ..deviates(id) }
    }

    fn code(gate: &Gate, outcomes: &[Outcome]) -> u8 {
        gate.exit_code(outcomes).code()
    }

    #[test]
    fn verdicts_alone_give_the_codes_of_the_table() {
        let gate = Gate::default();
        assert_eq!(code(&gate, &[conforms(MUST), warning(OTHER), not_verified(OTHER), inconclusive(OTHER)]), 0);
        assert_eq!(code(&gate, &[conforms(MUST), deviates(OTHER), required(inconclusive(OTHER))]), 1);
        assert_eq!(code(&gate, &[conforms(MUST), required(inconclusive(OTHER)), required(not_verified(OTHER))]), 3);
        assert_eq!(code(&gate, &[inconclusive(MUST), not_verified(OTHER)]), 3);
        assert_eq!(code(&gate, &[conforms(MUST), required(not_verified(OTHER))]), 4);
        assert_eq!(code(&gate, &[warning(MUST), not_verified(OTHER)]), 4);
        assert_eq!(code(&gate, &[]), 4);
    }

    #[test]
    fn what_befell_the_run_outranks_its_verdicts() {
        let broken = Gate { internal_error: true, ..Gate::default() };
        assert_eq!(code(&broken, &[deviates(MUST)]), 70);
        assert_eq!(code(&Gate { interrupted: true, ..broken }, &[deviates(MUST)]), 130);
        let unreachable = Gate { unreachable: true, ..Gate::default() };
        assert_eq!(code(&unreachable, &[conforms(MUST)]), 3);
        assert_eq!(code(&unreachable, &[deviates(MUST)]), 1);
    }

    #[test]
    fn rules_make_a_gate_stricter_and_say_why() {
        let gate = |rules| Gate { rules, ..Gate::default() };
        let two = gate(GateRules { min_checks: 2, ..GateRules::default() });
        assert_eq!(code(&two, &[conforms(MUST)]), 4);
        assert_eq!(two.reasons(&[conforms(MUST)]), ["1 conforms, `gate.min_checks` asks for 2"]);
        assert_eq!(code(&two, &[conforms(MUST), conforms(OTHER)]), 0);
        let verified = gate(GateRules { fail_on_not_verified: true, ..GateRules::default() });
        assert_eq!(code(&verified, &[conforms(MUST), not_verified(OTHER)]), 4);
        assert_eq!(
            verified.reasons(&[conforms(MUST), not_verified(OTHER)]),
            ["`gate.fail_on: not-verified`: threads/titles-kept"]
        );
        let ungated = Outcome { gates: false, ..not_verified(OTHER) };
        assert_eq!(code(&verified, &[conforms(MUST), ungated]), 0);
        let unpromised = |id| outcome(id, Verdict::NotVerified(NotVerified::Unpromised("no threads".into())));
        assert_eq!(code(&verified, &[conforms(MUST), unpromised(OTHER)]), 0, "nobody could verify it");
        assert_eq!(code(&verified, &[conforms(MUST), required(unpromised(OTHER))]), 4, "asked for by name");
        let judged = gate(GateRules { fail_on_inconclusive: true, ..GateRules::default() });
        assert_eq!(code(&judged, &[conforms(MUST), inconclusive(OTHER)]), 3);
        assert!(judged.reasons(&[deviates(MUST)]).is_empty(), "blocks tell of deviations");
    }

    #[test]
    fn a_gate_looks_at_some_priorities_scenarios_and_levels_only() {
        let rules = GateRules { priorities: vec![Priority::P0], ..GateRules::default() };
        assert!(rules.gates(CheckId::new(MUST), Level::Must) && !rules.gates(CheckId::new(OTHER), Level::Must));
        let rules = GateRules { scenarios: vec![Scenario::Threads], ..GateRules::default() };
        assert!(!rules.gates(CheckId::new(MUST), Level::Must) && rules.gates(CheckId::new(OTHER), Level::Must));
        assert!(!rules.gates(CheckId::new(OTHER), Level::Should));
        assert!(GateRules { strict: true, ..rules }.gates(CheckId::new(OTHER), Level::Should));
    }
}
