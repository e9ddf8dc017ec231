//! `netra-check list`.

use std::io::{self, Write as _};

use serde::Serialize;

use super::args::{ListArgs, ListFormat, SelectionArgs};
use crate::check::Check;
use crate::engine::{Selection, SelectionError};
use crate::model::{Effect, ExitCode};
use crate::scenarios;

/// A check as `list --format json` tells it.
#[derive(Serialize)]
struct Listed {
    id: &'static str,
    title: &'static str,
    scenario: &'static str,
    priority: String,
    level: String,
    required: bool,
    suites: Vec<String>,
    needs: Vec<String>,
    effects: Vec<String>,
}

impl From<&Check> for Listed {
    fn from(check: &Check) -> Self {
        let suites = check.suites.iter().map(ToString::to_string).chain(["full".to_owned()]);
        let effects = [Effect::Read].iter().chain(check.effects).map(ToString::to_string);
        Self {
            id: check.id.as_str(),
            title: check.page.title(),
            scenario: check.id.scenario().slug(),
            priority: check.id.scenario().priority().to_string(),
            level: check.level.to_string(),
            required: check.required,
            suites: suites.collect(),
            needs: check.needs.iter().map(ToString::to_string).collect(),
            effects: effects.collect(),
        }
    }
}

/// The selection of the command line; without a profile the suites are the built-in ones.
fn selection(args: &SelectionArgs) -> Result<Selection, SelectionError> {
    super::run::selection(args, args.suite.as_deref().unwrap_or("full"), None)
}

pub(super) fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let registry = scenarios::registry();
    let selected = match selection(&args.selection).and_then(|it| it.of(&registry)) {
        Ok(selected) => selected,
        Err(error) => return super::usage(&error),
    };
    let checks: Vec<_> = selected.checks.into_iter().map(Listed::from).collect();
    let mut out = io::stdout().lock();
    if args.format == ListFormat::Json {
        writeln!(out, "{}", serde_json::to_string_pretty(&checks)?)?;
        return Ok(ExitCode::Conforms);
    }
    let mut table = super::table(["check", "level", "needs", "title"]);
    for check in &checks {
        let needs = check.needs.iter().chain(check.effects.iter().filter(|effect| *effect != "read"));
        let level = if check.required { "must, required".to_owned() } else { check.level.clone() };
        table.add_row([check.id, &level, &needs.cloned().collect::<Vec<_>>().join(" "), check.title]);
    }
    writeln!(out, "{table}\n{} checks", checks.len())?;
    Ok(ExitCode::Conforms)
}
