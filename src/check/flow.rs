//! Flows: what is done once and judged by several checks.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::declaration::Declared;
use super::{Context, Waits};
use crate::model::{CheckId, ConnectionId, Effect, Group, Need, Stop};
use crate::target::{Line, Socket};

/// The body of a flow: it acts, and names what its judges must know.
pub type Act = for<'a> fn(&'a Context) -> BoxFuture<'a, Result<Scene, Stop>>;

/// Acts once; several checks judge what was recorded. A flow judges nothing itself: what goes
/// wrong for it alone makes each of its checks inconclusive.
#[derive(Clone, Copy)]
pub struct Flow {
    /// Its name in the transcript; no check has it.
    pub id: CheckId,
    /// Capabilities.
    pub needs: &'static [Need],
    /// Effects beside `read`.
    pub effects: &'static [Effect],
    /// What it must not meet.
    pub group: Option<Group>,
    /// Its mandatory wait.
    pub wait: fn(&Waits<'_>) -> Duration,
    /// What it does.
    pub act: Act,
}

impl Flow {
    /// A flow without needs, effects beside `read`, group or mandatory wait.
    pub const fn new(id: &'static str, act: Act) -> Self {
        Self { id: CheckId::new(id), needs: &[], effects: &[], group: None, wait: |_| Duration::ZERO, act }
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

    /// Waits so long whatever the target does.
    #[must_use]
    pub const fn wait(mut self, wait: fn(&Waits<'_>) -> Duration) -> Self {
        self.wait = wait;
        self
    }

    pub(super) const fn declared(&self) -> Declared {
        Declared { id: self.id, needs: self.needs, effects: self.effects, group: self.group }
    }
}

/// What a flow tells its judges beside the transcript: which connection was which, and what it
/// asked for. Plain data, so that a recorded run can be judged again.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    pub(super) connections: BTreeMap<String, ConnectionId>,
    pub(super) facts: BTreeMap<String, Value>,
}

impl Scene {
    /// Nothing told yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The part that a socket plays.
    pub fn socket(&mut self, part: impl Into<String>, socket: &Socket) {
        self.line(part, socket.line());
    }

    /// The part that a connection or an exchange over HTTP plays.
    pub fn line(&mut self, part: impl Into<String>, line: &Line) {
        self.connections.insert(part.into(), line.connection());
    }

    /// A fact that is a string.
    pub fn told(&self, name: &str) -> Option<&str> {
        self.facts.get(name)?.as_str()
    }

    /// Something that was asked for, or measured.
    pub fn fact(&mut self, name: impl Into<String>, fact: impl Into<Value>) {
        self.facts.insert(name.into(), fact.into());
    }
}
