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
    let mut octets = text.as_bytes().to_vec();
    for octet in ranges.into_iter().flatten().filter_map(|position| octets_at(position, text)) {
        octets[octet] = b'*';
    }
    // Whole characters are replaced, so this is UTF-8 still.
    String::from_utf8(octets).unwrap_or_default()
}

fn octets_at(position: usize, text: &str) -> Option<usize> {
    (!matches!(text.as_bytes().get(position)?, b'\n' | b'\r')).then_some(position)
}

fn collect(node: &Node, path: &Path, hide: bool, ranges: &mut Vec<Range<usize>>) {
    let hide = hide || shape::is_secret(path);
    match &node.value {
        Value::Map(entries) => {
            let source = shape::is_secret(path);
            for entry in entries {
                let path = path.join(&entry.key);
                let unknown = shape::at(&path).is_none();
                // `{file: PATH}` says where a secret is, not what it is.
                collect(&entry.node, &path, unknown || (hide && !source), ranges);
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

fn is_reference(text: &str) -> bool {
    text.starts_with("${") && text.ends_with('}') && !text.contains(":-") && text.matches('{').count() == 1
}

fn guess(text: &str, ranges: &mut Vec<Range<usize>>) {
    const SOUNDS_SECRET: [&str; 9] = ["pass", "secret", "token", "key", "dsn", "auth", "backend", "access", "refresh"];
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let value = line.find([':', '=']).map_or(0, |colon| colon + 1);
        let name = line[..value].to_ascii_lowercase();
        // A line without a key may be the rest of a secret that runs over several lines.
        if value == 0 || SOUNDS_SECRET.iter().any(|sound| name.contains(sound)) || line.contains('@') {
            ranges.push(start + value..start + line.len());
        }
        start += line.len();
    }
}
