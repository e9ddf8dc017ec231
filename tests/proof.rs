//! The proof in both directions: every check can fail, and nobody is accused unjustly.

use netra_check::prove::{Fate, Proof, ProveOptions, prove};
use netra_check::scenarios::registry;

fn proof() -> &'static Proof {
    static PROOF: std::sync::OnceLock<Proof> = std::sync::OnceLock::new();
    PROOF.get_or_init(|| {
        let options =
            ProveOptions { checks: registry(), only: Default::default(), collateral: false, generated: false, jobs: 6 };
        tokio::runtime::Runtime::new().unwrap().block_on(prove(&options, &|_| {}))
    })
}

/// What a machine may lack: such a check is proved where `.ci/run` provides it.
fn may_be_missing(reason: &str) -> bool {
    std::env::var_os("NETRA_CHECK_POSTGRES").is_none() && (reason.contains("PostgreSQL") || reason.contains("`db`"))
}

#[test]
fn every_check_conforms_on_the_clean_reference() {
    for check in &proof().checks {
        let reason = check.reason.clone().unwrap_or_default();
        assert!(check.verdict == "conforms" || may_be_missing(&reason), "{}: {} {reason}", check.id, check.verdict);
    }
}

#[test]
fn every_defect_is_caught_by_its_own_checks_for_the_right_reason() {
    assert!(!proof().defects.is_empty());
    let left: Vec<_> = proof()
        .defects
        .iter()
        .filter(|defect| defect.outcome != Fate::Caught)
        .filter(|defect| !defect.remarks.iter().any(|remark| may_be_missing(remark)))
        .map(|defect| format!("{} {:?}: {}", defect.id, defect.outcome, defect.remarks.join("; ")))
        .collect();
    assert!(left.is_empty(), "{}", left.join("\n"));
}

#[test]
fn no_variation_is_accused() {
    assert!(proof().variations.len() >= 20);
    let accused: Vec<_> = proof()
        .variations
        .iter()
        .filter(|it| !(it.accused_by.is_empty() && it.unjudged.is_empty()))
        .map(|it| format!("{}: {}", it.id, it.remarks.join("; ")))
        .collect();
    assert!(accused.is_empty(), "{}", accused.join("\n"));
}

#[test]
fn each_need_that_is_taken_away_is_missed() {
    assert!(!proof().needs.is_empty());
    let silent: Vec<_> = proof()
        .needs
        .iter()
        .filter(|need| !need.not_verified)
        .map(|need| format!("{} without {}", need.check, need.without))
        .collect();
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}
