//! Secrets that an answer over HTTP tells: learnt before it is recorded.

use serde_json::Value;

use super::Target;
use super::redact::SecretKind;

/// From this length on a cookie's value is a secret.
const SECRET_COOKIE: usize = 16;

/// Learns the secrets of an answer: of its body, as it stands and as the contract reads it, and of its headers.
pub(super) fn learn_answer<'v>(bodies: impl Iterator<Item = &'v Value>, headers: &[(String, String)], target: &Target) {
    bodies.for_each(|body| learn_tokens(body, target));
    for (name, value) in headers {
        match name.as_str() {
            "location" => learn_from_location(value, target),
            "set-cookie" => learn_cookie(value, target),
            _ => {}
        }
    }
}

fn kind_of_member(name: &str) -> Option<SecretKind> {
    match name {
        "access_token" => Some(SecretKind::AccessToken),
        "refresh_token" => Some(SecretKind::RefreshToken),
        "id_token" => Some(SecretKind::Token),
        _ => None,
    }
}

/// Learns the token sets in a body, however deep they stand.
fn learn_tokens(body: &Value, target: &Target) {
    match body {
        Value::Object(members) => {
            for (name, member) in members {
                match (kind_of_member(name), member) {
                    (Some(kind), Value::String(secret)) => {
                        target.redactor().learn(kind, secret);
                    }
                    _ => learn_tokens(member, target),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| learn_tokens(item, target)),
        _ => {}
    }
}

/// Learns the token set that a redirect carries in its fragment, or wrongly in its query, and an OAuth code.
fn learn_from_location(location: &str, target: &Target) {
    for part in location.split(['?', '#']).skip(1) {
        for (name, value) in url::form_urlencoded::parse(part.as_bytes()) {
            // What trades for a token is as secret as one (RFC 6749, 4.1.2).
            let code = (name == "code").then_some(SecretKind::Token);
            if let Some(kind) = kind_of_member(&name).or(code) {
                target.redactor().learn(kind, &value);
            }
        }
    }
}

/// Learns the value of a cookie that may stand for a login: a shorter one is a setting, and its text stands elsewhere.
fn learn_cookie(set_cookie: &str, target: &Target) {
    let pair = set_cookie.split(';').next().unwrap_or_default();
    let value = pair.split_once('=').map_or("", |(_, value)| value.trim());
    if value.len() >= SECRET_COOKIE {
        target.redactor().learn(SecretKind::Cookie, value);
    }
}
