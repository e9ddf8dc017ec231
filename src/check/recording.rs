//! What a flow recorded, and the words in which its judges tell what they find.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::flow::Scene;
use super::window;
use crate::model::{
    Blame, CheckId, Conforms, ConnectionId, Deviation, Direction, Entry, Evidence, Finding, History, Inconclusive,
    Judgement, Observation, Record, Stop,
};
use crate::profile::Thresholds;
use crate::wire::{Contract, Kind, Message, WsConfig};

/// Entries around the decisive one that are shown as evidence.
const AROUND: usize = 6;

/// A judge: a pure function of what was recorded.
pub type Judge = fn(&Recording) -> Judgement;

/// Everything that a flow left behind.
pub struct Recording {
    contract: Arc<Contract>,
    /// Time windows to judge by.
    pub thresholds: Thresholds,
    /// What `/ws/config` told, within its bounds.
    pub config: WsConfig,
    flow: CheckId,
    history: History,
    scene: Scene,
    observations: Cell<usize>,
    doing: RefCell<String>,
    figures: RefCell<Vec<String>>,
    /// Our own greatest lag while the flow acted.
    lag: Duration,
    delayed: Cell<bool>,
}

/// One message of the target on one connection.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When its last octet had come, since the run began.
    pub at: Duration,
    /// What it says.
    pub message: Message,
    /// Its text, redacted.
    pub text: String,
    /// The entry of its last frame, for evidence.
    entry: usize,
}

impl Recording {
    /// For the engine: what `flow` recorded.
    pub(crate) fn new(
        flow: CheckId,
        scene: Scene,
        history: History,
        contract: Arc<Contract>,
        thresholds: Thresholds,
        config: WsConfig,
        lag: Duration,
    ) -> Self {
        Self {
            contract,
            thresholds,
            config,
            flow,
            history,
            scene,
            observations: Cell::new(0),
            doing: RefCell::default(),
            figures: RefCell::default(),
            lag,
            delayed: Cell::default(),
        }
    }

    /// Before something is called late: a window of `within` can be judged.
    ///
    /// # Errors
    /// Inconclusive, blaming the harness, when our own lag was more than a quarter of the window.
    pub fn punctual(&self, within: Duration) -> Result<(), Stop> {
        window::judgeable(self.lag, within, &self.doing.borrow()).inspect_err(|_| self.delayed.set(true))?;
        Ok(())
    }

    /// Whether the last judge did not judge a window since we were late ourselves.
    pub(crate) const fn was_delayed(&self) -> bool {
        self.delayed.get()
    }

    /// What `judge` makes of it.
    pub(crate) fn judged_by(&self, judge: Judge) -> Judgement {
        self.observations.set(0);
        self.delayed.set(false);
        self.doing.borrow_mut().clear();
        self.figures.borrow_mut().clear();
        judge(self)
    }

    /// The contract in use.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// Something that the flow asked for, or measured.
    ///
    /// # Errors
    /// Inconclusive, blaming the harness, when the flow did not tell it.
    pub fn fact(&self, name: &str) -> Result<&Value, Stop> {
        self.scene.facts.get(name).ok_or_else(|| self.unknown(name))
    }

    /// A fact that is a string.
    ///
    /// # Errors
    /// As [`Self::fact`].
    pub fn told(&self, name: &str) -> Result<&str, Stop> {
        self.fact(name)?.as_str().ok_or_else(|| self.unknown(name))
    }

    /// The messages that came on the connection of this part, in order. What is no message of the
    /// contract is a matter of `format/envelope-consistent`.
    ///
    /// # Errors
    /// As [`Self::fact`].
    pub fn seen(&self, part: &str) -> Result<Vec<Seen>, Stop> {
        let connection = *self.scene.connections.get(part).ok_or_else(|| self.unknown(part))?;
        let mut seen = Vec::new();
        let mut text_has_begun = false;
        for (index, entry) in self.history.iter().enumerate().filter(|(_, entry)| entry.connection == connection) {
            let Record::Frame { head, payload, .. } = &entry.record else { continue };
            if entry.direction == Direction::Sent || !(head.opcode == TEXT || head.opcode == 0 && text_has_begun) {
                continue;
            }
            // The transcript shows the whole text with a message's last frame.
            text_has_begun = !head.fin;
            if head.fin
                && let Ok(message) = self.contract.read_server(payload)
            {
                seen.push(Seen { at: entry.at, message, text: payload.clone(), entry: index });
            }
        }
        Ok(seen)
    }

