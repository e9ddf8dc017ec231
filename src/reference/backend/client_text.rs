//! From a client's text to a message whose fields are of the right types.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::refusal::Refusal;
use crate::reference::Policy;
use crate::wire::{Contract, EnvelopeFault, ErrorCode, Kind, Message};

/// Depth from which JSON counts as deeply nested.
const DEEP: usize = 100;

/// What becomes of a client's text.
pub(super) enum Reading {
    Message(Message),
    /// To be refused; the client's message id where it could be read.
    Refused(Option<String>, Refusal),
    /// Neither answered nor done.
    Ignored,
    /// Answered as if it were a ping.
    Acknowledged(Option<String>),
    /// The connection ends with this code.
    Fatal(u16),
}

/// Reads a client's text.
pub(super) fn read(text: &str, contract: &Contract, policy: &Policy) -> Reading {
    let messages = policy.messages;
    if messages.crash_on_deep_json.on() && depth(text) > DEEP {
        return Reading::Fatal(1011);
    }
    if policy.permitted.deep_json_refused.on() && (depth(text) > DEEP || repeats_a_key(text)) {
        let refusal = Refusal::new(ErrorCode::InvalidJson, "The message repeats a key or is nested too deeply.");
        return Reading::Refused(None, refusal);
    }
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let asked = contract.message_id(&value).map(str::to_owned);
    let (value, read) = match contract.read_client(text) {
        Ok(message) => (value, message),
        Err(EnvelopeFault::NotJson(_)) if messages.closes_on_bad_json.on() => return Reading::Fatal(1008),
        Err(EnvelopeFault::NotJson(_)) if messages.bad_json_ignored.on() => return Reading::Ignored,
        Err(EnvelopeFault::NotJson(_)) => {
            return Reading::Refused(None, Refusal::new(ErrorCode::InvalidJson, "The message is not JSON."));
        }
        Err(fault) => {
            let field = if matches!(fault, EnvelopeFault::NoPayload) { "payload" } else { "type" };
            return Reading::Refused(asked, Refusal::field(field, format!("The message cannot be read: {fault}.")));
        }
    };
    if let Kind::Other(name) = &read.kind {
        return match () {
            () if messages.unknown_type_ignored.on() => Reading::Ignored,
            () if messages.unknown_type_acked.on() => Reading::Acknowledged(read.message_id),
            () => {
                let refusal = Refusal::unknown_type(name);
                Reading::Refused(read.message_id, refusal)
            }
        };
    }
    if let Some(EnvelopeFault::WrongType(member)) =
        contract.envelope_faults(&value).into_iter().find(|fault| matches!(fault, EnvelopeFault::WrongType(_)))
    {
        return Reading::Refused(None, Refusal::field(&member, format!("`{member}` has the wrong type.")));
    }
    fields(read, value, contract, policy)
}

/// The message, if its fields fit the contract's schema of its payload.
fn fields(mut message: Message, value: Value, contract: &Contract, policy: &Policy) -> Reading {
    let messages = policy.messages;
    if messages.silently_accepts_text.on() && message.content().is_none() {
        let content = ["text", "message"].into_iter().find_map(|field| message.text(field)).map(str::to_owned);
        if let Some(content) = content {
            return Reading::Message(message.with("content", content));
        }
    }
    let faults = contract.payload_faults(&message.kind, &value);
    let Some(fault) = faults.first() else { return Reading::Message(message) };
    if messages.coerces_silently.on() {
        for field in faults.iter().filter_map(|fault| fault.path.strip_prefix('/')) {
            message.payload.entry(field).and_modify(|value| *value = Value::from(value.to_string()));
        }
        return Reading::Message(message);
    }
    let field = match fault.path.strip_prefix('/') {
        Some(path) => path.split('/').next().unwrap_or(path).to_owned(),
        None => missing(&fault.message)
            .unwrap_or(match message.kind {
                Kind::SessionRestore => "last_sequence",
                _ => "payload",
            })
            .to_owned(),
    };
    if messages.null_closes.on() && message.field(&field).is_some_and(Value::is_null) {
        return Reading::Fatal(1011);
    }
    let problem = if fault.path.is_empty() { "is missing" } else { "has the wrong type" };
    let refusal = Refusal::field(&field, format!("The field `{field}` {problem}."));
    Reading::Refused(message.message_id, refusal)
}

