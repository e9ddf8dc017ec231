//! The one ordered stream of a run's events, and those who listen.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{CheckId, ExitCode, NotReady, Outcome, Scenario, Totals};

/// Facts of a run that do not change while it goes on.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// Name of the run, also in every request's `X-Netra-Check`.
    pub id: String,
    /// `true` when the built-in reference was checked, not a deployment.
    pub reference: bool,
    /// Name of the profile.
    pub profile: String,
    /// The profile as the user named it, a name or a path: what repeats the run.
    pub profile_argument: String,
    /// Name of the contract.
    pub contract: String,
    /// The hosts that were asked, without credentials.
    pub hosts: Vec<String>,
    /// Seed of everything random.
    pub seed: u64,
    /// What the user selected, in the user's words.
    pub selection: String,
    /// Wall-clock time of the start.
    pub started: SystemTime,
    /// Revision of what is deployed, as the environment tells it; known once it is ready.
    pub revision: Option<String>,
    /// Version of the tool.
    pub tool_version: &'static str,
    /// The checks that will be told about, in registry order.
    pub planned: Vec<CheckId>,
    /// How many checks the user left out.
    pub not_selected: usize,
    /// What repeats a check of it.
    pub repetition: Repetition,
}

/// What a person must type beside profile and seed to have the same again; holds no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repetition {
    /// The `--set KEY=VALUE` of the command line, secrets blanked out.
    pub sets: Vec<String>,
    /// Options by which curl reaches the target: authority, client certificate, proxy, addresses.
    pub curl: Vec<String>,
}

/// What happens in a run, in the order in which one owner saw it happen.
#[derive(Clone, Debug)]
pub enum Event {
    /// First.
    RunStarted(Arc<RunFacts>),
    /// The environment is not ready yet, and is asked again.
    Waiting(Arc<NotReady>),
    /// The environment is ready; the facts tell its revision now.
    Ready(Arc<RunFacts>),
    /// Before a scenario's first check.
    ScenarioStarted(Scenario),
    /// A check took its users and its turn.
    CheckStarted(CheckId),
    /// A check's verdict.
    CheckFinished(Arc<Outcome>),
    /// Last, also after an interrupt or a panic.
    RunFinished(Arc<RunResult>),
}

/// The end of a run.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// What was known when the environment was ready.
    pub facts: Arc<RunFacts>,
    /// One outcome a planned check that was reached, in registry order.
    pub outcomes: Vec<Arc<Outcome>>,
    /// Their counts.
    pub totals: Totals,
    /// Time from start to end.
    pub duration: Duration,
    /// The exit code as the verdicts give it, before the reports are written.
    pub exit_code: ExitCode,
    /// Interrupted before every planned check was judged.
    pub interrupted: bool,
    /// Why nothing was judged, when the environment was not ready.
    pub not_ready: Option<Arc<NotReady>>,
    /// What a person should know beside the verdicts ("2 of 10 users").
    pub remarks: Vec<String>,
    /// Why the gate stays shut where no block says it; see [`Gate::reasons`](super::Gate::reasons).
    pub gate: Vec<String>,
}

/// A listener; it is called synchronously, so a slow sink slows the run instead of losing events.
pub trait Sink: Send {
    /// Takes notice. Implementations match every variant without a wildcard, so that a new event
    /// breaks their build.
    fn on(&mut self, event: &Event);
}
