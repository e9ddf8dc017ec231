//! Whether an answer about what is another user's is like the one about what does not exist.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::target::Response;
use crate::wire::Message;

/// Headers that differ between any two answers, or only sum the body up.
const VOLATILE: [&str; 6] = ["date", "age", "content-length", "etag", "server-timing", "expires"];

/// An answer over HTTP as it is compared: status, headers, body, with the id that was asked for taken out.
pub(super) fn of_response(answer: &Response, id: &str) -> Value {
    let told = answer.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.replace(id, "‹id›")));
    let headers: BTreeMap<_, _> = told.filter(|(name, _)| !VOLATILE.contains(&name.as_str())).collect();
    let text = answer.text.replace(id, "‹id›");
    let body = serde_json::from_str(&text).unwrap_or_else(|_| Value::from(text));
    json!({"status": answer.status, "headers": headers, "body": body})
}

/// An answer on the socket as it is compared.
pub(super) fn of_message(answer: &Message, id: &str) -> Value {
    let mut payload = answer.payload.clone();
    payload.remove("in_reply_to");
    let text = Value::Object(payload).to_string().replace(id, "‹id›");
    json!({"type": answer.kind.slug(), "payload": serde_json::from_str::<Value>(&text).unwrap_or_default()})
}

/// Where `foreign` is unlike the answers to two ids that do not exist: what those two agree about must
/// be the same, the rest of the same JSON type.
pub(super) fn difference(missing: [&Value; 2], foreign: &Value) -> Option<String> {
    differs(missing, foreign, "")
}

fn differs([one, other]: [&Value; 2], foreign: &Value, at: &str) -> Option<String> {
    if let (Value::Object(one), Value::Object(other), Value::Object(foreign)) = (one, other, foreign) {
        return members([one, other], foreign, at);
    }
    let is_like = if one == other { foreign == one } else { kind(foreign) == kind(one) };
    (!is_like).then(|| format!("at {at}: {foreign} in place of {one}"))
}

fn members([one, other]: [&Map<String, Value>; 2], foreign: &Map<String, Value>, at: &str) -> Option<String> {
    for (name, member) in one {
        // What only one of two equal cases has is chance.
        let Some(second) = other.get(name) else { continue };
        match foreign.get(name) {
            None => return Some(format!("no {at}/{name}")),
            Some(third) => {
                let found = differs([member, second], third, &format!("{at}/{name}"));
                if found.is_some() {
                    return found;
                }
            }
        }
    }
    let further = foreign.keys().find(|name| !one.contains_key(*name) && !other.contains_key(*name));
    further.map(|name| format!("{at}/{name} is there, too"))
}

const fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_missing_ids_agree_about_must_be_the_same() {
        let missing = [json!({"code": "X", "trace": "a", "at": 1}), json!({"code": "X", "trace": "b", "at": 2})];
        let told = |foreign: Value| difference([&missing[0], &missing[1]], &foreign);
        assert_eq!(told(json!({"code": "X", "trace": "c", "at": 3})), None);
        assert_eq!(told(json!({"code": "Y", "trace": "c", "at": 3})).unwrap(), r#"at /code: "Y" in place of "X""#);
        assert_eq!(told(json!({"code": "X", "at": 3})).unwrap(), "no /trace");
        assert_eq!(told(json!({"code": "X", "trace": 7, "at": 3})).unwrap(), r#"at /trace: 7 in place of "a""#);
        assert_eq!(told(json!({"code": "X", "trace": "c", "at": 3, "own": true})).unwrap(), "/own is there, too");
    }
}
