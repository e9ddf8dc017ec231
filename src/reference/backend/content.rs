//! What users write, on its way into the store.

use std::borrow::Cow;

use super::refusal::Refusal;
use crate::reference::Policy;
use crate::wire::ErrorCode;

/// Longest title where titles are refused at all, in characters.
const LONGEST_TITLE: usize = 255;

/// Combinations that [`crate::reference::policy::MessagePolicy::content_normalised`] composes.
const COMPOSED: [(&str, &str); 12] = [
    ("a\u{300}", "à"),
    ("a\u{301}", "á"),
    ("a\u{308}", "ä"),
    ("c\u{327}", "ç"),
    ("e\u{300}", "è"),
    ("e\u{301}", "é"),
    ("n\u{303}", "ñ"),
    ("o\u{308}", "ö"),
    ("o\u{301}", "ó"),
    ("u\u{308}", "ü"),
    ("A\u{30A}", "Å"),
    ("i\u{301}", "í"),
];

/// The content to keep of what was sent: the same, character for character.
pub(super) fn kept(content: &str, policy: &Policy) -> Result<String, Refusal> {
    if policy.permitted.nul_refused.on() && content.contains('\0') {
        return Err(Refusal::field("content", "The content holds a NUL character."));
    }
    let messages = policy.messages;
    let mut content = Cow::Borrowed(content);
    if messages.content_mangled.on() {
        content = content.chars().map(encoded_twice).collect::<String>().into();
    }
    if messages.content_truncated.on() {
        content = content[..content.floor_char_boundary(16 << 10)].to_owned().into();
    }
    if messages.content_normalised.on() {
        content = COMPOSED.iter().fold(content.into_owned(), |text, (from, to)| text.replace(from, to)).into();
    }
    if messages.html_escaped.on() {
        content = content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").into();
    }
    Ok(content.into_owned())
}

/// A character outside Latin-1 as if its UTF-8 were Latin-1.
fn encoded_twice(character: char) -> String {
    match u32::from(character) {
        ..=0xFF => character.to_string(),
        _ => character.encode_utf8(&mut [0; 4]).bytes().map(char::from).collect(),
    }
}

/// The title to keep of a new thread.
pub(super) fn title(title: Option<&str>, policy: &Policy) -> Result<Option<String>, Refusal> {
    if policy.permitted.titles_refused.on()
        && title.is_some_and(|title| title.is_empty() || title.chars().count() > LONGEST_TITLE)
    {
        return Err(Refusal::field("title", format!("A title has 1 to {LONGEST_TITLE} characters.")));
    }
    if title.is_some_and(|title| title.contains(char::is_control)) && policy.threads.title_500.on() {
        return Err(Refusal::new(ErrorCode::Internal, "This title cannot be stored."));
    }
    let unnamed = policy.messages.promise_in_payload.on().then(|| "[object Promise]".to_owned());
    Ok(title.map(str::to_owned).or(unnamed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "e\u{301} € <b>\"&\"</b> \0 \u{1F5FC} \u{5E9}";

    #[test]
    fn content_is_kept_character_for_character() {
        assert_eq!(kept(TEXT, &Policy::default()).unwrap(), TEXT);
    }

    #[test]
    fn each_defect_changes_it() {
        for defect in ["content-mangled", "content-normalised", "html-escaped"] {
            let mut policy = Policy::default();
            assert!(policy.switch_on(defect));
            assert_ne!(kept(TEXT, &policy).unwrap(), TEXT, "{defect}");
        }
    }
}
