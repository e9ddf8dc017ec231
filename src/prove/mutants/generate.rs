//! The mutants that a contract makes: every filter over every message and field.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::reference::{Change, Filter, Subject};
use crate::wire::{Contract, Endpoint, Kind};

/// Every mutant of the messages and bodies that the contract names. Messages are swapped that `followed`
/// one another without a client's message between them: elsewhere a swap is a message that never comes.
/// Delayed ones come after `late`.
pub(super) fn generate(contract: &Contract, followed: &BTreeSet<(Kind, Kind)>, late: Duration) -> Vec<Filter> {
    let mut filters = Vec::new();
    for kind in contract.server_kinds() {
        filters.push(Filter::Drop(kind.clone()));
        filters.push(Filter::Repeat(kind.clone()));
        filters.push(Filter::Misroute(kind.clone()));
        filters.push(Filter::Delay(kind.clone(), late));
        let after = followed.iter().filter(|(before, after)| *before == kind && *after != kind);
        filters.extend(after.map(|(before, after)| Filter::Swap(before.clone(), after.clone())));
        if let Some(schema) = contract.payload_schema(&kind) {
            change_fields(contract, schema, &Subject::Message(kind), &mut filters);
        }
    }
    for endpoint in Endpoint::ALL.iter().copied() {
        if let Some(schema) = contract.response_schema(endpoint) {
            change_fields(contract, schema, &Subject::Body(endpoint), &mut filters);
        }
    }
    if contract.endpoint(Endpoint::WsConfig).is_some() {
        let values = contract.config_values().map(str::to_owned);
        values.for_each(|path| change(&Subject::Body(Endpoint::WsConfig), &path, &mut filters));
    }
    filters
}

fn change_fields(contract: &Contract, schema: &Value, subject: &Subject, filters: &mut Vec<Filter>) {
    let mut paths = BTreeSet::new();
    fields(contract, schema, "", &mut paths);
    for path in paths {
        change(subject, &path, filters);
    }
}

fn change(subject: &Subject, path: &str, filters: &mut Vec<Filter>) {
    filters.extend(Change::ALL.map(|change| Filter::of_field(change, subject, path)));
}

/// The fields that a schema names, dotted below objects and items of arrays.
fn fields(contract: &Contract, schema: &Value, below: &str, paths: &mut BTreeSet<String>) {
    let shape = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
    if let Some(shape) = shape.and_then(|name| contract.shape_schema(name)) {
        fields(contract, shape, below, paths);
    }
    if let Some(items) = schema.get("items") {
        fields(contract, items, below, paths);
    }
    for part in ["if", "then", "else"] {
        schema.get(part).into_iter().for_each(|part| fields(contract, part, below, paths));
    }
    for part in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        fields(contract, part, below, paths);
    }
    let path = |name: &str| if below.is_empty() { name.to_owned() } else { format!("{below}.{name}") };
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    paths.extend(required.filter_map(Value::as_str).map(path));
    for (name, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        paths.insert(path(name));
        fields(contract, schema, &path(name), paths);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_and_field_of_the_contract_has_its_mutants() {
        let contract = Contract::load("netra-v1").unwrap();
        let followed = BTreeSet::from([(Kind::ThreadSwitched, Kind::ThreadLoaded)]);
        let filters = generate(&contract, &followed, Duration::from_millis(2500));
        let ids: BTreeSet<_> = filters.iter().map(ToString::to_string).collect();
        assert_eq!(ids.len(), filters.len(), "a mutant is there twice");
        for id in [
            "drop:pong",
            "repeat:error",
            "misroute:final_report",
            "delay:thread_created,2500ms",
            "swap:thread_switched,thread_loaded",
            // Of the message itself, of a shape that it refers to, of objects in an array, of an alternative.
            "omit:agent_started.timestamp",
            "null:agent_started.run_id",
            "retype:thread_list.threads.title",
            "omit:session_restored.run.status",
            "null:http/login.access_token",
            "omit:http/list_threads.updated_at",
            "omit:http/validate.error_code",
            "omit:http/ws_config.rate_limit.window_s",
        ] {
            assert!(ids.contains(id), "{id}");
        }
        assert_eq!(ids.iter().filter(|id| id.starts_with("swap:")).count(), 1);
        for kind in contract.server_kinds() {
            assert!(ids.contains(&format!("drop:{kind}")), "{kind}");
        }
    }
}