/// The member that a schema's message calls missing.
fn missing(message: &str) -> Option<&str> {
    message.strip_suffix(" is a required property")?.strip_prefix('"')?.strip_suffix('"')
}

/// How deeply arrays and objects of a JSON text are nested.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for octet in text.bytes() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Whether an object of a JSON text has two members of one name.
fn repeats_a_key(text: &str) -> bool {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let mut repeats = false;
    // What is no JSON is refused elsewhere.
    let _ = Keys(&mut repeats).deserialize(&mut deserializer);
    repeats
}

/// Notes names that come twice.
struct Keys<'a>(&'a mut bool);

impl<'de> DeserializeSeed<'de> for Keys<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            *self.0 |= !seen.insert(key);
            map.next_value_seed(Keys(self.0))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Keys(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(drop)
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(text: &str) -> String {
        let contract = Contract::load("netra-v1").unwrap();
        match read(text, &contract, &Policy::default()) {
            Reading::Message(message) => message.kind.to_string(),
            Reading::Refused(_, refusal) => {
                let error = serde_json::to_string(&format!("{refusal:?}")).unwrap();
                format!(
                    "{} {}",
                    refusal.code,
                    error.split("field: ").nth(1).unwrap_or("").split(',').next().unwrap_or("")
                )
            }
            _ => "other".into(),
        }
    }

    #[test]
    fn broken_texts_get_their_code_and_field() {
        let named = |code: &str, field: &str| format!("{code} Some(\\\"{field}\\\")");
        for (text, seen) in [
            ("", "INVALID_JSON None".into()),
            ("{\"type\":\"ping\",}", "INVALID_JSON None".into()),
            ("[]", named("INVALID_MESSAGE", "type")),
            ("null", named("INVALID_MESSAGE", "type")),
            ("{\"payload\":{}}", named("INVALID_MESSAGE", "type")),
            ("{\"type\":\"ping\"}", named("INVALID_MESSAGE", "payload")),
            ("{\"type\":\"nonsense\",\"payload\":{}}", named("UNKNOWN_TYPE", "type")),
            ("{\"type\":\"agent_started\",\"payload\":{}}", named("UNKNOWN_TYPE", "type")),
            ("{\"type\":\"user_message\",\"payload\":{\"text\":\"a\"}}", named("INVALID_MESSAGE", "content")),
            ("{\"type\":\"user_message\",\"payload\":{\"content\":null}}", named("INVALID_MESSAGE", "content")),
            (
                "{\"type\":\"rename_thread\",\"payload\":{\"thread_id\":\"a\",\"title\":1}}",
                named("INVALID_MESSAGE", "title"),
            ),
            (
                "{\"type\":\"session_restore\",\"payload\":{\"connection_id\":\"a\"}}",
                named("INVALID_MESSAGE", "last_sequence"),
            ),
            ("{\"type\":\"ping\",\"payload\":{},\"message_id\":1}", named("INVALID_MESSAGE", "message_id")),
            ("{\"type\":\"ping\",\"payload\":{\"a\":1,\"a\":2}}", "ping".into()),
        ] {
            assert_eq!(reading(text), seen, "{text}");
        }
    }

    #[test]
    fn depth_and_repeated_keys_are_seen() {
        assert_eq!(depth("{\"a\": [\"[[[\\\"[\", {}]}"), 3);
        assert!(repeats_a_key("[{\"a\": {\"b\": 1, \"b\": 2}}]"));
        assert!(!repeats_a_key("[{\"a\": {\"b\": 1}}, {\"a\": null, \"c\": [true, 1.5, -2]}]"));
    }
}
