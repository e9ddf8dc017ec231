//! The resolved profile as YAML: secrets hidden, each value followed by its source.

use super::hide::without_user_information;
use super::layers::Layers;
use super::shape;
use super::tree::{Node, Path, Value};

/// What stands for a secret.
pub(super) const HIDDEN: &str = "«secret»";

/// A profile again, except for its secrets. What is not given is left out.
pub(super) fn resolved(tree: &Node, layers: &Layers) -> String {
    let mut lines = Vec::new();
    for entry in tree.entries().iter().filter(|entry| entry.key != "inherits") {
        member(&entry.key, &entry.node, &Path::default().join(&entry.key), 0, layers, &mut lines);
    }
    // One column for the sources, unless a value is far too long for it.
    let fits = lines.iter().map(|line: &Line| line.text.chars().count()).filter(|width| *width <= 60);
    let column = fits.max().unwrap_or(0);
    let text = lines.into_iter().fold(String::new(), |text, Line { text: line, source }| match source {
        Some(source) => format!("{text}{line:<column$}  # {source}\n"),
        None => format!("{text}{line}\n"),
    });
    without_user_information(&text)
}

struct Line {
    text: String,
    source: Option<String>,
}

fn member(key: &str, node: &Node, path: &Path, depth: usize, layers: &Layers, lines: &mut Vec<Line>) {
    let indent = "  ".repeat(depth);
    let key = scalar(&Value::String { text: key.to_owned(), plain: false });
    let source = || source(node, layers);
    match &node.value {
        _ if shape::is_secret(path) && !matches!(node.value, Value::Null) => {
            lines.push(Line { text: format!("{indent}{key}: {HIDDEN}"), source: source() });
        }
        Value::Null => {}
        Value::Map(entries) => {
            let first = lines.len();
            for entry in entries {
                member(&entry.key, &entry.node, &path.join(&entry.key), depth + 1, layers, lines);
            }
            if lines.len() > first {
                lines.insert(first, Line { text: format!("{indent}{key}:"), source: None });
            }
        }
        Value::List(items) if items.iter().any(|item| matches!(item.value, Value::Map(_))) => {
            lines.push(Line { text: format!("{indent}{key}:"), source: source() });
            for (index, item) in items.iter().enumerate() {
                let path = path.join(&index.to_string());
                let members = item.entries().iter().filter(|entry| !matches!(entry.node.value, Value::Null));
                for (position, entry) in members.enumerate() {
                    let mut of_item = Vec::new();
                    member(&entry.key, &entry.node, &path.join(&entry.key), 0, layers, &mut of_item);
                    let dash = if position == 0 { "- " } else { "  " };
                    let text = |line: Line| Line { text: format!("{indent}  {dash}{}", line.text), source: None };
                    lines.extend(of_item.into_iter().map(text));
                }
            }
        }
        value => lines.push(Line { text: format!("{indent}{key}: {}", scalar(value)), source: source() }),
    }
}

fn source(node: &Node, layers: &Layers) -> Option<String> {
    let layer = layers.list.get(node.span.layer)?;
    if layer.is_default() { Some("default".into()) } else { layers.line(node.span) }
}

/// A value without members on one line; quoted where YAML would take it for something else.
pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::List(items) => {
            format!("[{}]", items.iter().map(|item| scalar(&item.value)).collect::<Vec<_>>().join(", "))
        }
        Value::Map(_) => "{}".into(),
        Value::String { text, .. } => {
            let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '+' | '@');
            let safe = text.chars().all(|c| word(c) || c == ':')
                && text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '/')
                && !text.ends_with(':')
                && matches!(Value::plain(text), Value::String { .. });
            // JSON strings are YAML strings, on one line whatever they hold; what is shown again must
            // not be filled in again.
            if safe { text.clone() } else { serde_json::Value::from(text.replace("${", "$${")).to_string() }
        }
    }
}
