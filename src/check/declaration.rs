//! How a check is declared.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::recording::Judge;
use super::{Context, Flow, Page};
use crate::model::{CheckId, Effect, Entry, Group, Judgement, Level, Need, Stop, Suite};
use crate::profile::Profile;
use crate::target::Target;
use crate::wire::WsConfig;

/// The body of a probe.
pub type Run = for<'a> fn(&'a Context) -> BoxFuture<'a, Judgement>;

/// The traffic that a run-wide judge brings along.
pub type Traffic = for<'a> fn(&'a Context) -> BoxFuture<'a, Result<(), Stop>>;

/// Reads every entry of a run as it is recorded and decides at the end, with bounded memory.
pub trait RunWide: Send {
    /// Takes one entry; deliberately broken exchanges are not shown.
    fn see(&mut self, entry: &Entry);

    /// Decides.
    ///
    /// # Errors
    /// A deviation, or inconclusive when the sample was smaller than the judge's minimum.
    fn decide(self: Box<Self>) -> Judgement;
}

/// What a check does.
#[derive(Clone, Copy)]
pub enum Body {
    /// Acts and judges.
    Probe(Run),
    /// Judges everything the run says; `traffic` makes sure that there is something.
    RunWide {
        /// Makes the judge.
        judge: fn(&Target) -> Box<dyn RunWide>,
        /// Its own traffic.
        traffic: Traffic,
    },
    /// Judges what a flow recorded, as other checks do.
    Judge {
        /// What is recorded.
        flow: &'static Flow,
        /// What is made of it.
        judge: Judge,
    },
}

/// What a check or flow has declared: its context gives out nothing else.
#[derive(Clone, Copy)]
pub struct Declared {
    pub(super) id: CheckId,
    pub(super) needs: &'static [Need],
    pub(super) effects: &'static [Effect],
    pub(super) group: Option<Group>,
}

/// What a declared wait may depend on.
#[derive(Clone, Copy)]
pub struct Waits<'a> {
    /// Deadlines and windows.
    pub profile: &'a Profile,
    /// What the target told about itself.
    pub config: &'a WsConfig,
}

impl Waits<'_> {
    /// Time after `exp` or a revocation within which a socket must have ended:
    /// `leeway + recheck + 1 s`.
    pub fn recheck(&self) -> Duration {
        Duration::from_secs_f64(self.config.clock_leeway_s + self.config.auth_recheck_s + 1.0)
    }

    /// `heartbeat_interval_s`.
    pub fn heartbeat(&self) -> Duration {
        Duration::from_secs_f64(self.config.heartbeat_interval_s)
    }

    /// Until there is an expired token: none where one can be signed, else the life of a token of
    /// 1 s, and `leeway + 1 s` beyond it.
    pub fn expired_token(&self) -> Duration {
        match self.profile.supplies(Need::Sign) {
            true => Duration::ZERO,
            false => Duration::from_secs_f64(self.config.clock_leeway_s + 2.0),
        }
    }

    /// Floor of a short token's life.
    pub const fn short_token(&self) -> Duration {
        self.profile.limits.short_token
    }
}

/// A declared check.
#[derive(Clone, Copy)]
pub struct Check {
    /// Its name.
    pub id: CheckId,
    /// Its page.
    pub page: Page,
    /// The file that declares it.
    pub file: &'static str,
    /// What it does.
    pub body: Body,
    /// MUST or SHOULD.
    pub level: Level,
    /// The positive path of its scenario.
    pub required: bool,
    /// Suites beside `full`.
    pub suites: &'static [Suite],
    /// Capabilities.
    pub needs: &'static [Need],
    /// Effects beside `read`.
    pub effects: &'static [Effect],
    /// What it must not meet.
    pub group: Option<Group>,
    /// Most users that it can make use of; 0: as its needs say.
    pub crowd: usize,
    /// Its mandatory wait.
    pub wait: fn(&Waits<'_>) -> Duration,
}

impl Check {
    /// A MUST without needs, effects beside `read`, group or mandatory wait.
    pub const fn new(id: &'static str, page: &'static str, file: &'static str, body: Body) -> Self {
        Self {
            id: CheckId::new(id),
            page: Page::new(page),
            file,
            body,
            level: Level::Must,
            required: false,
            suites: &[],
            needs: &[],
            effects: &[],
            group: None,
            crowd: 0,
            wait: |_| Duration::ZERO,
        }
    }

