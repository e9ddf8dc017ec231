//! Mutants that nobody picked by hand: every filter over every message and field of the contract.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::each;
use super::stage::{Stage, Staging};
use crate::check::{Check, Waits};
use crate::model::Verdict;
use crate::reference::Filter;
use crate::wire::{Contract, Kind};

/// What became of a generated mutant.
#[derive(Clone, Debug, Serialize)]
pub struct Mutant {
    /// The filter, as `serve --filter` takes it.
    pub id: String,
    /// The first check that deviated; `None` when it survived.
    pub caught_by: Option<&'static str>,
}

/// Every mutant of the messages that the contract names.
pub(super) fn generate(contract: &Contract) -> Vec<Filter> {
    let mut filters = Vec::new();
    for kind in contract.server_kinds() {
        filters.push(Filter::Drop(kind.clone()));
        filters.push(Filter::Repeat(kind.clone()));
        filters.push(Filter::Misroute(kind.clone()));
        for field in mandatory_fields(contract, &kind) {
            filters.push(Filter::Omit(kind.clone(), field.clone()));
            filters.push(Filter::Null(kind.clone(), field.clone()));
            filters.push(Filter::Retype(kind.clone(), field));
        }
    }
    filters
}

/// Fields that the schema of `kind` requires.
fn mandatory_fields(contract: &Contract, kind: &Kind) -> Vec<String> {
    let required = |schema: &Value| -> Vec<String> {
        let names = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let Some(schema) = contract.payload_schema(kind) else { return Vec::new() };
    let mut fields = required(schema);
    let shape = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
    if let Some(schema) = shape.and_then(|name| contract.shape_schema(name)) {
        fields.extend(required(schema));
    }
    fields
}

/// Runs the checks that need no mandatory wait against every mutant, until the first deviates.
pub(super) async fn prove(checks: &[&'static Check], jobs: usize, tell: &(dyn Fn(&str) + Sync)) -> Vec<Mutant> {
    let Ok(stage) = Stage::start(Staging::default()).await else { return Vec::new() };
    let filters = generate(stage.contract());
    let (config, _) = stage.contract().ws_config(&Value::Null);
    let quick: Vec<_> = checks
        .iter()
        .copied()
        .filter(|check| check.group.is_none())
        .filter(|check| (check.wait)(&Waits { profile: stage.profile(), config: &config }) == Duration::ZERO)
        .collect();
    stage.end().await;
    each(filters.into_iter(), jobs, |filter| {
        let quick = &quick;
        async move {
            let id = filter.to_string();
            let staging = Staging { filter: Some(filter), ..Staging::default() };
            let outcomes = match Stage::start(staging).await {
                Ok(stage) => stage.run(quick, true).await,
                Err(_) => Vec::new(),
            };
            let caught = outcomes.iter().find(|outcome| matches!(outcome.verdict, Verdict::Deviates(_)));
            let caught_by = caught.map(|outcome| outcome.id.as_str());
            tell(&format!("{:9} {id}", if caught_by.is_some() { "caught" } else { "survived" }));
            Mutant { id, caught_by }
        }
    })
    .await
}
