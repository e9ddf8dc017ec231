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

/// The file of what other contracts than netra-v1 leave uncaught, part of the program.
const IN_CONTRACTS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/survivors-in-contracts.yaml"));

/// One entry of that file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContractEntry {
    contracts: Vec<String>,
    why: String,
    defects: Vec<String>,
}

/// Why defects that netra-v1's checks catch cannot be caught in one contract.
pub(super) struct InContract(Vec<(String, String)>);

impl InContract {
    pub(super) fn read(contract: &str) -> Self {
        let entries: Vec<ContractEntry> =
            serde_yaml::from_str(IN_CONTRACTS).expect("scenarios/survivors-in-contracts.yaml is read by a test");
        let entries = entries.into_iter().filter(|entry| entry.contracts.iter().any(|name| name == contract));
        Self(entries.flat_map(|entry| entry.defects.into_iter().map(move |id| (id, entry.why.clone()))).collect())
    }

    pub(super) fn of(&self, defect: &str) -> Option<&str> {
        self.0.iter().find(|(id, _)| id == defect).map(|(_, why)| why.as_str())
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
    fn what_contracts_leave_uncaught_are_defects() {
        for contract in crate::wire::Contract::builtin_names() {
            for (id, why) in InContract::read(contract).0 {
                assert!(crate::reference::DEFECTS.iter().any(|defect| defect.id == id), "{id}");
                assert!(why.ends_with('.'), "{why}");
            }
        }
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
