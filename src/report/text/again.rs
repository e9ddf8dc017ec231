//! How a person has the same again.

use super::curl::quoted;
use crate::model::{CheckId, Repetition, RunFacts};

/// What the commands of an account are made of.
#[derive(Clone, Copy, Debug)]
pub struct Again<'a> {
    /// The profile as the user named it.
    pub profile: &'a str,
    /// Seed of the run.
    pub seed: u64,
    /// What else was given.
    pub repetition: &'a Repetition,
}

impl<'a> Again<'a> {
    /// Of a run with these facts.
    pub fn of(facts: &'a RunFacts) -> Self {
        Self { profile: &facts.profile_argument, seed: facts.seed, repetition: &facts.repetition }
    }

    /// The command that repeats `check` alone and shows what is said.
    pub(super) fn run(&self, check: CheckId) -> String {
        format!("netra-check run {check} {} --seed {} --wire", self.profile(), self.seed)
    }

    /// The command that tries each step of the way.
    pub(super) fn doctor(&self) -> String {
        format!("netra-check doctor {}", self.profile())
    }

    fn profile(&self) -> String {
        let sets: String = self.repetition.sets.iter().map(|set| format!(" --set {}", quoted(set))).collect();
        format!("--profile {}{sets}", quoted(self.profile))
    }
}
