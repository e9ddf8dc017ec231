//! The values that can be written in more than one way.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

/// A secret. Files write it out or say where it is; before this type is read, it has been fetched.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(in super::super) struct RawSecret(pub(in super::super) String);

impl fmt::Debug for RawSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("«secret»")
    }
}

impl JsonSchema for RawSecret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // One type list instead of alternatives, so that each complaint names the key at fault.
        // `writeOnly` is the standard's word for a password; the loader hides what bears it.
        json_schema!({
            "writeOnly": true,
            "type": ["string", "object"],
            "properties": {
                "file": {"type": "string", "description": "File that holds the secret, relative to this one."},
                "command": {
                    "type": "array", "items": {"type": "string"}, "minItems": 1,
                    "description": "Program and arguments, no shell; prints the secret within 10 s."
                }
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1
        })
    }
}

/// A URL (POST), or a program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum RawAction {
    Request(String),
    Command(Vec<String>),
}

impl<'de> Deserialize<'de> for RawAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RawAction;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URL, or a program and its arguments")
            }

            fn visit_str<E: de::Error>(self, url: &str) -> Result<RawAction, E> {
                Ok(RawAction::Request(url.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, arguments: A) -> Result<RawAction, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(arguments)).map(RawAction::Command)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for RawAction {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Action".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "array"], "items": {"type": "string"}, "minItems": 1})
    }
}
