//! Which checks run, and in which order.

use std::fmt::Write as _;

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::check::Check;
use crate::model::{Group, Priority, Suite};

/// What the user asked for.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Scenarios, check ids and globs; empty: all of the suite.
    pub only: Vec<String>,
    /// Scenarios, check ids and globs that are left out.
    pub skip: Vec<String>,
    /// `smoke`, `full`, or globs of a suite of the profile.
    pub suite: SuiteChoice,
    /// Only scenarios of this priority.
    pub priority: Option<Priority>,
}

/// A suite by its content.
#[derive(Clone, Debug, Default)]
pub enum SuiteChoice {
    /// Every check.
    #[default]
    Full,
    /// The gate's suite.
    Smoke,
    /// The profile's own.
    Globs(Vec<String>),
}

/// The checks that run, in registry order, and how many do not.
#[derive(Clone)]
pub struct Selected {
    /// The checks that run.
    pub checks: Vec<&'static Check>,
    /// How many the user left out.
    pub not_selected: usize,
}

/// A selection that cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// Matches no check.
    #[error("`{asked}` is no scenario, check id or glob that matches a check{hint}")]
    Unknown {
        /// What was asked for.
        asked: String,
        /// A suggestion, with its leading punctuation.
        hint: String,
    },
    /// No suite of this name.
    #[error("no suite is called `{asked}`: known are {known}")]
    UnknownSuite {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: String,
    },
    /// Not a glob.
    #[error("`{asked}` is no glob: {source}")]
    NotAGlob {
        /// What was asked for.
        asked: String,
        /// Why.
        source: globset::Error,
    },
}

impl Selection {
    /// Applies the selection to the registry.
    ///
    /// # Errors
    /// [`SelectionError`] when a word of it matches no check at all.
    pub fn of(&self, registry: &[&'static Check]) -> Result<Selected, SelectionError> {
        let only = matcher(&self.only, registry)?;
        let skip = matcher(&self.skip, registry)?;
        let suite = match &self.suite {
            SuiteChoice::Globs(globs) => Some(matcher(globs, registry)?),
            SuiteChoice::Full | SuiteChoice::Smoke => None,
        };
        let in_suite = |check: &Check| match (&self.suite, &suite) {
            (SuiteChoice::Smoke, _) => check.suites.contains(&Suite::Smoke),
            (_, Some(globs)) => globs.is_match(check.id.as_str()),
            _ => true,
        };
        let checks: Vec<_> = registry
            .iter()
            .copied()
            // A check that is named runs whatever the profile's suite is.
            .filter(|check| if self.only.is_empty() { in_suite(check) } else { only.is_match(check.id.as_str()) })
            .filter(|check| !skip.is_match(check.id.as_str()))
            .filter(|check| self.priority.is_none_or(|priority| check.id.scenario().priority() == priority))
            .collect();
        Ok(Selected { not_selected: registry.len() - checks.len(), checks })
    }

    /// The selection in the user's words.
    pub fn words(&self, suite: &str) -> String {
        let mut words = if self.only.is_empty() { format!("suite {suite}") } else { self.only.join(" ") };
        if let Some(priority) = self.priority {
            let _ = write!(words, ", priority {priority}");
        }
        if !self.skip.is_empty() {
            let _ = write!(words, ", without {}", self.skip.join(" "));
        }
        words
    }
}

/// Globs over check ids; a scenario's name stands for all of its checks.
///
/// # Errors
/// [`SelectionError`] when a word is no glob or matches no check.
pub fn matcher(asked: &[String], registry: &[&'static Check]) -> Result<GlobSet, SelectionError> {
    let mut globs = GlobSetBuilder::new();
    for asked in asked {
        let is_scenario = registry.iter().any(|check| check.id.scenario().slug() == asked);
        let pattern = if is_scenario { format!("{asked}/*") } else { asked.clone() };
        let glob = Glob::new(&pattern).map_err(|source| SelectionError::NotAGlob { asked: asked.clone(), source })?;
        let matches = glob.compile_matcher();
        if !registry.iter().any(|check| matches.is_match(check.id.as_str())) {
            return Err(SelectionError::Unknown { asked: asked.clone(), hint: suggestion(asked, registry) });
        }
        globs.add(glob);
    }
    globs.build().map_err(|source| SelectionError::NotAGlob { asked: asked.join(" "), source })
}

fn suggestion(asked: &str, registry: &[&'static Check]) -> String {
    let names = registry.iter().flat_map(|check| [check.id.as_str(), check.id.fact(), check.id.scenario().slug()]);
    names
        .map(|name| (strsim::jaro_winkler(asked, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map_or_else(
            || ": `netra-check list` shows all".to_owned(),
            |(_, name)| {
                let full =
                    registry.iter().find(|check| check.id.fact() == name).map_or(name, |check| check.id.as_str());
                format!(": did you mean `{full}`?")
            },
        )
}

/// The phases of a run: what is in one never meets what is in another.
pub(super) const PHASES: [fn(Option<Group>) -> bool; 4] = [
    |group| matches!(group, None | Some(Group::Breaker)),
    |group| group == Some(Group::Timing),
    |group| group == Some(Group::Quota),
    |group| group == Some(Group::Disrupt),
];

/// `checks` by the part of a run in which they are run, the parts in their order.
pub fn phases(checks: &[&'static Check]) -> impl Iterator<Item = Vec<&'static Check>> {
    let of =
        |phase: fn(Option<Group>) -> bool| checks.iter().copied().filter(move |check| phase(check.group)).collect();
    PHASES.into_iter().map(of).filter(|checks: &Vec<_>| !checks.is_empty())
}
