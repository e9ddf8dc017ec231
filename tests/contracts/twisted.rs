//! The checks on an environment that speaks the twisted contract: none of them knows a name.

use std::sync::Arc;

use netra_check::engine::{RunOptions, run};
use netra_check::local::Local;
use netra_check::model::Verdict;
use netra_check::reference::{Conduct, Policy};
use netra_check::scenarios::registry;
use netra_check::target::Target;

#[test]
fn the_checks_conform_on_a_contract_of_other_names() {
    let contract = super::contract("twisted");
    let local = Local::start(Conduct::new(1, Arc::clone(&contract), Policy::default()), &[]).unwrap();
    let mut profile = local.profile().unwrap();
    // What is launched speaks a built-in contract.
    profile.independence.launch_auth = None;
    let result = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let target = Target::new(Arc::new(profile), contract, "twisted", 1).unwrap();
        let options = RunOptions { readiness: true, jobs: 8, ..RunOptions::on_reference(target, registry()) };
        run(&options, &mut []).await
    });
    local.stop();
    let accused = result
        .outcomes
        .iter()
        .filter(|outcome| matches!(outcome.verdict, Verdict::Deviates(_) | Verdict::Inconclusive(_)));
    let told: Vec<_> = accused.map(|outcome| format!("{}: {:?}", outcome.id, outcome.verdict)).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
    let conform = result.outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Conforms(_))).count();
    assert!(conform * 10 >= result.outcomes.len() * 8, "only {conform} of {} conform", result.outcomes.len());
}
