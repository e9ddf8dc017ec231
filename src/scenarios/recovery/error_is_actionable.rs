use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::failure::{FLOW, told_error};
use crate::check;
use crate::check::{Check, Recording};
use crate::model::{Finding, Judgement};
use crate::wire::Kind;

pub(super) static CHECK: Check = check!("recovery/error-is-actionable", judge: judge, of: &FLOW);

/// Signs of a stack trace, or a place in somebody's file system.
static INTERNALS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let signs = [
        r"Traceback \(most recent call last\)",
        r#"File "[^"\n]+", line \d+"#,
        r"(?m)^\s+at \S+ ?\(?[^\n]*:\d+",
        r"/(?:app|etc|home|mnt|opt|root|srv|tmp|usr|var)/[\w./-]+",
        r"\b[A-Za-z]:\\[\w.\\-]+",
        r"\b[\w/-]+\.(?:go|java|js|py|rb|rs|ts)(?::\d+|\b)",
    ];
    Regex::new(&signs.join("|")).ok()
});

/// Placeholders that redaction left, and what secrets of others look like.
static SECRETS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let signs = [
        r"«[a-z-]+ \d+»",
        r"\bsk-[A-Za-z0-9_-]{8,}",
        r"\bAKIA[0-9A-Z]{12,}",
        r"\bgh[pousr]_[A-Za-z0-9]{16,}",
        r"\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@",
        r"(?i)\bbearer\s+[A-Za-z0-9._~+/-]{8,}",
        r"(?i)\b(?:api[_-]?key|passw(?:or)?d|secret|token)\s*[=:]\s*\S{6,}",
    ];
    Regex::new(&signs.join("|")).ok()
});

fn judge(recording: &Recording) -> Judgement {
    let error = told_error(recording)?;
    let (message, evidence) = (&error.message, || recording.around(&error));
    recording.step("what agent_error says");
    let code = message.error_code();
    let seen = || code.as_ref().map_or_else(|| "no error_code".into(), |code| format!("error_code {code}"));
    let declared = code.as_ref().is_some_and(|code| recording.contract().declares_code(&Kind::AgentError, code));
    recording.holds(declared, Finding::Undeclared, "an error_code of the contract's list", seen, evidence)?;

    let text = message.text("message").unwrap_or_default();
    let words = text.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic)).count();
    let (expected, seen) = ("a message in words, for people", || format!("message {text:?}"));
    recording.holds(words > 1, Finding::WrongValue, expected, seen, evidence)?;

    let recoverable = message.field("is_recoverable").and_then(Value::as_bool);
    let seen = || format!("is_recoverable {}", message.field("is_recoverable").unwrap_or(&Value::Null));
    recording.holds(recoverable.is_some(), Finding::BadSchema, "is_recoverable true or false", seen, evidence)?;
    let after = message.field("retry_after_ms").and_then(Value::as_f64);
    let timed = recoverable != Some(true) || after.is_some_and(|after| after >= 0.0);
    let seen = || format!("retry_after_ms {}", message.field("retry_after_ms").unwrap_or(&Value::Null));
    let expected = "retry_after_ms where is_recoverable is true";
    recording.holds(timed, Finding::BadSchema, expected, seen, evidence)?;

    recording.step("what agent_error gives away");
    let payload = Value::Object(message.payload.clone());
    for (what, signs, finding) in [
        ("no stack trace and no path of the server", &INTERNALS, Finding::LeakedInternals),
        ("no secret", &SECRETS, Finding::LeakedToken),
    ] {
        let found = signs.as_ref().and_then(|signs| first(&payload, signs));
        let seen = || found.map_or_else(String::new, |found| format!("{found:?}"));
        recording.holds(found.is_none(), finding, what, seen, evidence)?;
    }
    recording.conforms()
}

/// The first sign in a string of `value`.
fn first<'v>(value: &'v Value, signs: &Regex) -> Option<&'v str> {
    match value {
        Value::String(text) => signs.find(text).map(|found| found.as_str()),
        Value::Array(items) => items.iter().find_map(|item| first(item, signs)),
        Value::Object(members) => members.values().find_map(|member| first(member, signs)),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(signs: &LazyLock<Option<Regex>>, text: &str) -> bool {
        first(&Value::from(text), signs.as_ref().unwrap()).is_some()
    }

    #[test]
    fn internals_and_secrets_are_seen() {
        for text in [
            "Traceback (most recent call last):",
            "in /app/agents/llm.py",
            "at call (llm.js:3:4)",
            "C:\\srv\\llm.exe",
            "failed in llm.py:12",
        ] {
            assert!(finds(&INTERNALS, text), "{text}");
        }
        for text in [
            "key sk-live-4f7a9c21d0",
            "password=hunter22",
            "postgres://netra:pw@db/x",
            "Authorization: Bearer abcdefgh.ij",
            "the token «access-token 3» was sent",
            "API_KEY: 12345678",
        ] {
            assert!(finds(&SECRETS, text), "{text}");
        }
    }

    #[test]
    fn what_people_are_told_is_neither() {
        for text in [
            "The model gave no usable answer. Please send your message again.",
            "Your token has expired: please log in again.",
            "Too many tokens: shorten the prompt and/or split it.",
            "See https://docs.netra.example/errors#timeout for help.",
            "Try again in 1/2 hour.",
        ] {
            assert!(!finds(&INTERNALS, text), "{text}");
            assert!(!finds(&SECRETS, text), "{text}");
        }
    }
}
