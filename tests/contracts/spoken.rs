//! The checks on environments that speak other contracts: none of them knows a name, and a contract that permits what
//! must not be is no excuse.

use std::sync::Arc;

use netra_check::check::Check;
use netra_check::engine::{RunOptions, run};
use netra_check::local::Local;
use netra_check::model::{Finding, RunResult, Verdict};
use netra_check::reference::{Conduct, Policy};
use netra_check::scenarios::registry;
use netra_check::target::Target;
use netra_check::wire::Contract;

/// Runs `checks` on a reference that speaks `contract`.
fn checked(contract: Arc<Contract>, checks: Vec<&'static Check>) -> Arc<RunResult> {
    let local = Local::start(Conduct::new(1, Arc::clone(&contract), Policy::default()), &[]).unwrap();
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
