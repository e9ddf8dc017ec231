//! A reference to prove something on: started, checked, ended.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::check::Check;
use crate::engine::{RunOptions, run};
use crate::local::{Local, LocalError};
use crate::model::{Need, Outcome};
use crate::profile::{LoadRequest, Profile};
use crate::reference::{Conduct, DatabaseError, Databases, Filter, Notes, Policy, Setting};
use crate::target::Target;
use crate::wire::{Contract, ContractError};

/// What is otherwise on a stage.
#[derive(Clone, Debug)]
pub(super) struct Staging {
    /// What is spoken.
    pub(super) contract: String,
    pub(super) defect: Option<String>,
    pub(super) variation: Option<String>,
    pub(super) filter: Option<Filter>,
    pub(super) setting: Option<Setting>,
    /// Where the reference notes what it does on behalf of whom.
    pub(super) notes: Option<Notes>,
}

impl Default for Staging {
    fn default() -> Self {
        let contract = super::NETRA_V1.to_owned();
        Self { contract, defect: None, variation: None, filter: None, setting: None, notes: None }
    }
}

/// Why a stage cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The machine lacks what the setting needs.
    #[error("needs {what}: {remedy}")]
    Lacks {
        /// What is missing.
        what: &'static str,
        /// How to have it.
        remedy: &'static str,
    },
    /// No defect or variation of this name.
    #[error("no defect or variation is called `{0}`")]
    Unknown(String),
    /// Its databases cannot be set up.
    #[error(transparent)]
    Databases(#[from] DatabaseError),
    /// The reference does not start.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// Its profile is refused: a defect of ours.
    #[error("the reference's profile is refused: {0}")]
    Profile(String),
    /// The contract or the target cannot be made.
    #[error("{0}")]
    Target(String),
}

/// The variable that names a PostgreSQL server.
const POSTGRES: &str = "NETRA_CHECK_POSTGRES";

/// The variable that names a browser: program and arguments.
const BROWSER: &str = "NETRA_CHECK_BROWSER";

/// The command of a browser, where the machine has one.
fn browser() -> Result<Vec<String>, StageError> {
    let command = std::env::var(BROWSER).unwrap_or_default();
    let words: Vec<_> = command.split_whitespace().map(str::to_owned).collect();
    match words.is_empty() {
        true => Err(StageError::Lacks {
            what: "a browser",
            remedy: "set NETRA_CHECK_BROWSER to its command, for example `chromium --no-sandbox`",
        }),
        false => Ok(words),
    }
}

/// Databases of this policy, where the machine has a server for them.
fn databases(policy: &Policy) -> Result<Databases, StageError> {
    let Ok(superuser) = std::env::var(POSTGRES) else {
        return Err(StageError::Lacks {
            what: "a PostgreSQL server",
            remedy: "set NETRA_CHECK_POSTGRES to the DSN of a superuser",
        });
    };
    Ok(Databases::set_up(&superuser, policy)?)
}

/// A contract, but that a ticket opens a socket. What is launched speaks it without.
fn with_tickets(name: &str) -> Result<Arc<Contract>, ContractError> {
    let mut whole = Contract::whole(name)?;
    whole["carriers"] = json!(["ticket"]);
    if whole["http"]["ws_ticket"].is_null() {
        whole["http"]["ws_ticket"] = json!({ "method": "POST", "path": "/ws/tickets", "success": [200] });
    }
    // JSON is YAML.
    Contract::from_yaml(name, &whole.to_string()).map(Arc::new)
}

/// A running reference and the profile that points at it.
pub(super) struct Stage {
    local: Local,
    databases: Option<Databases>,
    profile: Profile,
    contract: Arc<Contract>,
}

impl Stage {
    pub(super) async fn start(staging: Staging) -> Result<Self, StageError> {
        // Binding, thread and keys: off the runtime that judges.
        tokio::task::spawn_blocking(move || Self::start_here(staging))
            .await
            .unwrap_or_else(|panic| Err(StageError::Target(panic.to_string())))
    }

    fn start_here(staging: Staging) -> Result<Self, StageError> {
        match staging.notes.clone() {
            Some(notes) => notes.note(|| Self::start_noted(staging)),
            None => Self::start_noted(staging),
        }
    }

    fn start_noted(staging: Staging) -> Result<Self, StageError> {
        let contract = match staging.setting {
            Some(Setting::Tickets) => with_tickets(&staging.contract),
            _ => Contract::load(&staging.contract),
        };
        let contract = contract.map_err(|error| StageError::Target(error.to_string()))?;
        let mut policy = Policy::default();
        let mut switches = match staging.contract.as_str() {
            super::NETRA_V1 => Vec::new(),
            contract => vec!["--contract".to_owned(), contract.to_owned()],
        };
        for (flag, id) in [("--defect", staging.defect), ("--variation", staging.variation)] {
            if let Some(id) = id {
                if !policy.switch_on(&id) {
                    return Err(StageError::Unknown(id));
                }
                switches.extend([flag.to_owned(), id]);
            }
        }
        if let Some(filter) = staging.filter {
            switches.extend(["--filter".to_owned(), filter.to_string()]);
            policy.filters.push(filter);
        }
        let mut conduct = Conduct::new(1, Arc::clone(&contract), policy);
        conduct.notes = staging.notes;
        let tls = staging.setting == Some(Setting::Tls);
        if staging.setting == Some(Setting::Rs256) {
            conduct.algorithm = crate::reference::Algorithm::Rs256;
        }
        conduct.production = staging.setting == Some(Setting::Production);
        let databases = match staging.setting {
            Some(Setting::PostgreSql) => Some(databases(&conduct.policy)?),
            _ => None,
        };
        let browser = match staging.setting {
            Some(Setting::Browser) => Some(browser()?),
            _ => None,
        };
        let local = if tls { Local::start_over_tls(conduct, &switches)? } else { Local::start(conduct, &switches)? };
        let mut overrides = local.overrides();
        if staging.setting == Some(Setting::Production) {
            // Test logins are closed there, and effects must be allowed by name.
            overrides = overrides.set("credentials.method", "password").set("allow", vec!["read"]);
        }
        if let Some(browser) = browser {
            overrides = overrides.set("browser.command", browser);
        }
        if let Some(databases) = &databases {
            overrides = overrides
                .set("independence.databases.auth", databases.auth())
                .set("independence.databases.backend", databases.backend());
        }
        let loaded = crate::profile::load(LoadRequest {
            name_or_path: "local",
            sets: &[],
            overrides: Some(&overrides),
            env: &|_| None,
            directory: Path::new(""),
        })
        .map_err(|diagnostics| StageError::Profile(diagnostics.render(false)))?;
        Ok(Self { local, databases, profile: loaded.profile, contract })
    }

