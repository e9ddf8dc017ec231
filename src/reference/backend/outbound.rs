//! Messages on their way out: filters, and the text of the wire.

use serde_json::{Map, Value};

use super::misrun;
use super::session::Entry;
use crate::reference::site::Site;
use crate::reference::{Filter, Subject};
use crate::wire::{Kind, Message};

/// What filters make of a message.
pub(super) struct Fate {
    /// What is sent in its place.
    pub(super) messages: Vec<Message>,
    /// Whether that is something else than the message, once.
    pub(super) changed: bool,
    /// Sent to another user, too.
    pub(super) misrouted: bool,
    /// Held back until a message of this kind has been sent.
    pub(super) held_for: Option<Kind>,
}

/// Applies the filters that concern what is sent; [`delay`] has those that concern when.
pub(super) fn filtered(filters: &[Filter], mut message: Message) -> Fate {
    let (mut copies, mut changed, mut misrouted) = (1, false, false);
    let of_this = Subject::Message(message.kind.clone());
    for filter in filters.iter().filter(|filter| filter.subject() == of_this) {
        match filter {
            Filter::Drop(_) => copies = 0,
            Filter::Repeat(_) => copies *= 2,
            Filter::Misroute(_) => misrouted = true,
            Filter::Retype(..) | Filter::Null(..) | Filter::Omit(..) => {
                let mut payload = Value::Object(std::mem::take(&mut message.payload));
                changed |= filter.change(&mut payload);
                if let Value::Object(members) = payload {
                    message.payload = members;
                }
            }
            Filter::Swap(..) | Filter::Delay(..) | Filter::Body(..) => {}
        }
    }
    let held_for = held_for(filters, &message.kind).cloned();
    Fate { messages: vec![message; copies], changed: changed || copies != 1, misrouted, held_for }
}

/// The kind that messages of `kind` wait for.
pub(super) fn held_for<'a>(filters: &'a [Filter], kind: &Kind) -> Option<&'a Kind> {
    filters.iter().find_map(|filter| match filter {
        Filter::Swap(first, second) if first == kind => Some(second),
        _ => None,
    })
}

/// How much later messages of `kind` are written.
pub(super) fn delay(filters: &[Filter], kind: &Kind) -> Option<std::time::Duration> {
    filters.iter().find_map(|filter| match filter {
        Filter::Delay(delayed, by) if delayed == kind => Some(*by),
        _ => None,
    })
}

/// Roughly the octets of a payload: what it holds of text.
pub(super) fn size(payload: &Map<String, Value>) -> usize {
    payload.values().map(size_of).sum()
}

fn size_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size_of).sum(),
        Value::Object(members) => size(members),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

/// The text of a message as it stands on the wire.
pub(super) fn text(site: &Site, entry: &Entry) -> String {
    let policy = site.policy().messages;
    let sequence = misrun::numbered(site.policy().runs, entry.sequence);
    let mut message = Message { sequence, ..(*entry.message).clone() };
    if site.permitted().no_sequence.on() {
        message.sequence = None;
    }
    if policy.content_renamed.on()
        && message.kind == Kind::MessageCreated
        && let Some(content) = message.payload.shift_remove("content")
    {
        message.payload.insert("text".into(), content);
    }
    let mut payload = Value::Object(std::mem::take(&mut message.payload));
    site.dialect.extend(&mut payload);
    if let Value::Object(members) = payload {
        message.payload = members;
    }
    let mut value = site.contract().write(&message, Some(site.clock.write(entry.at)));
    if let Value::Object(members) = &mut value {
        disfigure(site, &message.kind, members);
    }
    site.dialect.text(&value)
}

/// What the envelope's defects do to it.
fn disfigure(site: &Site, kind: &Kind, members: &mut Map<String, Value>) {
    let policy = site.policy().messages;
    if policy.message_id_missing.on()
        && *kind == Kind::Pong
        && let Some(name) = site.contract().message_id_member()
    {
        members.shift_remove(name);
    }
    if policy.type_missing.on() && *kind == Kind::ThreadCreated {
        members.shift_remove("type");
    }
    if policy.extra_top_level.on() {
        members.insert("server".into(), Value::from("backend-1"));
    }
    if policy.event_data_envelope.on() {
        for (from, to) in [("type", "event"), ("payload", "data")] {
            if let Some(member) = members.shift_remove(from) {
                members.insert(to.into(), member);
            }
        }
    }
    if policy.flat_payload.on()
        && let Some(Value::Object(payload)) = members.shift_remove("payload")
    {
        members.extend(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(filter: &str) -> Fate {
        let message = Message::new(Kind::Pong).with("a", 1).with("b", "text");
        filtered(&[filter.parse().unwrap()], message)
    }

    #[test]
    fn filters_touch_their_kind_and_field_alone() {
        assert!(fate("drop:pong").messages.is_empty());
        assert_eq!(fate("repeat:pong").messages.len(), 2);
        assert_eq!(fate("repeat:error").messages.len(), 1);
        assert!(fate("misroute:pong").misrouted);
        assert_eq!(fate("swap:pong,error").held_for, Some(Kind::Error));
        assert!(fate("null:pong.a").changed && fate("drop:pong").changed && fate("repeat:pong").changed);
        assert!(!fate("null:pong.c").changed && !fate("misroute:pong").changed && !fate("drop:error").changed);
        assert_eq!(fate("null:pong.b").messages[0].field("b"), Some(&Value::Null));
        assert_eq!(fate("omit:pong.b").messages[0].field("a"), Some(&Value::from(1)));
    }
}
