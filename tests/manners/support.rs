//! A reference in this process, runs against it, and what it holds.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use netra_check::check::Check;
use netra_check::engine::{RunOptions, run};
use netra_check::local::Local;
use netra_check::model::{Entry, RunResult};
use netra_check::profile::{LoadRequest, Profile, load};
use netra_check::reference::{Conduct, Policy};
use netra_check::target::Target;
use netra_check::wire::Contract;
use tokio::runtime::{Builder, Runtime};

pub(crate) struct Environment {
    local: Local,
    pub(crate) profile: Profile,
    contract: Arc<Contract>,
    /// On which the engine runs.
    runtime: Runtime,
}

impl Environment {
    pub(crate) fn start() -> Self {
        Self::with(Runtime::new().unwrap(), &[], |_| {})
    }

    /// A production environment, and a profile that may only read.
    pub(crate) fn production() -> Self {
        let sets = ["credentials.method=password".to_owned(), "allow=[read]".to_owned()];
        Self::with(Runtime::new().unwrap(), &sets, |conduct| conduct.production = true)
    }

    /// The same with an engine that has one thread.
    pub(crate) fn single_threaded() -> Self {
        Self::with(Builder::new_current_thread().enable_all().build().unwrap(), &[], |_| {})
    }

    fn with(runtime: Runtime, sets: &[String], change: impl FnOnce(&mut Conduct)) -> Self {
        let contract = Contract::load("netra-v1").unwrap();
        let mut conduct = Conduct::new(1, Arc::clone(&contract), Policy::default());
        change(&mut conduct);
        let local = Local::start(conduct, &[]).unwrap();
        let overrides = local.overrides();
        let request = LoadRequest {
            name_or_path: "local",
            sets,
            overrides: Some(&overrides),
            env: &|_| None,
            directory: Path::new(""),
        };
        let mut profile = load(request).unwrap().profile;
        // This executable is no `netra-check` that could be launched.
        profile.independence.launch_auth = None;
        Self { local, profile, contract, runtime }
    }

    /// Runs `checks`; everything that was said, too.
    pub(crate) fn run(&self, checks: Vec<&'static Check>) -> (Arc<RunResult>, Vec<Entry>) {
        let profile = Arc::new(self.profile.clone());
        let target = Target::new(profile, Arc::clone(&self.contract), "1-manners", 1).unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        target.observe({
            let said = Arc::clone(&said);
            move |entry| said.lock().unwrap().push(entry.clone())
        });
        let options = RunOptions { readiness: true, jobs: 8, ..RunOptions::alone(target, checks) };
        let result = self.runtime.block_on(run(&options, &mut []));
        let said = said.lock().unwrap().clone();
        (result, said)
    }

    /// Every thread of every user that can log in here, with its messages counted.
    pub(crate) fn threads(&self) -> BTreeSet<String> {
        self.runtime.block_on(super::threads::threads(&self.profile))
    }

    pub(crate) fn stop(self) {
        self.local.stop();
    }
}
