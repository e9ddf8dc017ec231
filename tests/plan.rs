//! The plan's ten tests and the checks that verify them: made from the pages, so that it cannot drift.
//!
//! `NETRA_CHECK_WRITE=1 cargo test --test plan` writes the README's table anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use netra_check::model::Scenario;
use netra_check::scenarios::registry;
use regex::Regex;
use serde::Deserialize;

const BEGIN: &str = "<!-- made from scenarios/plan.yaml and the pages -->\n";
const END: &str = "<!-- end of the plan -->\n";

/// One test of the plan.
#[derive(Deserialize)]
struct Test {
    about: String,
    scope: Vec<String>,
    validations: Vec<String>,
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn plan() -> Vec<Test> {
    serde_yaml::from_str(&fs::read_to_string(file("scenarios/plan.yaml")).unwrap()).unwrap()
}

/// What a page's source says of the plan: `plan 3 (one topic; another)`.
fn topics(source: &str) -> Vec<(usize, String)> {
    let reference = Regex::new(r"plan (\d+) \(([^)]*)\)").unwrap();
    let found = reference.captures_iter(source).flat_map(|found| {
        let number: usize = found[1].parse().unwrap();
        found[2].split("; ").map(|topic| (number, topic.to_owned())).collect::<Vec<_>>()
    });
    found.collect()
}

fn table() -> String {
    let pages: Vec<_> = registry().iter().map(|check| (check.id, topics(check.page.source()))).collect();
    let mut table = String::from("| | what the plan asks for | checks |\n|--:|---|---|\n");
    for (index, test) in plan().iter().enumerate() {
        let number = index + 1;
        table.push_str(&format!("| **{number}** | **{}** | |\n", test.about));
        for (mark, topics) in [("", &test.scope), ("✓", &test.validations)] {
            for topic in topics {
                let names = pages.iter().filter(|(_, of)| of.contains(&(number, topic.clone())));
                let own = Scenario::ALL[index];
                let names: Vec<_> = names
                    .map(|(id, _)| if id.scenario() == own { id.fact() } else { id.as_str() })
                    .map(|name| format!("`{name}`"))
                    .collect();
                table.push_str(&format!("| {mark} | {topic} | {} |\n", names.join(", ")));
            }
        }
    }
    table
}

#[test]
fn every_topic_that_a_page_names_is_in_the_plan() {
    let plan = plan();
    for check in registry() {
        for (number, topic) in topics(check.page.source()) {
            let test = plan.get(number - 1).unwrap_or_else(|| panic!("{}: plan {number}", check.id));
            let known = test.scope.iter().chain(&test.validations).any(|known| *known == topic);
            assert!(known, "scenarios/{}.md: `plan {number} ({topic})` is not in scenarios/plan.yaml", check.id);
        }
    }
}

#[test]
fn every_topic_of_the_plan_is_verified_where_its_scenario_is_built() {
    let registry = registry();
    let built: BTreeSet<_> = registry.iter().map(|check| check.id.scenario()).collect();
    let named: BTreeSet<_> = registry.iter().flat_map(|check| topics(check.page.source())).collect();
    for (index, test) in plan().iter().enumerate() {
        assert_eq!(test.about, Scenario::ALL[index].title());
        for topic in test.scope.iter().chain(&test.validations).filter(|_| built.contains(&Scenario::ALL[index])) {
            assert!(named.contains(&(index + 1, topic.clone())), "no page verifies: plan {} ({topic})", index + 1);
        }
    }
}

#[test]
fn the_readme_shows_the_plan_as_the_pages_have_it() {
    let path = file("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    if shown == table() {
        return;
    }
    assert!(
        std::env::var_os("NETRA_CHECK_WRITE").is_some(),
        "the README's table of the plan is old: `NETRA_CHECK_WRITE=1 cargo test --test plan` writes it anew"
    );
    fs::write(path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
}
