//! The HTTP exchange of a deviation as a command line that repeats it.

use std::fmt::Write as _;

use crate::model::{Evidence, Record};

/// Headers that curl makes itself, and those that name the finished run.
const OWN: &[&str] =
    &["accept-encoding", "connection", "content-length", "host", "traceparent", "user-agent", "x-netra-check"];

/// Longer bodies are cut in the transcript, and pasted by nobody.
const LONGEST_BODY: usize = 8 << 10;

/// Repeats the last plain HTTP request of `evidence`, with the `options` that reach the target;
/// upgrades need more than curl can do.
/// Each placeholder becomes a shell variable: `«access-token 3»` is `$TOKEN`.
pub(super) fn curl(evidence: &Evidence, options: &[String]) -> Option<String> {
    let (method, url, headers, body) = evidence.entries.iter().rev().find_map(|entry| match &entry.record {
        Record::Request { method, url, headers, body } if !is_upgrade(headers) => {
            Some((method, url, headers, body.as_deref()))
        }
        _ => None,
    })?;
    // What a terminal cannot take as one line would be another request.
    let whole = |body: &str| body.len() < LONGEST_BODY && !body.contains(char::is_control);
    if !body.is_none_or(whole) {
        return None;
    }
    let mut variables = Variables::default();
    let mut line = "curl -i".to_owned();
    for option in options {
        push(&mut line, &variables.quoted(option));
    }
    if url.contains(['[', ']', '{', '}']) {
        line.push_str(" --globoff");
    }
    match (method.as_str(), body) {
        ("GET", None) | ("POST", Some(_)) => {}
        ("HEAD", _) => line.push_str(" --head"),
        (method, _) => push(&mut line, &format!("-X {}", variables.quoted(method))),
    }
    for (name, value) in headers {
        if !OWN.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            push(&mut line, &format!("-H {}", variables.quoted(&format!("{name}: {value}"))));
        }
    }
    if let Some(body) = body {
        push(&mut line, &format!("--data-raw {}", variables.quoted(body)));
    }
    let _ = write!(line, " {}", variables.quoted(url));
    Some(super::visible(&line).into_owned())
}

fn push(line: &mut String, option: &str) {
    let _ = write!(line, " {option}");
}

fn is_upgrade(headers: &[(String, String)]) -> bool {
    headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("upgrade"))
}

/// `text` as one word of a POSIX shell.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The placeholders of one command line, in order of appearance; their names follow from it.
#[derive(Default)]
struct Variables(Vec<(String, String)>);

impl Variables {
    /// `text` as one word, with variables for its placeholders.
    fn quoted(&mut self, text: &str) -> String {
        let mut word = String::new();
        let mut rest = text;
        while let Some((before, inner, after)) = placeholder(rest) {
            push_literal(&mut word, before);
            word.push('$');
            let name = self.name(inner);
            // A name that runs into a letter needs its braces.
            if after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
                let _ = write!(word, "{{{name}}}");
            } else {
                word.push_str(&name);
            }
            rest = after;
        }
        if word.is_empty() {
            return quoted(text);
        }
        push_literal(&mut word, rest);
        format!("\"{word}\"")
    }

    fn name(&mut self, placeholder: &str) -> String {
        if let Some((_, name)) = self.0.iter().find(|(known, _)| known == placeholder) {
            return name.clone();
        }
        let kind = placeholder.rsplit_once(' ').map_or(placeholder, |(kind, _)| kind);
        let base = if kind.contains("token") {
            "TOKEN".to_owned()
        } else {
            kind.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_")
        };
        let namesakes = self
            .0
            .iter()
            .filter(|(_, name)| name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_') == base)
            .count();
        let name = if namesakes == 0 { base } else { format!("{base}_{}", namesakes + 1) };
        self.0.push((placeholder.to_owned(), name.clone()));
        name
    }
}

/// Splits `text` around its first placeholder: before, inside, after.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('«')?;
    let (inner, after) = rest.split_once('»')?;
    Some((before, inner, after))
}

/// Appends `text` to the inside of a double-quoted word.
fn push_literal(word: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' | '\\' | '$' | '`' => {
                word.push('\\');
                word.push(c);
            }
            // An interactive shell expands history inside double quotes, and no backslash stops it.
            '!' => word.push_str("\"'!'\""),
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_become_variables_and_the_rest_is_quoted() {
        let mut variables = Variables::default();
        assert_eq!(variables.quoted("Authorization: Bearer «access-token 3»"), r#""Authorization: Bearer $TOKEN""#);
        assert_eq!(
            variables.quoted(r#"{"refresh_token":"«refresh-token 1»"}"#),
            r#""{\"refresh_token\":\"$TOKEN_2\"}""#
        );
        assert_eq!(variables.quoted("«access-token 3»x!«password 1»"), "\"${TOKEN}x\"'!'\"$PASSWORD\"");
        assert_eq!(variables.quoted("it's"), r"'it'\''s'");
        assert_eq!(variables.quoted("https://host/a"), "https://host/a");
    }
}
