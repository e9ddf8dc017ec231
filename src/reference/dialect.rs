//! How JSON is written: the variations that concern every body and every payload alike.

use std::io;

use serde::Serialize as _;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use serde_json::{Map, Value};

use super::Permitted;

/// Writes JSON the way this environment does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    extra_member: bool,
    escaped: bool,
}

impl Dialect {
    /// The way that the variations name.
    pub(super) fn new(permitted: &Permitted) -> Self {
        Self { extra_member: permitted.extra_payload_field.on(), escaped: permitted.escaped_json.on() }
    }

    /// Adds the member that nobody knows, if this environment does so: to a payload, a body, or
    /// each object of a body that is an array.
    pub(super) fn extend(self, value: &mut Value) {
        match value {
            _ if !self.extra_member => {}
            Value::Object(members) => {
                members.insert("added_later".into(), Value::from("by a newer version"));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.extend(item)),
            _ => {}
        }
    }

    /// The text of a JSON value.
    pub(super) fn text(self, value: &Value) -> String {
        if !self.escaped {
            return value.to_string();
        }
        let mut text = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut text, Escaping(PrettyFormatter::new()));
        match reversed(value).serialize(&mut serializer) {
            Ok(()) => String::from_utf8(text).unwrap_or_else(|_| value.to_string()),
            Err(_) => value.to_string(),
        }
    }
}

/// The same value, members in the opposite order.
fn reversed(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().rev().map(|(name, member)| (name.clone(), reversed(member))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(reversed).collect(),
        other => other.clone(),
    }
}

/// Indented, with escapes where none is needed.
struct Escaping(PrettyFormatter<'static>);

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for character in fragment.chars() {
            if character.is_ascii() && character != '_' && character != '/' {
                writer.write_all(&[character as u8])?;
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04X}")?;
                }
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::reference::Policy;

    #[test]
    fn escaped_json_is_another_text_of_the_same_value() {
        let mut policy = Policy::default();
        policy.switch_on("escaped-json");
        let value = json!({"type": "agent_started", "payload": {"content": "ü😀\"\n\u{0}", "list": [1, {"a": null}]}});
        let text = Dialect::new(&policy.permitted).text(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(text.is_ascii() && text.contains("\\uD83D\\uDE00") && text.find("payload") < text.find("type"));
    }

    #[test]
    fn the_extra_member_goes_into_objects_and_lists_of_them() {
        let mut policy = Policy::default();
        policy.switch_on("extra-payload-field");
        let mut list = json!([{"id": 1}]);
        Dialect::new(&policy.permitted).extend(&mut list);
        assert!(list[0].get("added_later").is_some());
    }
}