    /// A check that judges what `flow` recorded; it declares what the flow declares.
    pub const fn judge(
        id: &'static str,
        page: &'static str,
        file: &'static str,
        flow: &'static Flow,
        judge: Judge,
    ) -> Self {
        let check = Self::new(id, page, file, Body::Judge { flow, judge });
        Self { needs: flow.needs, effects: flow.effects, group: flow.group, wait: flow.wait, ..check }
    }

    /// A deviation is a warning.
    #[must_use]
    pub const fn should(mut self) -> Self {
        self.level = Level::Should;
        self
    }

    /// The positive path of its scenario: the gate insists on it.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// In the suite `smoke`.
    #[must_use]
    pub const fn smoke(mut self) -> Self {
        self.suites = &[Suite::Smoke];
        self
    }

    /// Not verified without these.
    #[must_use]
    pub const fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    /// Not verified unless the profile allows these.
    #[must_use]
    pub const fn effects(mut self, effects: &'static [Effect]) -> Self {
        self.effects = effects;
        self
    }

    /// Does not meet others of the group.
    #[must_use]
    pub const fn group(mut self, group: Group) -> Self {
        self.group = Some(group);
        self
    }

    /// Takes so many users where there are so many.
    #[must_use]
    pub const fn crowd(mut self, users: usize) -> Self {
        self.crowd = users;
        self
    }

    /// Waits so long whatever the target does.
    #[must_use]
    pub const fn wait(mut self, wait: fn(&Waits<'_>) -> Duration) -> Self {
        self.wait = wait;
        self
    }

    /// How many users it takes.
    pub fn users(&self) -> usize {
        self.crowd.max(if self.needs.contains(&Need::TwoUsers) { 2 } else { 1 })
    }

    /// The flow whose recording it judges, if it does.
    pub const fn flow(&self) -> Option<&'static Flow> {
        match self.body {
            Body::Judge { flow, .. } => Some(flow),
            Body::Probe(_) | Body::RunWide { .. } => None,
        }
    }

    pub(super) const fn declared(&self) -> Declared {
        Declared { id: self.id, needs: self.needs, effects: self.effects, group: self.group }
    }
}

/// Declares a check over the page of the same name: `check!("scenario/fact", run)` for a probe,
/// `check!("scenario/fact", judge: judge, of: &FLOW)` for a judge of a flow,
/// `check!("scenario/fact", judge: Judge::new, traffic: traffic)` for a run-wide judge of the contract,
/// `oracle:` in place of `judge:` for one of canaries. Without the page it does not compile.
#[macro_export]
macro_rules! check {
    ($id:literal, $run:path) => {
        $crate::check!(@ $id, $crate::check::Body::Probe(|cx| ::std::boxed::Box::pin($run(cx))))
    };
    ($id:literal, judge: $judge:expr, traffic: $traffic:path) => {
        $crate::check!(@ $id, $crate::check::Body::RunWide {
            judge: |target| $judge(::std::sync::Arc::clone(target.contract())),
            traffic: |cx| ::std::boxed::Box::pin($traffic(cx)),
        })
    };
    ($id:literal, oracle: $judge:expr, traffic: $traffic:path) => {
        $crate::check!(@ $id, $crate::check::Body::RunWide {
            judge: |target| $judge(::std::sync::Arc::clone(target.canaries())),
            traffic: |cx| ::std::boxed::Box::pin($traffic(cx)),
        })
    };
    ($id:literal, judge: $judge:path, of: $flow:expr) => {
        $crate::check::Check::judge(
            $id,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/", $id, ".md")),
            file!(),
            $flow,
            $judge,
        )
    };
    (@ $id:literal, $body:expr) => {
        $crate::check::Check::new(
            $id,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/", $id, ".md")),
            file!(),
            $body,
        )
    };
}
