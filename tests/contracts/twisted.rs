//! The checks on an environment that speaks the twisted contract: none of them knows a name.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use netra_check::engine::{RunOptions, Selected, run};
use netra_check::local::Local;
use netra_check::model::{Repetition, RunFacts, Verdict};
use netra_check::profile::{LoadRequest, load};
use netra_check::reference::{Conduct, Policy};
use netra_check::scenarios::registry;
use netra_check::target::Target;
use tokio_util::sync::CancellationToken;

#[test]
fn the_checks_conform_on_a_contract_of_other_names() {
    let contract = super::contract("twisted");
    let local = Local::start(Conduct::new(1, Arc::clone(&contract), Policy::default()), &[]).unwrap();
    let overrides = local.overrides();
    let request = LoadRequest {
        name_or_path: "local",
        sets: &[],
        overrides: Some(&overrides),
        env: &|_| None,
        directory: Path::new(""),
    };
    let mut profile = load(request).unwrap().profile;
    // What is launched speaks a built-in contract.
    profile.independence.launch_auth = None;
    let checks = registry();
    let facts = Arc::new(RunFacts {
        id: "twisted".into(),
        reference: true,
        profile: profile.name.clone(),
        profile_argument: "local".into(),
        contract: contract.name().to_owned(),
        revision: None,
        hosts: Vec::new(),
        seed: 1,
        selection: String::new(),
        started: SystemTime::now(),
        tool_version: "0",
        planned: checks.iter().map(|check| check.id).collect(),
        not_selected: 0,
        repetition: Repetition::default(),
    });
    let result = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let options = RunOptions {
            target: Target::new(Arc::new(profile), contract, "twisted", 1).unwrap(),
            facts,
            selected: Selected { checks, not_selected: 0 },
            required: BTreeSet::new(),
            jobs: 8,
            readiness: true,
            timeout: Duration::from_secs(120),
            fail_fast: false,
            repeat: 1,
            interrupt: CancellationToken::new(),
        };
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
