use std::io;
use std::path::Path;

use super::python::{self, Place, imports};
use super::requirements::{Requirement, of_pyproject, of_requirements};
use super::tree::{self, File};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Blame, Evidence, Finding, Inconclusive, Judgement, Need, NotVerified, Stop};

pub(super) static CHECK: Check = check!("independence/no-main-app-imports", run).needs(&[Need::Source]);

/// What a tree holds of the main application.
#[derive(Default)]
struct Found {
    python_files: usize,
    imports: Vec<String>,
    requirements: Vec<String>,
    unread: Vec<String>,
}

async fn run(cx: &Context) -> Judgement {
    let settings = &cx.profile().independence;
    let root = settings.source.clone().ok_or(NotVerified::Lacks(Need::Source))?;
    let forbidden = settings.forbidden_packages.clone();
    cx.step(format!("reading {}", root.display()));
    let unreadable = |error: io::Error| -> Stop {
        Inconclusive::new(Blame::Environment, format!("`independence.source` cannot be read: {error}")).into()
    };
    // Reading and parsing a tree would hold up the checks beside this one.
    let found = tokio::task::spawn_blocking(move || search(&root, &forbidden)).await;
    let found = found.map_err(|panic| unreadable(io::Error::other(panic)))?.map_err(unreadable)?;
    if found.python_files == 0 {
        return Err(NotVerified::NotProvoked("`independence.source` holds no Python file".into()).into());
    }
    if let Some(unread) = found.unread.first() {
        return Err(Inconclusive::new(Blame::Environment, format!("{unread} cannot be parsed")).into());
    }

    let packages = settings.forbidden_packages.join("`, `");
    for (step, offences) in [("imports", found.imports), ("requirements", found.requirements)] {
        cx.step(format!("{step} of {} Python files", found.python_files));
        let evidence = Evidence { entries: Vec::new(), facts: offences.clone() };
        let expected = format!("no {step} of `{packages}`");
        cx.holds(offences.is_empty(), Finding::ForbiddenDependency, expected, || offences.join("; "), || evidence)?;
    }
    cx.conforms()
}

fn search(root: &Path, forbidden: &[String]) -> io::Result<Found> {
    let root_is_package = root.join("__init__.py").is_file();
    let mut found = Found::default();
    for file in tree::files(root)? {
        if file.is_python() {
            found.python_files += 1;
            let place = Place { depth: file.depth(), root_is_package };
            let Some(imports) = imports(&file.text, place) else {
                found.unread.push(file.path.display().to_string());
                continue;
            };
            let bad = |module: &str| forbidden.iter().any(|package| python::is_of(module, package));
            let mut lines: Vec<_> = imports.iter().filter(|import| bad(&import.module)).map(|it| it.line).collect();
            lines.dedup();
            found.imports.extend(lines.into_iter().map(|line| quote(&file, line)));
        } else {
            let requirements =
                if file.is_pyproject() { of_pyproject(&file.text) } else { Some(of_requirements(&file.text)) };
            let Some(requirements) = requirements else {
                found.unread.push(file.path.display().to_string());
                continue;
            };
            let bad = |it: &&Requirement| forbidden.iter().any(|package| it.asks_for(package));
            found.requirements.extend(requirements.iter().filter(bad).map(|it| quote(&file, it.line)));
        }
    }
    Ok(found)
}

/// A line of a file, as evidence.
fn quote(file: &File, line: usize) -> String {
    let text = file.text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
    format!("{}:{line}: {text}", file.path.display())
}
