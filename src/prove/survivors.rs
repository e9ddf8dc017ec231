//! The file of survivors: why mutants that no check catches need not be caught.

use globset::{Glob, GlobMatcher};
use serde::Deserialize;

use super::mutants::Ending;

/// The file, part of the program.
const FILE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/survivors.yaml"));

/// One entry of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// What became of the mutants.
    outcome: Ending,
    /// In one sentence.
    why: String,
    /// Globs of their names.
    mutants: Vec<String>,
}

/// A glob, with its entry and whether it has matched.
struct Explanation {
    outcome: Ending,
    why: String,
    glob: GlobMatcher,
    used: bool,
}

/// The explanations, and which of them were needed.
pub(super) struct Explanations(Vec<Explanation>);

impl Explanations {
    pub(super) fn read() -> Self {
        Self::parse(FILE).expect("scenarios/survivors.yaml is read by a test")
    }

    fn parse(text: &str) -> Result<Self, String> {
        let entries: Vec<Entry> = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        let mut explanations = Vec::new();
        for entry in entries {
            for glob in entry.mutants {
                let glob = Glob::new(&glob).map_err(|error| error.to_string())?.compile_matcher();
                explanations.push(Explanation { outcome: entry.outcome, why: entry.why.clone(), glob, used: false });
            }
        }
        Ok(Self(explanations))
    }

    /// Why the mutant of this name may end so. The first that fits is used.
    pub(super) fn of(&mut self, mutant: &str, outcome: Ending) -> Option<&str> {
        let fits = |it: &&mut Explanation| it.outcome == outcome && it.glob.is_match(mutant);
        let explanation = self.0.iter_mut().find(fits)?;
        explanation.used = true;
        Some(&explanation.why)
    }

    /// Globs that nothing needed.
    pub(super) fn unused(&self) -> Vec<String> {
        let unused = self.0.iter().filter(|explanation| !explanation.used);
        unused.map(|it| format!("{} ({})", it.glob.glob(), it.outcome.word())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_and_explains_no_mutant_that_is_caught() {
        let explanations = Explanations::parse(FILE).unwrap();
        assert!(explanations.0.iter().all(|it| it.outcome != Ending::Caught && it.why.ends_with('.')));
    }

    #[test]
    fn an_explanation_fits_one_outcome_and_is_unused_until_something_fits() {
        let text = "[{outcome: survived, why: It is so., mutants: ['drop:*', 'omit:pong.*']}]";
        let mut explanations = Explanations::parse(text).unwrap();
        assert_eq!(explanations.of("drop:error", Ending::NeverApplied), None);
        assert_eq!(explanations.of("drop:error", Ending::Survived), Some("It is so."));
        assert_eq!(explanations.unused(), ["omit:pong.* (survived)"]);
    }
}
