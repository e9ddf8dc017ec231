//! A layer's text as it may be shown: what is a secret, or may be one, is blanked out.

use std::ops::Range;

use super::shape;
use super::tree::{Node, Path, Value};

/// `text` with every secret of `root` replaced by `*`, octet for octet, so that places stay true.
///
/// What stands below an unknown key is hidden as well: it may be a secret under a misspelt name. A
/// bare `${VARIABLE}` is shown, it is no secret. Without a tree (the text could not be parsed) the
/// values of keys that sound like secrets are hidden.
pub(super) fn hidden(text: &str, root: Option<&Node>) -> String {
    let mut ranges = Vec::new();
    match root {
        Some(root) => {
            collect(root, &Path::default(), false, &mut ranges);
            user_information(text, &mut ranges);
        }
        None => guess(text, &mut ranges),
    }
    blanked(text, ranges)
}

/// `text` with what stands before the `@` of its URLs replaced by `*`.
pub(super) fn without_user_information(text: &str) -> String {
    let mut ranges = Vec::new();
    user_information(text, &mut ranges);
    blanked(text, ranges)
}

fn blanked(text: &str, ranges: Vec<Range<usize>>) -> String {
    let mut octets = text.as_bytes().to_vec();
    for range in ranges {
        let hidden = octets.get_mut(range).into_iter().flatten();
        hidden.filter(|octet| !matches!(octet, b'\n' | b'\r')).for_each(|octet| *octet = b'*');
    }
    // Whole characters are replaced, so this is UTF-8 still.
    String::from_utf8(octets).unwrap_or_default()
}

fn collect(node: &Node, path: &Path, hide: bool, ranges: &mut Vec<Range<usize>>) {
    let hide = hide || shape::is_secret(path);
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                // `{file: PATH}` says where a secret is, not what it is.
                let tells_where = shape::is_secret(path)
                    && matches!(
                        (entry.key.as_str(), &entry.node.value),
                        ("file", Value::String { .. }) | ("command", Value::List(_))
                    );
                let path = path.join(&entry.key);
                collect(&entry.node, &path, (hide && !tells_where) || shape::at(&path).is_none(), ranges);
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, &path.join(&index.to_string()), hide, ranges);
            }
        }
        Value::String { text, .. } if hide && is_reference(text) => {}
        Value::Null => {}
        _ if hide => ranges.push(node.span.start..node.span.end),
        _ => {}
    }
}

/// The part before the `@` of every URL: no key is the place for it.
fn user_information(text: &str, ranges: &mut Vec<Range<usize>>) {
    for (scheme_end, separator) in text.match_indices("://") {
        let start = scheme_end + separator.len();
        let authority = text[start..].split(|c: char| c == '/' || c == '?' || c.is_whitespace()).next().unwrap_or("");
        if let Some(at) = authority.rfind('@') {
            ranges.push(start..start + at);
        }
    }
}

/// `${VARIABLE}` or `${VARIABLE:?message}` and nothing else.
fn is_reference(text: &str) -> bool {
    let inside = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    let name = inside.split_once(":?").map_or(inside, |(name, _)| name);
    !name.is_empty() && !inside.contains('}') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Hides by the sound of names, where there is no tree.
fn guess(text: &str, ranges: &mut Vec<Range<usize>>) {
    const SECRET_SECTIONS: [&str; 4] = ["headers", "credentials", "service", "proxy"];
    const SOUNDS_SECRET: [&str; 8] = ["pass", "secret", "token", "key", "dsn", "access", "refresh", "databases"];
    let mut start = 0;
    let mut in_secret_section = false;
    for line in text.split_inclusive('\n') {
        let value = line.find([':', '=']).map_or(0, |separator| separator + 1);
        if line.starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '"' | '\'' | '{')) {
            let name = line.trim_start_matches(['"', '\'', '{', ' ']);
            in_secret_section = SECRET_SECTIONS.iter().any(|section| name.starts_with(section));
        }
        // A line with braces holds several names.
        let names = if line.contains('{') { line } else { &line[..value] }.to_ascii_lowercase();
        let sounds = SOUNDS_SECRET.iter().any(|sound| names.contains(sound));
        if in_secret_section || sounds || line.contains('@') {
            ranges.push(start + value..start + line.len());
        }
        start += line.len();
    }
}
