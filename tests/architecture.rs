//! The structure keeps its rules: imports go one way, files stay small, switches are read once.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module and what it may import of the others.
const IMPORTS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("wire", &["model"]),
    ("profile", &["wire", "model"]),
    ("target", &["wire", "profile", "model"]),
    ("check", &["target", "wire", "profile", "model"]),
    ("scenarios", &["check", "target", "wire", "profile", "model"]),
    ("engine", &["check", "target", "wire", "profile", "model"]),
    ("report", &["model", "check"]),
    ("reference", &["wire"]),
    ("local", &["reference", "profile", "wire"]),
    ("prove", &["engine", "reference", "local", "scenarios", "check", "target", "wire", "profile", "model"]),
];

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// A file without its unit tests and comments: what the rules are about.
fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn imports_go_one_way() {
    let mut forbidden = Vec::new();
    for (module, allowed) in IMPORTS {
        for (path, text) in sources(&root().join(module)) {
            let code = code(&text);
            for (place, _) in code.match_indices("crate::") {
                let name: String =
                    code[place + 7..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                let is_module = IMPORTS.iter().any(|(known, _)| *known == name) || name == "cli";
                if is_module && name != *module && !allowed.contains(&name.as_str()) {
                    forbidden.push(format!("{}: {module} → {name}", path.display()));
                }
            }
        }
    }
    assert!(forbidden.is_empty(), "forbidden imports:\n{}", forbidden.join("\n"));
}

#[test]
fn every_folder_of_the_sources_has_a_rule() {
    for entry in fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "cli" {
            assert!(IMPORTS.iter().any(|(known, _)| *known == name), "src/{name} has no rule in IMPORTS");
        }
    }
}

#[test]
fn files_stay_small() {
    let mut large = Vec::new();
    let mut lines_of_checks = Vec::new();
    for (path, text) in sources(&root()) {
        let lines = code(&text).lines().count();
        let is_check = text.contains("static CHECK: Check = check!(");
        let limit = if is_check { 300 } else { 600 };
        if lines > limit {
            large.push(format!("{}: {lines} lines, at most {limit}", path.display()));
        }
        if is_check {
            lines_of_checks.push(lines);
        }
    }
    assert!(large.is_empty(), "too large:\n{}", large.join("\n"));
    lines_of_checks.sort_unstable();
    let median = lines_of_checks[lines_of_checks.len() / 2];
    assert!(median <= 110, "the median of check files is {median} lines");
}

#[test]
fn only_verifiers_make_observations() {
    for (path, text) in sources(&root()) {
        let allowed = ["check", "engine", "model"].iter().any(|module| path.starts_with(root().join(module)));
        // The samples of the reports' own tests say that they conform.
        let allowed = allowed || path.ends_with("report/formats.rs");
        // Run-wide judges count what they saw themselves: they are verifiers of a whole run.
        let is_judge = text.contains("impl RunWide for");
        assert!(
            allowed || is_judge || !code(&text).contains("of_a_verified_fact"),
            "{} makes an observation",
            path.display()
        );
    }
}
