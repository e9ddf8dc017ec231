//! Checks the built-in reference from a program of one's own: `cargo run --example reference`.
//!
//! A scenario's checks are run as `netra-check run` runs them; what comes back are values, not text.

use std::sync::Arc;

use netra_check::engine::{RunOptions, Selection, run};
use netra_check::local::Local;
use netra_check::model::Verdict;
use netra_check::reference::{Conduct, Policy};
use netra_check::scenarios::registry;
use netra_check::target::Target;
use netra_check::wire::Contract;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let contract = Contract::load("netra-v1")?;
    let reference = Local::start(Conduct::new(7, Arc::clone(&contract), Policy::default()), &[])?;
    let profile = reference.profile()?;
    let selection = Selection { only: vec!["format".into()], ..Selection::default() };
    let selected = selection.of(&registry())?;
    let runtime = tokio::runtime::Runtime::new()?;
    let result = runtime.block_on(async {
        let target = Target::new(Arc::new(profile), contract, "example", 7)?;
        let options = RunOptions::alone(target, selected.checks);
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
