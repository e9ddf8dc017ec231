//! The checks on environments that speak other contracts: none of them knows a name, and a contract that permits what
//! must not be is no excuse.

use std::sync::Arc;

use netra_check::check::Check;
use netra_check::engine::{RunOptions, run};
use netra_check::local::Local;
use netra_check::model::{Finding, NotVerified, RunResult, Verdict};
use netra_check::reference::{Conduct, Policy};
use netra_check::scenarios::registry;
use netra_check::target::Target;
use netra_check::wire::Contract;

/// Runs `checks` on a reference that speaks `contract`.
fn checked(contract: Arc<Contract>, checks: Vec<&'static Check>) -> Arc<RunResult> {
    spoken(contract, Policy::default(), checks)
}

/// The same on a reference of this policy.
fn spoken(contract: Arc<Contract>, policy: Policy, checks: Vec<&'static Check>) -> Arc<RunResult> {
    let local = Local::start(Conduct::new(1, Arc::clone(&contract), policy), &[]).unwrap();
    let mut profile = local.profile().unwrap();
    // What is launched speaks a built-in contract.
    profile.independence.launch_auth = None;
    let result = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let target = Target::new(Arc::new(profile), contract, "1-spoken", 1).unwrap();
        let options = RunOptions { readiness: true, jobs: 8, ..RunOptions::alone(target, checks) };
        run(&options, &mut []).await
    });
    local.stop();
    result
}

/// What does not conform and was judged or should have been.
fn accused(result: &RunResult) -> Vec<String> {
    let is_accused = |verdict: &Verdict| matches!(verdict, Verdict::Deviates(_) | Verdict::Inconclusive(_));
    let accused = result.outcomes.iter().filter(|outcome| is_accused(&outcome.verdict));
    accused.map(|outcome| format!("{}: {:?}", outcome.id, outcome.verdict)).collect()
}

#[test]
fn the_checks_conform_on_a_contract_of_other_names() {
    let result = checked(super::contract("twisted"), registry());
    let accused = accused(&result);
    assert!(accused.is_empty(), "{}", accused.join("\n"));
    let conform = result.outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Conforms(_))).count();
    assert!(conform * 10 >= result.outcomes.len() * 8, "only {conform} of {} conform", result.outcomes.len());
}

/// A token that travels as a ticket: asked for before each socket, and refused with the answer to that.
#[test]
fn the_checks_conform_where_a_ticket_opens_the_socket() {
    let result = checked(super::contract("by-ticket"), registry());
    let accused = accused(&result);
    assert!(accused.is_empty(), "{}", accused.join("\n"));
    let conform = result.outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Conforms(_))).count();
    assert!(conform >= 165, "only {conform} of {} conform", result.outcomes.len());
}

/// What the contracts of 2025 are known to do wrong, by the checks that say so: each of them once, and nothing else.
#[test]
fn the_contracts_of_2025_deviate_by_their_known_gaps_alone() {
    for (name, gaps) in [
        ("netra-2025-08", ["handshake/query-token-refused"].as_slice()),
        ("netra-2025-09", &["handshake/token-not-echoed", "auth-sync/lifetimes-honest"]),
        ("netra-2025-10", &["handshake/token-not-echoed", "auth-sync/lifetimes-honest"]),
    ] {
        let result = checked(super::contract(name), registry());
        let is_accused = |verdict: &Verdict| matches!(verdict, Verdict::Deviates(_) | Verdict::Inconclusive(_));
        let accused: Vec<_> = result.outcomes.iter().filter(|outcome| is_accused(&outcome.verdict)).collect();
        let ids: Vec<_> = accused.iter().map(|outcome| outcome.id.as_str()).collect();
        assert_eq!(ids, gaps, "{name}: {}", self::accused(&result).join("\n"));
        for outcome in accused {
            let Verdict::Deviates(deviation) = &outcome.verdict else { panic!("{name}: {:?}", outcome.verdict) };
            let known = format!("a known gap of the contract {name}: ");
            assert!(deviation.evidence.facts.iter().any(|fact| fact.starts_with(&known)), "{:?}", deviation.evidence);
        }
        let conform = result.outcomes.iter().filter(|it| matches!(it.verdict, Verdict::Conforms(_))).count();
        assert!(conform >= 100, "{name}: only {conform} conform");
        for outcome in &result.outcomes {
            let is_unpromised = super::contract(name).unpromised(outcome.id.as_str()).is_some();
            let told = matches!(&outcome.verdict, Verdict::NotVerified(NotVerified::Unpromised(_)));
            assert!(!is_unpromised || told, "{name}: {} {:?}", outcome.id, outcome.verdict);
        }
    }
}

/// A nameless guest is let in, in whatever contract: the report says so in plain words.
#[test]
fn no_contract_excuses_that_a_bad_credential_is_let_in() {
    for (name, defect, check) in [
        ("netra-2025-08", "accept-anonymous", "handshake/missing-token-refused"),
        ("netra-2025-09", "accept-anonymous", "handshake/missing-token-refused"),
        ("netra-2025-10", "accept-anonymous", "handshake/missing-token-refused"),
        ("netra-2025-08", "accept-expired", "handshake/expired-token-refused"),
        ("netra-2025-09", "skip-signature", "handshake/tampered-token-refused"),
        ("netra-2025-10", "accept-alg-none", "handshake/unsigned-token-refused"),
        ("by-ticket", "accept-anonymous", "handshake/missing-token-refused"),
        ("by-ticket", "accept-expired", "handshake/expired-token-refused"),
        ("by-ticket", "skip-signature", "handshake/tampered-token-refused"),
        ("by-ticket", "accept-query-token", "handshake/query-token-refused"),
        ("by-ticket", "ticket-reusable", "handshake/tampered-token-refused"),
    ] {
        let checks = registry().into_iter().filter(|it| it.id.as_str() == check).collect();
        let mut policy = Policy::default();
        assert!(policy.switch_on(defect), "{defect}");
        let result = spoken(super::contract(name), policy, checks);
        let Verdict::Deviates(deviation) = &result.outcomes[0].verdict else {
            panic!("{name}, {defect}: {:?}", result.outcomes[0].verdict)
        };
        assert_eq!(deviation.finding, Finding::Accepted, "{name}, {defect}");
        let is_guest = defect == "accept-anonymous";
        assert!(!is_guest || deviation.seen.starts_with("let in"), "{name}, {defect}: {}", deviation.seen);
    }
}

#[test]
fn a_contract_whose_tokens_travel_in_the_query_deviates_once_for_that() {
    let text = Contract::text("netra-v1").unwrap().replace("carriers: [header, subprotocol]", "carriers: [query]");
    let contract = Contract::from_yaml("in-the-query", &text).unwrap();
    let checks = registry().into_iter().filter(|check| check.id.scenario().slug() == "handshake").collect();
    let result = checked(Arc::new(contract), checks);
    let accused = accused(&result);
    assert_eq!(accused.len(), 1, "{}", accused.join("\n"));
    let outcome = result.outcomes.iter().find(|outcome| outcome.id.fact() == "query-token-refused").unwrap();
    let Verdict::Deviates(deviation) = &outcome.verdict else { panic!("{accused:?}") };
    assert_eq!(deviation.finding, Finding::Accepted);
}
