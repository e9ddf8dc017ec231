//! The shape of a contract file: the JSON Schema that is generated from the types that read it.

use std::sync::LazyLock;

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind as Kind;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::contract_file::ContractFile;
use crate::model::did_you_mean;

/// The key that is gone before a file is judged.
const EXTENDS: &str = "extends";

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<ContractFile>().to_value()
});

static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(&SCHEMA).expect("a generated schema is a schema"));

/// The JSON Schema (draft 2020-12) of a contract file, for editors. A file that extends another may leave out what that
/// one says, and takes a member away with `null`.
pub fn contract_schema() -> Value {
    let mut over_another = SCHEMA.clone();
    let dialect = over_another.as_object_mut().and_then(|schema| schema.shift_remove("$schema"));
    let whole = over_another.clone();
    relax(&mut over_another);
    let extends = "Built-in contract that says whatever is not said here.";
    over_another["properties"][EXTENDS] = json!({ "type": "string", "description": extends });
    json!({ "$schema": dialect, "if": { "required": [EXTENDS] }, "then": over_another, "else": whole })
}

/// Nothing is required any more, and everything may be `null`.
fn relax(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    members.shift_remove("required");
    match members.get_mut("type") {
        Some(Value::Array(several)) if several.iter().any(|kind| kind == "null") => {}
        Some(Value::Array(several)) => several.push("null".into()),
        Some(only) => *only = json!([only.take(), "null"]),
        None => {}
    }
    let properties = members.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flat_map(|properties| properties.values_mut()).for_each(relax);
    members.get_mut("additionalProperties").into_iter().for_each(relax);
}

/// All that is wrong with the shape of a file: the path of the key, and what is to be said of it.
pub(super) fn judge(file: &Value) -> Vec<(Vec<String>, String)> {
    let mut problems = Vec::new();
    for error in VALIDATOR.iter_errors(file) {
        let path: Vec<String> = error.instance_path().into_iter().map(|segment| segment.to_string()).collect();
        let place = path.join(".");
        match error.kind() {
            Kind::AdditionalProperties { unexpected } => {
                let known = keys(&path);
                for key in unexpected {
                    let meant = did_you_mean(key, known.iter().copied());
                    let meant = meant.map_or_else(String::new, |key| format!("did you mean `{key}`? "));
                    let owner = if place.is_empty() { "a contract".into() } else { format!("`{place}`") };
                    let what = format!("unknown key `{key}`: {meant}known keys of {owner}: {}", known.join(", "));
                    problems.push(([path.as_slice(), std::slice::from_ref(key)].concat(), what));
                }
            }
            Kind::Required { property } => {
                let owner = if place.is_empty() { "the contract".into() } else { format!("`{place}`") };
                problems.push((path, format!("{owner} lacks {}", property.to_string().replace('"', "`"))));
            }
            Kind::OneOfNotValid { .. } => {
                let known = words(&path);
                let meant = error.instance().as_str().and_then(|it| did_you_mean(it, known.iter().copied()));
                let meant = meant.map_or_else(String::new, |word| format!(": did you mean `{word}`?"));
                let what = format!("`{place}`: {} is none of {}{meant}", error.instance(), known.join(", "));
                problems.push((path, what));
            }
            _ => problems.push((path, format!("`{place}`: {error}"))),
        }
    }
    problems
}

/// The schema of the value at `path`.
fn at(path: &[String]) -> Option<&'static Value> {
    path.iter().try_fold(&*SCHEMA, |schema, step| {
        let member = schema.get("properties").and_then(|properties| properties.get(step));
        member.or_else(|| schema.get("additionalProperties")).or_else(|| schema.get("items"))
    })
}

/// The keys that the mapping at `path` may have.
fn keys(path: &[String]) -> Vec<&'static str> {
    let properties = at(path).and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let extends = path.is_empty().then_some(EXTENDS);
    properties.into_iter().flat_map(|properties| properties.keys()).map(String::as_str).chain(extends).collect()
}

/// The words that the value at `path` may be.
fn words(path: &[String]) -> Vec<&'static str> {
    let words = at(path).and_then(|schema| schema.get("oneOf")).and_then(Value::as_array);
    words.into_iter().flatten().filter_map(|word| word["const"].as_str()).collect()
}
