//! What a check may use: the target, its users, its transcript; nothing that it did not declare.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::declaration::Declared;
use super::{Check, Flow, Recording, Scene, Waits};
use crate::model::{
    Blame, Conforms, Deviation, Effect, Evidence, Finding, Group, Inconclusive, Judgement, Need, NotVerified,
    Observation, Origin, Stop, Trigger,
};
use crate::profile::{Profile, TriggerSpec, Urls};
use crate::target::{Call, LinkBuilder, Login, Recorder, SetupError, Target, Upgrade, Workshop};
use crate::wire::{Contract, Endpoint, WsConfig};

/// The surroundings of one attempt at one check.
pub struct Context {
    declared: Declared,
    target: Arc<Target>,
    recorder: Recorder,
    config: WsConfig,
    users: Vec<usize>,
    observations: Arc<Mutex<Vec<Observation>>>,
    figures: Arc<Mutex<Vec<String>>>,
    doing: Arc<Mutex<String>>,
    /// A window was not judged, since we were late ourselves.
    pub(super) delayed: Arc<AtomicBool>,
    pub(super) began: Instant,
}

impl Context {
    /// For the engine: an attempt at `check` with these users of the pool.
    pub(crate) fn new(check: &Check, target: Arc<Target>, config: WsConfig, users: Vec<usize>) -> Self {
        Self::of(check.declared(), target, config, users)
    }

    /// For the engine: an attempt at `flow` with these users of the pool.
    pub(crate) fn of_flow(flow: &Flow, target: Arc<Target>, config: WsConfig, users: Vec<usize>) -> Self {
        Self::of(flow.declared(), target, config, users)
    }

    fn of(declared: Declared, target: Arc<Target>, config: WsConfig, users: Vec<usize>) -> Self {
        let recorder = target.recorder(declared.id);
        // Both must agree: what the check declares, and what the profile allows.
        let allowed = |effect: &Effect| target.profile().allow.contains(effect);
        recorder.manners().permit(declared.effects.iter().copied().filter(allowed));
        if declared.group == Some(Group::Quota) {
            recorder.manners().expect_throttling();
        }
        if declared.group == Some(Group::Disrupt) {
            recorder.manners().expect_outages();
        }
        Self {
            declared,
            recorder,
            target,
            config,
            users,
            observations: Arc::default(),
            figures: Arc::default(),
            doing: Arc::new(Mutex::new("before its first step".into())),
            delayed: Arc::default(),
            began: Instant::now(),
        }
    }

    /// The same attempt at other addresses: services that the check has launched itself. What is observed there
    /// counts here. They may be unreachable for a while without being given up.
    ///
    /// # Errors
    /// Inconclusive, blaming the harness, when there can be no such target.
    pub fn at(&self, urls: Urls) -> Result<Self, Stop> {
        let unusable = |error: SetupError| -> Stop { Inconclusive::new(Blame::Harness, error.to_string()).into() };
        self.recorder.manners().expect_outages();
        Ok(Self {
            declared: self.declared,
            target: self.target.at(urls).map_err(unusable)?,
            recorder: self.recorder.clone(),
            config: self.config,
            users: self.users.clone(),
            observations: Arc::clone(&self.observations),
            figures: Arc::clone(&self.figures),
            doing: Arc::clone(&self.doing),
            delayed: Arc::clone(&self.delayed),
            began: self.began,
        })
    }

    /// The contract in use.
    pub fn contract(&self) -> &Arc<Contract> {
        self.target.contract()
    }

    /// What `/ws/config` tells, within its bounds.
    pub const fn config(&self) -> &WsConfig {
        &self.config
    }

    /// The profile. Capabilities are asked for by [`Self::has`] and the methods that need them.
    pub fn profile(&self) -> &Profile {
        self.target.profile()
    }

