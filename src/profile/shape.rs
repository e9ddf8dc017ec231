//! The one judge of a profile's shape: the JSON Schema generated from the raw types.

use std::sync::LazyLock;

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind as Kind;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::diagnostic::Problem;
use super::marked;
use super::raw::RawProfile;
use super::tree::{Node, Path, Value as Yaml};
use crate::model::did_you_mean;
use crate::wire::Contract;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<RawProfile>();
    let mut schema = schema.to_value();
    admit_null(&mut schema);
    schema
});

static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::validator_for(&SCHEMA).expect("a generated schema is a schema"));

/// The profile's JSON Schema (draft 2020-12): for editors, and for the loader itself.
pub fn schema() -> Value {
    SCHEMA.clone()
}

/// What is wrong with the time windows that a contract states: their keys and bounds are those of a profile.
pub fn threshold_problems(contract: &Contract) -> Vec<String> {
    let stated: serde_json::Map<_, _> = contract.thresholds().map(|(name, at)| (name.to_owned(), at.into())).collect();
    // JSON is YAML.
    let text = serde_json::json!({ "thresholds": stated }).to_string();
    let tree = marked::parse(&text, 0, 0, &mut Vec::new());
    let problems = tree.iter().flat_map(judge);
    problems
        .map(|(_, Problem { message, help, .. })| help.map_or(message.clone(), |help| format!("{message}: {help}")))
        .collect()
}

/// `null` takes away what a lower layer gave, so an editor must let it stand where a mapping is expected.
fn admit_null(schema: &mut Value) {
    let definitions = schema.get_mut("$defs").and_then(Value::as_object_mut);
    for definition in definitions.into_iter().flat_map(|definitions| definitions.values_mut()) {
        if definition["type"] == "object" {
            definition["type"] = serde_json::json!(["object", "null"]);
        }
    }
}

/// The schema of the value at `path`; `None` where no key of that name exists.
pub(super) fn at(path: &Path) -> Option<&'static Value> {
    path.steps().iter().try_fold(resolved(&SCHEMA), |schema, step| {
        let member = schema.get("properties").and_then(|properties| properties.get(step));
        let any = || schema.get("additionalProperties").filter(|any| any.is_object());
        let item = || step.parse::<usize>().ok().and_then(|_| schema.get("items"));
        member.or_else(any).or_else(item).map(resolved)
    })
}

fn resolved(schema: &'static Value) -> &'static Value {
    let reference = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    reference.and_then(|pointer| SCHEMA.pointer(pointer)).unwrap_or(schema)
}

/// Whether the value at `path` is a secret, or says where one is.
pub(super) fn is_secret(path: &Path) -> bool {
    at(path).is_some_and(|schema| schema["writeOnly"] == true)
}

/// Whether a string fits at `path`.
pub(super) fn admits_string(path: &Path) -> bool {
    at(path).is_none_or(|schema| types(schema).contains(&"string"))
}

/// Whether any string fits at `path`.
pub(super) fn is_free_text(path: &Path) -> bool {
    at(path).is_some_and(|schema| types(schema).contains(&"string") && schema.get("enum").is_none())
}

/// The keys that a mapping at `path` may have.
pub(super) fn keys(path: &Path) -> Vec<&'static str> {
    let properties = at(path).and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    properties.into_iter().flat_map(|properties| properties.keys()).map(String::as_str).collect()
}

/// Every path of the schema that ends in `key`.
fn paths_to(key: &str) -> Vec<Path> {
    let mut found = Vec::new();
    let mut open = vec![Path::default()];
    while let Some(path) = open.pop() {
        for step in keys(&path) {
            let next = path.join(step);
            if step == key && !is_secret(&path) {
                found.push(next.clone());
            }
            open.push(next);
        }
    }
    found
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(only) => vec![only],
        Value::Array(several) => several.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        _ => Vec::new(),
    }
}

/// What is wrong with the shape of `tree`, each with the path that cannot be used.
pub(super) fn judge(tree: &Node) -> Vec<(Path, Problem)> {
    let mut problems = Vec::new();
    for error in VALIDATOR.iter_errors(&tree.to_json()) {
        let path = Path::new(error.instance_path().into_iter().map(|segment| segment.to_string()));
        if let Kind::AdditionalProperties { unexpected } = error.kind() {
            for key in unexpected {
                let path = path.join(key);
                let problem = unknown_key(tree, &path);
                problems.push((path, problem));
            }
        } else if let Some(node) = tree.at(&path)
            && !said_by_the_other(node, &path, error.kind())
        {
            let problem = wrong_value(node, &path, error.kind());
            problems.push((path, problem));
        }
    }
    problems
}

/// A closed list of words complains twice of anything but a string: of the word, or of the type.
fn said_by_the_other(node: &Node, path: &Path, kind: &Kind) -> bool {
    let closed = at(path).is_some_and(|schema| schema.get("enum").is_some());
    match kind {
        Kind::Type { .. } => closed && word(node).is_some(),
        Kind::Enum { .. } => word(node).is_none(),
        _ => false,
    }
}

