//! Serialised internals: what a forgotten `await`, a careless `str()` or an unhandled exception
//! leaves in a string (contract, section 6).

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

/// Anywhere in a string: signs of Python and JavaScript objects, and the heads and frames of their
/// stack traces.
static ANYWHERE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let signs = [
        r"<coroutine object",
        r"<Task pending",
        r"<bound method",
        r"\[object (?:Object|Promise)\]",
        r"Traceback \(most recent call last\)",
        r#"(?m)^\s*File "[^"\n]+", line \d+"#,
        r"(?m)^\s+at [^\n]*:\d+:\d+\)?$",
    ];
    Regex::new(&signs.join("|")).ok()
});

/// Only as the whole of a string: words that sentences hold, too.
const WHOLE: [&str; 3] = ["undefined", "NaN", "null"];

/// Fields that hold what a person or a model wrote.
const WRITTEN: [&str; 4] = ["content", "thought", "report", "title"];

/// Who may have written the fields of [`WRITTEN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Author {
    /// A person or a model: they are not judged.
    Anyone,
    /// A person or a model, titles apart.
    NotOfTitles,
    /// Nobody: all of them are judged.
    Nobody,
}

/// A string with serialised internals.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Leak {
    pointer: String,
    excerpt: String,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}: {:?}", self.pointer, self.excerpt)
    }
}

/// The first string of `value` that holds serialised internals.
pub(super) fn leaks(value: &Value, author: Author) -> Option<Leak> {
    walk(value, author, "")
}

fn walk(value: &Value, author: Author, pointer: &str) -> Option<Leak> {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !is_excepted(name, author))
            .find_map(|(name, member)| walk(member, author, &format!("{pointer}/{name}"))),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| walk(item, author, &format!("{pointer}/{index}")))
        }
        Value::String(text) => {
            let found = sign(text)?;
            Some(Leak { pointer: pointer.to_owned(), excerpt: found.to_owned() })
        }
        _ => None,
    }
}

fn is_excepted(field: &str, author: Author) -> bool {
    match author {
        Author::Nobody => false,
        Author::NotOfTitles => field != "title" && WRITTEN.contains(&field),
        Author::Anyone => WRITTEN.contains(&field),
    }
}

/// The sign of internals in `text`, with a little of what follows it.
fn sign(text: &str) -> Option<&str> {
    if WHOLE.contains(&text) {
        return Some(text);
    }
    let found = ANYWHERE.as_ref()?.find(text)?;
    let end = text[found.start()..].char_indices().nth(60).map_or(text.len(), |(end, _)| found.start() + end);
    Some(&text[found.start()..end])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn internals_are_seen_and_ordinary_words_are_not() {
        for text in [
            "<coroutine object f at 0x7f>",
            "got <Task pending name='Task-1'>",
            "<bound method A.b of c>",
            "[object Object]",
            "x [object Promise]",
            "Traceback (most recent call last):\n",
            "null",
            "NaN",
            "undefined",
            "  File \"/app/main.py\", line 3, in f",
            "TypeError: x\n    at run (/app/a.js:3:14)",
        ] {
            assert!(sign(text).is_some(), "{text}");
        }
        for text in [
            "",
            "the value is null",
            "NaNs are rare",
            "meet at 10:30:00",
            "an object",
            "object Promise",
            "File a, line 3",
        ] {
            assert_eq!(sign(text), None, "{text}");
        }
    }

    #[test]
    fn what_people_write_is_excepted_by_field() {
        let message = json!({"payload": {"title": "null", "list": [{"content": "[object Object]"}]}});
        assert_eq!(leaks(&message, Author::Anyone), None);
        assert_eq!(leaks(&message, Author::NotOfTitles).unwrap().pointer, "/payload/title");
        let content = leaks(&json!({"list": [{"content": "[object Object]"}]}), Author::Nobody).unwrap();
        assert_eq!(content.to_string(), "at /list/0/content: \"[object Object]\"");
    }
}