    /// The JSON body that was answered on the connection of this part.
    ///
    /// # Errors
    /// As [`Self::fact`]; inconclusive, blaming the target, when there is none.
    pub fn body(&self, part: &str) -> Result<Value, Stop> {
        let connection = *self.scene.connections.get(part).ok_or_else(|| self.unknown(part))?;
        let body = self.history.iter().rev().find_map(|entry| match &entry.record {
            Record::Response { body: Some(body), .. } if entry.connection == connection => {
                serde_json::from_str(body).ok()
            }
            _ => None,
        });
        body.ok_or_else(|| {
            let what = format!("no JSON was answered to {part}");
            Inconclusive::new(Blame::Target, what).with(self.evidence_of_connection(connection)).into()
        })
    }

    fn unknown(&self, name: &str) -> Stop {
        Inconclusive::new(Blame::Harness, format!("{} tells nothing of `{name}`", self.flow)).into()
    }

    /// Says what is being judged: the step of a deviation.
    pub fn step(&self, step: impl Into<String>) {
        *self.doing.borrow_mut() = step.into();
    }

    /// Something measured, told whatever the judgement is.
    pub fn figure(&self, figure: impl Into<String>) {
        self.figures.borrow_mut().push(figure.into());
    }

    /// A fact that must hold.
    ///
    /// # Errors
    /// Deviates when it does not.
    pub fn holds(
        &self,
        fact: bool,
        finding: Finding,
        expected: impl Into<String>,
        seen: impl FnOnce() -> String,
        evidence: impl FnOnce() -> Evidence,
    ) -> Result<(), Stop> {
        if fact {
            self.observations.set(self.observations.get() + 1);
            return Ok(());
        }
        Err(self.deviation(finding, [expected.into()], seen(), evidence()))
    }

    /// A deviation at the current step.
    pub fn deviation(
        &self,
        finding: Finding,
        expected: impl IntoIterator<Item = impl Into<String>>,
        seen: impl Into<String>,
        mut evidence: Evidence,
    ) -> Stop {
        evidence.facts.extend(self.figures.borrow().iter().cloned());
        Deviation {
            finding,
            step: self.doing.borrow().clone(),
            expected: expected.into_iter().map(Into::into).collect(),
            seen: seen.into(),
            evidence,
            window: None,
        }
        .into()
    }

    /// Conforms, on the strength of the facts that held.
    ///
    /// # Errors
    /// Inconclusive, blaming the harness, when nothing was judged.
    pub fn conforms(&self) -> Judgement {
        let conforms = Conforms::on(&vec![Observation::of_a_verified_fact(); self.observations.get()])?;
        Ok(conforms.with_figures(self.figures.borrow().clone()))
    }

    /// A message and what came around it on its connection.
    pub fn around(&self, seen: &Seen) -> Evidence {
        let connection = self.history[seen.entry].connection;
        let own: Vec<usize> = self.on(connection).map(|(index, _)| index).collect();
        let place = own.iter().position(|index| *index == seen.entry).unwrap_or_default();
        let first = place.saturating_sub(AROUND);
        let entries = own.iter().skip(first).take(2 * AROUND).map(|index| self.history[*index].clone()).collect();
        Evidence { entries, facts: Vec::new() }
    }

    /// These messages and nothing else.
    pub fn only<'s>(&self, seen: impl IntoIterator<Item = &'s Seen>) -> Evidence {
        Evidence { entries: seen.into_iter().map(|seen| self.history[seen.entry].clone()).collect(), facts: Vec::new() }
    }

    /// The end of what the connection of this part said.
    pub fn end_of(&self, part: &str) -> Evidence {
        self.scene.connections.get(part).map(|connection| self.evidence_of_connection(*connection)).unwrap_or_default()
    }

    fn evidence_of_connection(&self, connection: ConnectionId) -> Evidence {
        let own: Vec<_> = self.on(connection).map(|(_, entry)| entry.clone()).collect();
        let first = own.len().saturating_sub(2 * AROUND);
        Evidence { entries: own[first..].to_vec(), facts: Vec::new() }
    }

    fn on(&self, connection: ConnectionId) -> impl Iterator<Item = (usize, &Entry)> {
        self.history.iter().enumerate().filter(move |(_, entry)| entry.connection == connection)
    }
}

/// Opcode of a text frame (RFC 6455 5.2).
const TEXT: u8 = 1;

impl Seen {
    /// Whether it is of this kind.
    pub fn is(&self, kind: &Kind) -> bool {
        self.message.kind == *kind
    }
}
