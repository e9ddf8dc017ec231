//! Shapes: how the fields of an object are called on the wire, and what they may hold.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// The form of one kind of object: a message's payload, a thread, a token set.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shape {
    /// Logical field → its names on the wire, the one to write first.
    #[serde(default)]
    pub(super) fields: BTreeMap<String, Vec<String>>,
    /// Logical field → shape of the object, or of each object of the array, that it holds.
    #[serde(default)]
    pub(super) holds: BTreeMap<String, String>,
    /// JSON Schema (draft 2020-12) of the object as it stands on the wire.
    #[serde(default)]
    pub(super) schema: Option<Value>,
}

/// All shapes of a contract by name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Shapes(pub(super) BTreeMap<String, Shape>);

impl Shapes {
    /// `value` with the wire's field names replaced by the logical ones, unknown fields kept.
    pub(super) fn to_logical(&self, shape: &Shape, value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let mut logical = Map::new();
                for (wire, member) in members {
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
                for (field, member) in members {
                    let name =
                        shape.fields.get(field).and_then(|names| names.first()).map_or(field.as_str(), String::as_str);
                    let member = match shape.holds.get(field).and_then(|name| self.0.get(name)) {
                        Some(inner) => self.to_wire(inner, member),
                        None => member.clone(),
                    };
                    wire.insert(name.to_owned(), member);
                }
                Value::Object(wire)
            }
            Value::Array(items) => items.iter().map(|item| self.to_wire(shape, item)).collect(),
            other => other.clone(),
        }
    }
}
