//! Checks the built-in reference from a program of one's own: `cargo run --example reference`.
//!
//! A scenario's checks are run as `netra-check run` runs them; what comes back are values, not text.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use netra_check::engine::{RunOptions, Selection, run};
use netra_check::local::Local;
use netra_check::model::{Repetition, RunFacts, Verdict};
use netra_check::profile::{self, LoadRequest};
use netra_check::reference::{Conduct, Policy};
use netra_check::scenarios::registry;
use netra_check::target::Target;
use netra_check::wire::Contract;
use tokio_util::sync::CancellationToken;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let contract = Contract::load("netra-v1")?;
    let reference = Local::start(Conduct::new(7, Arc::clone(&contract), Policy::default()), &[])?;
    let loaded = profile::load(LoadRequest {
        name_or_path: "local",
        sets: &[],
        overrides: Some(&reference.overrides()),
        env: &|name| std::env::var(name).ok(),
        directory: Path::new("."),
    })?;
    let selection = Selection { only: vec!["format".into()], ..Selection::default() };
    let selected = selection.of(&registry())?;
    let runtime = tokio::runtime::Runtime::new()?;
    let result = runtime.block_on(async {
        let target = Target::new(Arc::new(loaded.profile), contract, "example", 7)?;
        let facts = Arc::new(RunFacts {
            id: "example".into(),
            reference: true,
            profile: "local".into(),
            profile_argument: "local".into(),
            contract: target.contract().name().to_owned(),
            revision: None,
            hosts: Vec::new(),
            seed: 7,
            selection: "format".into(),
            started: SystemTime::now(),
            tool_version: env!("CARGO_PKG_VERSION"),
            planned: selected.checks.iter().map(|check| check.id).collect(),
            not_selected: selected.not_selected,
            repetition: Repetition::default(),
        });
        let options = RunOptions {
            jobs: 0,
            readiness: false,
            timeout: target.profile().limits.run,
            fail_fast: false,
            repeat: 1,
            required: BTreeSet::new(),
            interrupt: CancellationToken::new(),
            target,
            facts,
            selected,
        };
        let result = run(&options, &mut []).await;
        Ok::<_, Box<dyn std::error::Error>>(result)
    })?;
    for outcome in &result.outcomes {
        match &outcome.verdict {
            Verdict::Conforms(conforms) => println!("{}: {} facts observed", outcome.id, conforms.observations()),
            other => println!("{}: {}", outcome.id, other.slug()),
        }
    }
    reference.stop();
    Ok(())
}