    /// The profile that points at it.
    pub(super) const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The contract that it speaks.
    pub(super) const fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    /// Takes a capability or effect away.
    pub(super) fn without(&mut self, take: impl FnOnce(&mut Profile)) {
        take(&mut self.profile);
    }

    /// Runs `checks` and ends the stage; outcomes in the checks' order.
    pub(super) async fn run(self, checks: &[&'static Check], fail_fast: bool) -> Vec<Arc<Outcome>> {
        let outcomes = self.judge(checks, fail_fast).await;
        self.end().await;
        outcomes
    }

    /// Ends the reference and waits until its last task is over.
    pub(super) async fn end(self) {
        // Joining a thread blocks; a panic of it has been printed.
        let _ = tokio::task::spawn_blocking(move || {
            self.local.stop();
            drop(self.databases);
        })
        .await;
    }

    /// Runs `checks`; outcomes in the checks' order.
    pub(super) async fn judge(&self, checks: &[&'static Check], fail_fast: bool) -> Vec<Arc<Outcome>> {
        let profile = Arc::new(self.profile.clone());
        let Ok(target) = Target::new(profile, Arc::clone(&self.contract), "prove", 1) else { return Vec::new() };
        let options = RunOptions { jobs: 16, fail_fast, ..RunOptions::alone(target, checks.to_vec()) };
        let result = run(&options, &mut []).await;
        result.outcomes.clone()
    }
}

/// Takes `need` out of a profile, at the key that would supply it.
pub(super) fn withdraw(profile: &mut Profile, need: Need) {
    match need {
        Need::Sign => profile.credentials.signing_key = None,
        Need::Short => {
            profile.credentials.signing_key = None;
            profile.credentials.bypass_key = None;
            profile.credentials.short_login = None;
        }
        Need::Service => profile.service = None,
        Need::TwoUsers => profile.users.count = 1,
        Need::Password => profile.credentials.wrong_password_user = None,
        Need::OAuth => profile.users.oauth_providers.clear(),
        Need::OAuthAuto => profile.users.oauth_automatic = false,
        Need::States => profile.users.states.clear(),
        Need::Prompts => profile.prompts.clear(),
        Need::Trigger(trigger) => {
            profile.triggers.remove(&trigger);
        }
        Need::Raw => profile.limits.raw_frames = false,
        // The default reference is neither behind TLS nor signs asymmetrically.
        Need::Tls | Need::Jwks => {}
        Need::Frontend => profile.urls.frontend = None,
        Need::Browser => profile.browser = None,
        Need::Launch => profile.independence.launch_auth = None,
        Need::Source => profile.independence.source = None,
        Need::Databases => profile.independence.auth_database = None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Verdict;
    use crate::scenarios::registry;

    #[tokio::test]
    async fn where_test_logins_are_closed_the_checks_that_need_no_effect_still_judge() {
        let judged = ["auth-sync/test-logins-closed", "auth-sync/token-works-everywhere"];
        let checks: Vec<_> = registry().into_iter().filter(|check| judged.contains(&check.id.as_str())).collect();
        let staging = Staging { setting: Some(Setting::Production), ..Staging::default() };
        let outcomes = Stage::start(staging).await.unwrap().run(&checks, false).await;
        let verdicts: Vec<_> = outcomes.iter().map(|outcome| outcome.verdict.slug()).collect();
        assert_eq!(verdicts, ["conforms"; 2], "{:?}", outcomes.iter().map(|it| &it.verdict).collect::<Vec<&Verdict>>());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn connections_are_lost_below_tls_and_sessions_are_not() {
        let names = ["nothing-lost", "nothing-doubled", "replay-in-order", "old-socket-superseded"];
        let is_named = |check: &&'static Check| names.contains(&check.id.fact());
        let checks: Vec<_> = registry().into_iter().filter(is_named).collect();
        let stage = Stage::start(Staging { setting: Some(Setting::Tls), ..Staging::default() }).await.unwrap();
        let outcomes = stage.run(&checks, false).await;
        let verdicts: Vec<_> = outcomes.iter().map(|outcome| (outcome.id.fact(), outcome.verdict.slug())).collect();
        assert_eq!(verdicts.len(), names.len());
        assert!(verdicts.iter().all(|(_, verdict)| *verdict == "conforms"), "{verdicts:?}");
    }
}
