//! Shapes: how the fields of an object are called on the wire, and what they may hold.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The form of one kind of object: a message's payload, a thread, a token set.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Shape {
    /// Logical field → its names on the wire, the one to write first.
    #[serde(default)]
    pub(super) fields: BTreeMap<String, Vec<String>>,
    /// Logical field → shape of the object, or of each object of the array, that it holds.
    #[serde(default)]
    pub(super) holds: BTreeMap<String, String>,
    /// Logical fields that are not there.
    #[serde(default)]
    pub(super) absent: BTreeSet<String>,
    /// Further members that are written, by name or JSON pointer.
    #[serde(default)]
    pub(super) beside: Map<String, Value>,
    /// JSON Schema (draft 2020-12) of the object as it stands on the wire.
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    pub(super) schema: Option<Value>,
}

/// All shapes of a contract by name.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct Shapes(pub(super) BTreeMap<String, Shape>);

impl Shapes {
    /// `value` with the wire's field names replaced by the logical ones, unknown fields kept.
    pub(super) fn to_logical(&self, shape: &Shape, value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let mut logical = Map::new();
                // What stands deeper is found by its pointer.
                for (field, names) in &shape.fields {
                    let mut pointers = names.iter().filter(|name| name.starts_with('/'));
                    if let Some(member) = pointers.find_map(|pointer| value.pointer(pointer)) {
                        logical.insert(field.clone(), member.clone());
                    }
                }
                for (wire, member) in members {
                    let is_led_through = |name: &String| {
                        name.strip_prefix('/').and_then(|path| path.split('/').next()) == Some(wire.as_str())
                    };
                    if shape
                        .fields
                        .iter()
                        .any(|(field, names)| logical.contains_key(field) && names.iter().any(is_led_through))
                    {
                        continue;
                    }
                    let field = shape
                        .fields
                        .iter()
                        .find(|(_, names)| names.contains(wire))
                        .map_or(wire.as_str(), |(field, _)| field.as_str());
                    let member = match shape.holds.get(field).and_then(|name| self.0.get(name)) {
                        Some(inner) => self.to_logical(inner, member),
                        None => member.clone(),
                    };
                    logical.insert(field.to_owned(), member);
                }
                Value::Object(logical)
            }
            Value::Array(items) => items.iter().map(|item| self.to_logical(shape, item)).collect(),
            other => other.clone(),
        }
    }

    /// The reverse of [`Self::to_logical`], writing each field's first name.
    pub(super) fn to_wire(&self, shape: &Shape, value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let mut wire = Map::new();
                for (field, member) in members.iter().filter(|(field, _)| !shape.absent.contains(*field)) {
                    let name =
                        shape.fields.get(field).and_then(|names| names.first()).map_or(field.as_str(), String::as_str);
                    let member = match shape.holds.get(field).and_then(|name| self.0.get(name)) {
                        Some(inner) => self.to_wire(inner, member),
                        None => member.clone(),
                    };
                    match name.strip_prefix('/').map(|path| path.split('/')) {
                        Some(path) => put(&mut wire, path, member),
                        None => drop(wire.insert(name.to_owned(), member)),
                    }
                }
                for (name, member) in &shape.beside {
                    match name.strip_prefix('/').map(|path| path.split('/')) {
                        Some(path) => put(&mut wire, path, member.clone()),
                        None => drop(wire.entry(name.clone()).or_insert_with(|| member.clone())),
                    }
                }
                Value::Object(wire)
            }
            Value::Array(items) => items.iter().map(|item| self.to_wire(shape, item)).collect(),
            other => other.clone(),
        }
    }
}

/// Puts `member` below `wire` at a path whose numbers are places in arrays.
fn put<'p>(wire: &mut Map<String, Value>, mut path: impl Iterator<Item = &'p str>, member: Value) {
    let Some(first) = path.next() else { return };
    let mut place = wire.entry(first).or_insert(Value::Null);
    for part in path {
        if let Ok(index) = part.parse::<usize>() {
            if !place.is_array() {
                *place = Value::Array(Vec::new());
            }
            let Value::Array(items) = place else { return };
            items.resize(items.len().max(index + 1), Value::Null);
            place = &mut items[index];
        } else {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            let Value::Object(members) = place else { return };
            place = members.entry(part).or_insert(Value::Null);
        }
    }
    *place = member;
}