    /// The environment, for what no method here wraps.
    pub const fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// The transcript of this check.
    pub const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The formulas of declared waits.
    pub fn waits(&self) -> Waits<'_> {
        Waits { profile: self.profile(), config: &self.config }
    }

    /// Whether an *optional* capability is there; declared needs always are.
    pub fn has(&self, need: Need) -> bool {
        self.profile().supplies(need)
    }

    /// Says what is being done, for the message of a deadline and as the step of a deviation.
    pub fn step(&self, step: impl Into<String>) {
        let step = step.into();
        self.recorder.note(&step);
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }

    /// What was being done last.
    pub fn doing(&self) -> String {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A login of the check's first user: a family of its own.
    ///
    /// # Errors
    /// Inconclusive, blaming credentials or target, when there is no login to be had.
    pub async fn login(&self) -> Result<Login, Stop> {
        self.login_of(0, None).await
    }

    /// A login of the check's second user.
    ///
    /// # Errors
    /// As [`Self::login`].
    pub async fn second_login(&self) -> Result<Login, Stop> {
        self.declared(Need::TwoUsers);
        self.login_of(1, None).await
    }

    /// A further login of the first user, to be logged out or replayed.
    ///
    /// # Errors
    /// As [`Self::login`].
    pub async fn throwaway_login(&self) -> Result<Login, Stop> {
        assert!(
            self.declared.effects.contains(&Effect::Revoke) || self.declared.effects.contains(&Effect::Disrupt),
            "{} revokes without declaring it",
            self.declared.id
        );
        let login = self.login_of(0, None).await?;
        self.target.ledger().throwaway(&login.access);
        Ok(login)
    }

    /// A login of the first user whose access token lives about `life`, at least
    /// `limits.short_token_s`.
    ///
    /// # Errors
    /// As [`Self::login`].
    pub async fn short_login(&self, life: Duration) -> Result<Login, Stop> {
        self.declared(Need::Short);
        self.login_of(0, Some(life.max(self.profile().limits.short_token))).await
    }

    pub(super) async fn login_of(&self, which: usize, life: Option<Duration>) -> Result<Login, Stop> {
        let user = self.users.get(which).copied().unwrap_or_default();
        match life {
            Some(life) => self.target.short_login(&self.recorder, user, life).await,
            None => self.target.login(&self.recorder, user).await,
        }
    }

    /// The token workshop.
    pub fn workshop(&self) -> Workshop<'_> {
        self.target.workshop()
    }

    /// An HTTP call of the contract; where it has none, sending it is *not verified*.
    pub fn call(&self, endpoint: Endpoint) -> Call<'_> {
        self.target.http(&self.recorder).call(endpoint)
    }

    /// An HTTP call of any method and path at an origin.
    pub fn request(&self, origin: Origin, method: &str, path: &str) -> Call<'_> {
        self.target.http(&self.recorder).at(origin, method, path)
    }

    /// An upgrade of `/ws` without a credential.
    pub fn upgrade(&self) -> Upgrade<'_> {
        self.target.upgrade(&self.recorder)
    }

    /// A fault link to the WebSocket endpoint, for [`Upgrade::through`].
    pub fn link(&self) -> LinkBuilder {
        self.target.link(&self.recorder)
    }

    /// How the profile provokes a situation.
    ///
    /// # Errors
    /// Not verified, naming the key, where it does not.
    pub fn trigger(&self, trigger: Trigger) -> Result<&TriggerSpec, Stop> {
        self.declared(Need::Trigger(trigger));
        self.profile().triggers.get(&trigger).ok_or_else(|| NotVerified::Lacks(Need::Trigger(trigger)).into())
    }

    pub(super) fn declared(&self, need: Need) {
        assert!(self.declared.needs.contains(&need), "{} uses `{need}` without declaring it", self.declared.id);
    }

    /// Counts a fact that a verifier saw and found right.
    pub(super) fn observed(&self) {
        self.observations.lock().unwrap_or_else(PoisonError::into_inner).push(Observation::of_a_verified_fact());
    }

    /// Conforms, on the strength of what the verifiers saw.
    ///
    /// # Errors
    /// Inconclusive, blaming the harness, when they saw nothing.
    pub fn conforms(&self) -> Judgement {
        let conforms = Conforms::on(&self.observations.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(conforms.with_figures(self.figures()))
    }

    /// Something measured, one line, told whatever the judgement is.
    pub fn figure(&self, figure: impl Into<String>) {
        let figure = self.target.redactor().redact(&figure.into());
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).push(figure);
    }

    fn figures(&self) -> Vec<String> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A deviation at the current step.
    pub fn deviation(
        &self,
        finding: Finding,
        expected: impl IntoIterator<Item = impl Into<String>>,
        seen: impl Into<String>,
        mut evidence: Evidence,
    ) -> Stop {
        evidence.facts.extend(self.figures());
        Deviation {
            finding,
            step: self.doing(),
            expected: expected.into_iter().map(Into::into).collect(),
            seen: self.target.redactor().redact(&seen.into()),
            evidence,
            window: None,
        }
        .into()
    }

    /// The latest entries of the check's transcript.
    pub fn evidence(&self) -> Evidence {
        Evidence { entries: self.recorder.latest(12), facts: Vec::new() }
    }

    /// Our own greatest lag since the attempt began.
    fn lag(&self) -> Duration {
        self.target.lag().since(self.began)
    }

    /// For the engine: what was recorded, for the flow's judges.
    pub(crate) fn recording(&self, scene: Scene) -> Recording {
        let (contract, thresholds) = (Arc::clone(self.contract()), self.profile().thresholds);
        Recording::new(self.declared.id, scene, self.recorder.history(), contract, thresholds, self.config, self.lag())
    }

    /// Whether a window was not judged since we were late ourselves: worth another attempt.
    pub(crate) fn was_delayed(&self) -> bool {
        self.delayed.load(Ordering::Relaxed)
    }

    /// Waits until what the check left broken is mended.
    pub(crate) async fn mended(&self) {
        self.target.mends().close();
        self.target.mends().wait().await;
    }
}
