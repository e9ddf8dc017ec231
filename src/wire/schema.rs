//! JSON Schema validation with findings a person can read.

use jsonschema::Validator;
use serde_json::Value;

/// One place where a value does not fit its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaFault {
    /// JSON Pointer into the object judged; empty for the object itself.
    pub path: String,
    /// What the schema asks for, and what was there.
    pub message: String,
}

/// All faults of `value`, in the order of its members.
pub(super) fn faults(validator: &Validator, value: &Value) -> Vec<SchemaFault> {
    validator
        .iter_errors(value)
        .map(|error| SchemaFault { path: error.instance_path().to_string(), message: error.to_string() })
        .collect()
}
