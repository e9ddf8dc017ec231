//! Code, pages and defects cannot drift apart: what is forgotten is named.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use netra_check::model::{Effect, Level, Scenario, Suite};
use netra_check::reference::{DEFECTS, VARIATIONS};
use netra_check::scenarios::registry;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, extension: &str) -> BTreeSet<PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .collect()
}

#[test]
fn every_page_belongs_to_a_check_and_every_file_declares_the_check_of_its_name() {
    let registry = registry();
    for scenario in Scenario::ALL {
        let folder = root().join("scenarios").join(scenario.slug());
        if !folder.is_dir() {
            continue;
        }
        for page in files(&folder, "md") {
            let fact = page.file_stem().unwrap().to_string_lossy().into_owned();
            let known = registry.iter().any(|check| check.id.scenario() == scenario && check.id.fact() == fact);
            assert!(known || fact == "README", "{} is the page of no check", page.display());
        }
        for file in files(&root().join("src/scenarios").join(scenario.slug().replace('-', "_")), "rs") {
            let text = fs::read_to_string(&file).unwrap();
            if text.contains("static CHECK: Check = check!(") {
                let declared = registry.iter().find(|check| root().join(check.file) == file);
                let check = declared.unwrap_or_else(|| panic!("{} is not listed in its mod.rs", file.display()));
                let stem = file.file_stem().unwrap().to_string_lossy().replace('_', "-");
                assert_eq!(check.id.fact(), stem, "{} declares another check", file.display());
            }
        }
    }
}

#[test]
fn every_page_has_a_title_one_requirement_a_source_defects_and_prose() {
    for check in registry() {
        let (page, id) = (check.page, check.id);
        let file = format!("scenarios/{id}.md");
        assert!(!page.title().is_empty(), "{file}: no `# Title`");
        assert!(page.requirement().ends_with('.'), "{file}: no `> requirement.` on one line");
        assert_eq!(page.text().lines().filter(|line| line.starts_with("> ")).count(), 1, "{file}: one requirement");
        assert!(!page.source().is_empty(), "{file}: no `Source: `");
        assert!(page.catches().next().is_some(), "{file}: no defect can make the check fail");
        for section in ["## What is done", "## Why", "## A failing run", "## How to fix"] {
            assert!(page.prose().contains(section), "{file}: no `{section}`");
        }
        for catch in page.catches() {
            assert!(DEFECTS.iter().any(|defect| defect.id == catch.defect), "{file}: no defect `{}`", catch.defect);
            assert!(catch.finding.is_some(), "{file}: `{}` names no finding of the list", catch.defect);
        }
    }
}

#[test]
fn every_defect_is_named_by_a_page_and_names_are_unique() {
    let named: BTreeSet<_> =
        registry().iter().flat_map(|check| check.page.catches().map(|catch| catch.defect)).collect();
    let mut seen = BTreeSet::new();
    for id in DEFECTS.iter().map(|defect| defect.id).chain(VARIATIONS.iter().map(|it| it.id)) {
        assert!(seen.insert(id), "`{id}` is there twice");
    }
    let unnamed: Vec<_> = DEFECTS.iter().map(|defect| defect.id).filter(|id| !named.contains(id)).collect();
    assert!(unnamed.is_empty(), "defects that no page of scenarios/ names: {unnamed:?}");
}

#[test]
fn check_ids_are_unique_and_each_scenario_has_a_required_check() {
    let registry = registry();
    let ids: BTreeSet<_> = registry.iter().map(|check| check.id).collect();
    assert_eq!(ids.len(), registry.len());
    for scenario in registry.iter().map(|check| check.id.scenario()).collect::<BTreeSet<_>>() {
        let required = registry.iter().filter(|check| check.id.scenario() == scenario && check.required);
        assert!((1..=2).contains(&required.count()), "{scenario}: one or two required checks");
    }
}

#[test]
fn the_smoke_suite_is_mild_and_reaches_every_scenario() {
    let registry = registry();
    for check in registry.iter().filter(|check| check.suites.contains(&Suite::Smoke)) {
        let mild = check.effects.iter().all(|effect| matches!(effect, Effect::Read | Effect::Create));
        assert!(mild && check.group.is_none(), "{} is too much for a gate", check.id);
    }
    for check in registry.iter().filter(|check| check.required) {
        assert!(check.suites.contains(&Suite::Smoke) && check.level == Level::Must, "{} is required", check.id);
    }
}