fn unknown_key(tree: &Node, path: &Path) -> Problem {
    let parent = path.parent().unwrap_or_default();
    let key = path.last().unwrap_or_default();
    let known = keys(&parent);
    let owner = if parent.steps().is_empty() { "a profile".to_owned() } else { format!("`{parent}`") };
    let mut help = match did_you_mean(key, known.iter().copied()) {
        Some(suggestion) => format!("did you mean `{suggestion}`? "),
        None => match paths_to(key).as_slice() {
            [elsewhere] => format!("did you mean `{elsewhere}`? "),
            _ => String::new(),
        },
    };
    help += &format!("known keys of {owner}: {}", known.join(", "));
    let problem = Problem::new(format!("unknown key `{path}`")).help(help);
    match tree.entry_at(path) {
        Some(entry) => problem.at(entry.key_span, format!("not a key of {owner}")),
        None => problem,
    }
}

fn wrong_value(node: &Node, path: &Path, kind: &Kind) -> Problem {
    let schema = at(path).unwrap_or(&Value::Null);
    let (message, label, help) = match kind {
        Kind::Type { .. } => {
            let whole = types(schema) == ["integer"] && matches!(node.value, Yaml::Number(_));
            let found = if whole { "no whole number" } else { found(&node.value) };
            (format!("`{path}` must be {}", wanted(schema)), format!("is {found}"), type_help(node, schema))
        }
        Kind::Enum { options } => {
            let known: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let word = word(node).unwrap_or_default();
            let mut help = did_you_mean(&word, known.iter().copied())
                .map_or_else(String::new, |suggestion| format!("did you mean `{suggestion}`? "));
            help += &format!("known values: {}", known.join(", "));
            (format!("`{path}` cannot be `{word}`"), "not a known value".into(), Some(help))
        }
        Kind::Minimum { .. } | Kind::Maximum { .. } => {
            let range = format!("{} to {}", trimmed(&schema["minimum"]), trimmed(&schema["maximum"]));
            (format!("`{path}` must be {range}"), "out of range".into(), None)
        }
        Kind::MinItems { .. } => {
            (format!("`{path}` must not be empty"), "empty".into(), Some("give the program, then its arguments".into()))
        }
        Kind::MinProperties { .. } | Kind::MaxProperties { .. } => {
            let help = "write `{file: PATH}` or `{command: [PROGRAM, ARGUMENT]}`".to_owned();
            (format!("`{path}` must have exactly one source"), "one of `file`, `command`".into(), Some(help))
        }
        _ => (format!("`{path}` does not fit the profile's schema"), "does not fit".into(), None),
    };
    let problem = Problem::new(message).at(node.span, label);
    match help {
        Some(help) => problem.help(help),
        None => problem,
    }
}

/// `1.0` of the schema is 1 to a person.
fn trimmed(number: &Value) -> String {
    number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string())
}

fn wanted(schema: &Value) -> String {
    let name = |kind: &&str| match *kind {
        "string" => "a string",
        "number" => "a number",
        "integer" => "a whole number",
        "boolean" => "true or false",
        "array" => "a list",
        _ => "a mapping",
    };
    types(schema).iter().map(name).collect::<Vec<_>>().join(" or ")
}

fn found(value: &Yaml) -> &'static str {
    match value {
        Yaml::Null => "empty",
        Yaml::Bool(_) => "a truth value",
        Yaml::Number(_) => "a number",
        Yaml::String { .. } => "a string",
        Yaml::List(_) => "a list",
        Yaml::Map(_) => "a mapping",
    }
}

fn type_help(node: &Node, schema: &Value) -> Option<String> {
    let types = types(schema);
    if schema["writeOnly"] == true {
        return Some("quote it, or write `${VARIABLE}`, `{file: PATH}` or `{command: [PROGRAM, ARGUMENT]}`".into());
    }
    let numeric = types.contains(&"number") || types.contains(&"integer");
    match &node.value {
        Yaml::Bool(_) | Yaml::Number(_) if types.contains(&"string") => Some("quote it".into()),
        Yaml::Number(_) if types.contains(&"integer") => Some("leave the fraction out".into()),
        Yaml::String { text, .. } if numeric => {
            let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c.is_whitespace());
            let unit = text.len() > number.len() && number.parse::<f64>().is_ok();
            unit.then(|| format!("write the number without its unit: {number}"))
        }
        Yaml::String { text, .. } if types.contains(&"boolean") => match text.to_ascii_lowercase().as_str() {
            "yes" | "on" => Some("write `true`".into()),
            "no" | "off" => Some("write `false`".into()),
            _ => None,
        },
        Yaml::String { .. } if types == ["array"] => Some("write it as a list: `[…]`".into()),
        _ if types == ["object"] => {
            let keys = schema["properties"].as_object().map(|keys| keys.keys().cloned().collect::<Vec<_>>().join(", "));
            keys.map(|keys| format!("its keys are {keys}"))
        }
        _ => None,
    }
}

/// The scalar as it was meant, for a message.
fn word(node: &Node) -> Option<String> {
    match node.to_json() {
        Value::String(text) => Some(text),
        Value::Array(_) | Value::Object(_) => None,
        scalar => Some(scalar.to_string()),
    }
}
