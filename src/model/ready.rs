//! Why nothing could be judged.

use std::fmt;

use super::{Blame, Evidence, Inconclusive};

/// The step before the first check that failed: what was expected, what was seen, what to do.
#[derive(Clone, Debug)]
pub struct NotReady {
    /// One of [`Self::STEPS`].
    pub step: &'static str,
    /// Of what: an origin, a method of credentials.
    pub subject: String,
    /// What a ready environment shows.
    pub expected: String,
    /// What was there instead, in one redacted line.
    pub seen: String,
    /// What a person does about it.
    pub next: String,
    /// Whose doing it was, as far as can be told.
    pub blame: Blame,
    /// The transcript around it.
    pub evidence: Evidence,
}

impl NotReady {
    /// The steps in their order.
    pub const STEPS: [&str; 6] = ["dns", "tcp", "tls", "health", "revision", "login"];
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, subject, expected, seen, next, .. } = self;
        write!(f, "not ready: {step} of {subject}: expected {expected}; seen: {seen}; next: {next}")
    }
}

impl From<&NotReady> for Inconclusive {
    fn from(not_ready: &NotReady) -> Self {
        Self::new(not_ready.blame, not_ready.to_string()).with(not_ready.evidence.clone())
    }
}
