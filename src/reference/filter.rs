//! Filters at the places where the reference sends a message or a body: defects that need no code.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::wire::{Endpoint, Kind};

/// What is done to outbound messages of one kind, or to one of their fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Never sent.
    Drop(Kind),
    /// Sent twice.
    Repeat(Kind),
    /// The first kind is held back until one of the second has been sent.
    Swap(Kind, Kind),
    /// Sent later.
    Delay(Kind, Duration),
    /// Sent to another user's sockets, too.
    Misroute(Kind),
    /// A field has another JSON type.
    Retype(Kind, String),
    /// A field is null.
    Null(Kind, String),
    /// A field is left out.
    Omit(Kind, String),
    /// The same to a field of a call's body of success.
    Body(Change, Endpoint, String),
}

/// What is done to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has another JSON type.
    Retype,
    /// It is null.
    Null,
    /// It is left out.
    Omit,
}

impl Change {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Retype, Self::Null, Self::Omit];

    const fn slug(self) -> &'static str {
        match self {
            Self::Retype => "retype",
            Self::Null => "null",
            Self::Omit => "omit",
        }
    }
}

/// What a filter concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Messages of this kind.
    Message(Kind),
    /// The body of success of this call.
    Body(Endpoint),
}

/// Stands before the name of a call, of which some are called like messages.
const BODY: &str = "http/";

impl Filter {
    /// What it concerns; of two messages the one that it holds back.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Drop(kind)
            | Self::Repeat(kind)
            | Self::Swap(kind, _)
            | Self::Delay(kind, _)
            | Self::Misroute(kind)
            | Self::Retype(kind, _)
            | Self::Null(kind, _)
            | Self::Omit(kind, _) => Subject::Message(kind.clone()),
            Self::Body(_, endpoint, _) => Subject::Body(*endpoint),
        }
    }

    /// What it does to a field of what it concerns.
    pub fn of_field(change: Change, subject: &Subject, field: &str) -> Self {
        let field = field.to_owned();
        match (change, subject) {
            (Change::Retype, Subject::Message(kind)) => Self::Retype(kind.clone(), field),
            (Change::Null, Subject::Message(kind)) => Self::Null(kind.clone(), field),
            (Change::Omit, Subject::Message(kind)) => Self::Omit(kind.clone(), field),
            (change, Subject::Body(endpoint)) => Self::Body(change, *endpoint, field),
        }
    }

    /// The field that it changes, and how.
    fn field(&self) -> Option<(Change, &str)> {
        match self {
            Self::Retype(_, field) => Some((Change::Retype, field)),
            Self::Null(_, field) => Some((Change::Null, field)),
            Self::Omit(_, field) => Some((Change::Omit, field)),
            Self::Body(change, _, field) => Some((*change, field)),
            Self::Drop(_) | Self::Repeat(_) | Self::Swap(..) | Self::Delay(..) | Self::Misroute(_) => None,
        }
    }

    /// Whether it changes a field.
    pub fn is_about_a_field(&self) -> bool {
        self.field().is_some()
    }

    /// Changes a field of a payload or body, dotted below objects and in each item of arrays; whether
    /// there was something to change.
    pub(super) fn change(&self, value: &mut Value) -> bool {
        self.field().is_some_and(|(change, path)| change_at(change, path, value))
    }
}

fn change_at(change: Change, path: &str, value: &mut Value) -> bool {
    match value {
        Value::Array(items) => {
            // Each item, not only the first that has the field.
            let changed = items.iter_mut().filter_map(|item| change_at(change, path, item).then_some(()));
            changed.count() > 0
        }
        Value::Object(members) => match path.split_once('.') {
            Some((field, rest)) => members.get_mut(field).is_some_and(|member| change_at(change, rest, member)),
            None => change_member(change, path, members),
        },
        _ => false,
    }
}

fn change_member(change: Change, field: &str, members: &mut Map<String, Value>) -> bool {
    let Some(value) = members.get_mut(field) else { return false };
    match change {
        Change::Retype => *value = retyped(value),
        Change::Null if value.is_null() => return false,
        Change::Null => *value = Value::Null,
        Change::Omit => drop(members.shift_remove(field)),
    }
    true
}

