//! Alternatives of a contract, in the order in which they are tried.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// One way, or several: what is read may be any of them, what is written is the first.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Places {
    One(String),
    Several(Vec<String>),
}

impl Places {
    /// All of them, in their order.
    pub(super) fn all(&self) -> &[String] {
        match self {
            Self::One(only) => std::slice::from_ref(only),
            Self::Several(places) => places,
        }
    }

    /// The one that is written; empty where there is none, which [`super::Contract::from_yaml`] refuses.
    pub(super) fn first(&self) -> &str {
        self.all().first().map_or("", String::as_str)
    }

    /// The member of the top level that each pointer leads through.
    pub(super) fn members(&self) -> impl Iterator<Item = &str> {
        self.all().iter().filter_map(|pointer| pointer.strip_prefix('/')?.split('/').next())
    }
}

impl JsonSchema for Places {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Places".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // One list of types instead of alternatives, so that each complaint names the key at fault.
        json_schema!({ "type": ["string", "array"], "items": { "type": "string" } })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::wire::{Contract, Kind};

    /// The contract `netra-v1` with another envelope and another pair of names.
    fn contract() -> Contract {
        let text = Contract::text("netra-v1").unwrap();
        let changes = [
            ("  type: /type\n", "  type: [/event, /type]\n"),
            ("  payload: /payload\n", "  payload: [/payload/data, /payload, /data, \"\"]\n"),
            ("    agent_thinking:\n", "    agent_thinking:\n      name: [agent_thinking, thinking]\n"),
        ];
        let text = changes.iter().fold(text.into_owned(), |text, (from, to)| {
            assert_eq!(text.matches(from).count(), 1, "{from}");
            text.replace(from, to)
        });
        Contract::from_yaml("changed", &text).unwrap()
    }

    #[test]
    fn a_message_is_read_wherever_its_contract_says_that_it_may_stand() {
        let contract = contract();
        for text in [
            json!({"message_id": "e-1", "type": "thinking", "payload": {"data": {"thought": "x"}}}),
            json!({"message_id": "e-1", "type": "agent_thinking", "payload": {"thought": "x"}}),
            json!({"message_id": "e-1", "type": "system_message", "event": "agent_thinking", "payload": {"thought": "x"}}),
            json!({"message_id": "e-1", "type": "agent_thinking", "data": {"thought": "x"}}),
            json!({"message_id": "e-1", "type": "agent_thinking", "thought": "x", "timestamp": 1}),
        ] {
            let message = contract.read_server(&text.to_string()).unwrap();
            assert_eq!((message.kind.clone(), message.text("thought")), (Kind::AgentThinking, Some("x")), "{text}");
            assert!(contract.envelope_faults(&text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_message_is_written_in_the_first_of_them() {
        let contract = contract();
        let message = crate::wire::Message::new(Kind::AgentThinking).with("thought", "x");
        let due = json!({"event": "agent_thinking", "payload": {"data": {"thought": "x"}}});
        assert_eq!(contract.write(&message, None), due);
    }
}
