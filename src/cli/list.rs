//! `netra-check list`.

use std::io::{self, Write as _};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::args::{Color, ListArgs, ListFormat};
use crate::check::Check;
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

pub(super) fn list(args: &ListArgs, _color: Color) -> anyhow::Result<ExitCode> {
    let registry = scenarios::registry();
    let selected = match super::run::selection(&args.selection, None).and_then(|it| Ok(it.of(&registry)?)) {
        Ok(selected) => selected,
        Err(error) => return super::usage(&error),
    };
    let checks: Vec<_> = selected.checks.into_iter().map(Listed::from).collect();
    let mut out = io::stdout().lock();
    if args.format == ListFormat::Json {
        writeln!(out, "{}", serde_json::to_string_pretty(&checks)?)?;
        return Ok(ExitCode::Conforms);
    }
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["check", "level", "needs", "title"]);
    for check in &checks {
        let needs = check.needs.iter().chain(check.effects.iter().filter(|effect| *effect != "read"));
        let level = if check.required { "must, required".to_owned() } else { check.level.clone() };
        table.add_row([check.id, &level, &needs.cloned().collect::<Vec<_>>().join(" "), check.title]);
    }
    table.set_width(super::width());
    writeln!(out, "{table}\n{} checks", checks.len())?;
    Ok(ExitCode::Conforms)
}