/// The value in another JSON type.
fn retyped(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.to_string()),
        Value::Bool(truth) => Value::from(truth.to_string()),
        Value::Object(_) => Value::from("an object"),
        // Neither text nor a time: numbers may be times.
        Value::String(_) | Value::Null => Value::from(false),
        Value::Array(_) => Value::Object(Map::new()),
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drop(kind) => write!(f, "drop:{kind}"),
            Self::Repeat(kind) => write!(f, "repeat:{kind}"),
            Self::Swap(first, second) => write!(f, "swap:{first},{second}"),
            Self::Delay(kind, by) => write!(f, "delay:{kind},{}ms", by.as_millis()),
            Self::Misroute(kind) => write!(f, "misroute:{kind}"),
            Self::Retype(kind, field) => write!(f, "retype:{kind}.{field}"),
            Self::Null(kind, field) => write!(f, "null:{kind}.{field}"),
            Self::Omit(kind, field) => write!(f, "omit:{kind}.{field}"),
            Self::Body(change, endpoint, field) => write!(f, "{}:{BODY}{}.{field}", change.slug(), endpoint.slug()),
        }
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = || {
            format!(
                "`{text}` is no filter: expected drop:TYPE, repeat:TYPE, swap:TYPE,TYPE, delay:TYPE,MSms, \
                 misroute:TYPE, or retype:, null: or omit: with TYPE.FIELD or http/CALL.FIELD"
            )
        };
        let kind = |name: &str| Kind::named(name).ok_or_else(|| format!("no message type is called `{name}`"));
        let (act, of) = text.split_once(':').ok_or_else(usage)?;
        match act {
            "drop" => Ok(Self::Drop(kind(of)?)),
            "repeat" => Ok(Self::Repeat(kind(of)?)),
            "misroute" => Ok(Self::Misroute(kind(of)?)),
            "swap" => {
                let (first, second) = of.split_once(',').ok_or_else(usage)?;
                Ok(Self::Swap(kind(first)?, kind(second)?))
            }
            "delay" => {
                let (name, by) = of.split_once(',').ok_or_else(usage)?;
                let millis = by.strip_suffix("ms").and_then(|by| by.parse().ok()).ok_or_else(usage)?;
                Ok(Self::Delay(kind(name)?, Duration::from_millis(millis)))
            }
            _ => {
                let change = Change::ALL.into_iter().find(|change| change.slug() == act).ok_or_else(usage)?;
                let (name, field) = of.split_once('.').ok_or_else(usage)?;
                let subject = match name.strip_prefix(BODY) {
                    None => Subject::Message(kind(name)?),
                    Some(call) => Subject::Body(
                        Endpoint::ALL
                            .iter()
                            .copied()
                            .find(|endpoint| endpoint.slug() == call)
                            .ok_or_else(|| format!("no call is known as `{call}`"))?,
                    ),
                };
                Ok(Self::of_field(change, &subject, field))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changed(filter: &str, mut value: Value) -> Option<Value> {
        filter.parse::<Filter>().unwrap().change(&mut value).then_some(value)
    }

    #[test]
    fn a_field_is_changed_where_it_is() {
        assert_eq!(changed("retype:pong.a", json!({"a": 1})), Some(json!({"a": "1"})));
        assert_eq!(changed("null:pong.b", json!({"a": 1, "b": "text"})), Some(json!({"a": 1, "b": null})));
        assert_eq!(changed("omit:pong.a", json!({"a": 1, "b": "text"})), Some(json!({"b": "text"})));
    }

    #[test]
    fn a_path_leads_through_objects_and_every_item_of_arrays() {
        let threads = json!({"threads": [{"id": "1"}, {}, {"id": "2"}]});
        assert_eq!(changed("omit:thread_list.threads.id", threads), Some(json!({"threads": [{}, {}, {}]})));
        let body = json!([{"user": {"id": "1"}}]);
        assert_eq!(changed("null:http/list_threads.user.id", body), Some(json!([{"user": {"id": null}}])));
    }

    #[test]
    fn what_is_not_there_is_not_changed() {
        assert_eq!(changed("omit:pong.a", json!({})), None);
        assert_eq!(changed("null:pong.a", json!({"a": null})), None);
        assert_eq!(changed("omit:pong.a.b", json!({"a": "text"})), None);
        assert_eq!(changed("drop:pong", json!({"a": 1})), None);
    }

    #[test]
    fn filters_are_read_as_they_are_written() {
        for text in ["drop:pong", "swap:pong,error", "delay:pong,20ms", "omit:http/login.user.id", "null:error.message"]
        {
            assert_eq!(text.parse::<Filter>().unwrap().to_string(), text);
        }
        for text in ["pong", "drop:nothing", "omit:pong", "omit:http/nothing.a", "delay:pong,20"] {
            assert!(text.parse::<Filter>().is_err(), "{text}");
        }
    }
}
