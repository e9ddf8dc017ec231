//! Canaries: names that occur once in a run, whose they are, and where they stand in what was received.
//!
//! Every title and text that a check makes bears a number of its own ([`super::Target::title`],
//! [`super::Target::unique`]); users have their address and id. They are found in octets as they came, in decoded
//! JSON strings, and in base64.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use regex::Regex;
use serde_json::Value;

use crate::model::{CheckId, ConnectionId};

/// With what every mark of this tool begins.
const MARK: &str = "netra-check";
/// Digits of a mark's number: fewer are a mark that was cut.
pub(super) const DIGITS: usize = 5;
/// A shorter name of a user may stand anywhere by chance.
const LEAST: usize = 8;

/// Decodes what may be cut anywhere.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A name that occurs once in a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Canary {
    /// The number of a title or text; whose it is shows who sends it first.
    Mark(u32),
    /// Address or id of the user of this id.
    User(Arc<str>),
}

impl fmt::Display for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mark(number) => write!(f, "the text numbered {number:0DIGITS$}"),
            Self::User(user) => write!(f, "the address or id of user {user}"),
        }
    }
}

/// The canaries of a run.
pub struct Canaries {
    marks: Option<Regex>,
    /// What a mark looks like in base64, by its place in a group of three octets: characters before it that belong
    /// to the same group, and those that it decides alone.
    encoded: [(usize, String); 3],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Addresses and ids of users, and whose they are.
    names: HashMap<String, Arc<str>>,
    connections: HashMap<(CheckId, ConnectionId), Arc<str>>,
}

impl fmt::Debug for Canaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canaries")
    }
}

impl Canaries {
    /// Those of the run of this id.
    pub fn new(run: &str) -> Self {
        let run = regex::escape(run);
        let marks = format!(r"{MARK}[-/]{run}(?:[- ][\w ,-]{{0,48}}?)?[- ](\d{{{DIGITS}}})(?:\D|$)");
        Self { marks: Regex::new(&marks).ok(), encoded: [0, 1, 2].map(encoded_at), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A user has logged in.
    pub(super) fn user(&self, id: &str, email: Option<&str>) {
        let mut state = self.state();
        let id: Arc<str> = id.into();
        for name in [Some(&*id), email].into_iter().flatten() {
            state.names.entry(name.to_owned()).or_insert_with(|| Arc::clone(&id));
        }
    }

    /// A connection, or an exchange over HTTP, is this user's.
    pub(super) fn connection(&self, check: CheckId, connection: ConnectionId, user: &str) {
        self.state().connections.insert((check, connection), user.into());
    }

    /// Whose a connection is, where a user who has logged in opened it.
    pub fn owner(&self, check: CheckId, connection: ConnectionId) -> Option<Arc<str>> {
        let state = self.state();
        let user = state.connections.get(&(check, connection))?;
        state.names.contains_key(&**user).then(|| Arc::clone(user))
    }

    /// All canaries in a text: as it stands, in the strings of its JSON, and in base64.
    pub fn all_in(&self, text: &str) -> BTreeSet<Canary> {
        let mut found = BTreeSet::new();
        self.search(text, &mut found);
        // Without an escape the strings stand in it as they are.
        if text.contains('\\')
            && let Ok(value) = serde_json::from_str(text)
        {
            self.search_strings(&value, &mut found);
        }
        found
    }

    fn search_strings(&self, value: &Value, found: &mut BTreeSet<Canary>) {
        match value {
            Value::String(text) => self.search(text, found),
            Value::Array(items) => items.iter().for_each(|item| self.search_strings(item, found)),
            Value::Object(members) => {
                for (name, member) in members {
                    self.search(name, found);
                    self.search_strings(member, found);
                }
            }
            _ => {}
        }
    }

    fn search(&self, text: &str, found: &mut BTreeSet<Canary>) {
        self.search_plain(text, found);
        for (before, needle) in &self.encoded {
            for (place, _) in text.match_indices(needle.as_str()) {
                if let Some(decoded) = place.checked_sub(*before).and_then(|start| decoded(text.get(start..)?)) {
                    self.search_plain(&decoded, found);
                }
            }
        }
    }

    fn search_plain(&self, text: &str, found: &mut BTreeSet<Canary>) {
        let marks = self.marks.iter().flat_map(|marks| marks.captures_iter(text));
        found.extend(marks.filter_map(|mark| Some(Canary::Mark(mark.get(1)?.as_str().parse().ok()?))));
        let state = self.state();
        let names = state.names.iter().filter(|(name, _)| name.len() >= LEAST && contains(text, name));
        found.extend(names.map(|(_, user)| Canary::User(Arc::clone(user))));
    }
}

/// Whether `text` holds `name`, and not as a part of a longer one: addresses go on with more than letters.
fn contains(text: &str, name: &str) -> bool {
    let is_address = name.contains('@');
    let joins = |character: char| character.is_alphanumeric() || is_address && "-._+%".contains(character);
    text.match_indices(name).any(|(start, _)| {
        let (before, after) = (&text[..start], &text[start + name.len()..]);
        // A stop ends a sentence, or it goes on with the address.
        let rest = after.trim_start_matches(|character: char| joins(character) && !character.is_alphanumeric());
        !before.ends_with(joins) && !(rest.starts_with(char::is_alphanumeric))
    })
}

/// [`MARK`] in base64, `before` octets after the beginning of a group.
fn encoded_at(before: usize) -> (usize, String) {
    let octets = [&[0; 2][..before], MARK.as_bytes()].concat();
    let whole = octets.len() * 4 / 3;
    let encoded: String = LENIENT.encode(&octets).chars().take(whole).collect();
    // Of the first characters only those are the mark's in which no foreign bit stands.
    let foreign = (before * 8).div_ceil(6);
    (foreign, encoded.chars().skip(foreign).collect())
}

/// What the base64 at the beginning of `text`, of either alphabet, stands for.
fn decoded(text: &str) -> Option<String> {
    let digits = text.chars().map(|character| match character {
        '-' => '+',
        '_' => '/',
        other => other,
    });
    let mut digits: String =
        digits.take_while(|character| character.is_ascii_alphanumeric() || "+/".contains(*character)).collect();
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    LENIENT.decode(digits).ok().map(|octets| String::from_utf8_lossy(&octets).into_owned())
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE};

    use super::*;

    fn canaries() -> Canaries {
        let canaries = Canaries::new("68f0-1");
        canaries.user("user-0001", Some("netra-check+01@example.com"));
        canaries
    }

    fn found(text: &str) -> Vec<Canary> {
        canaries().all_in(text).into_iter().collect()
    }

    #[test]
    fn marks_are_found_whole_and_of_this_run_only() {
        assert_eq!(found("netra-check/68f0-1 two words 00012, renamed"), [Canary::Mark(12)]);
        assert_eq!(found(r#"{"content":"netra-check-68f0-1-said-00007"}"#), [Canary::Mark(7)]);
        for text in ["netra-check-68f0-1-said-0000", "netra-check-68f0-2-said-00007", "said-00007", "netra-check"] {
            assert_eq!(found(text), [], "{text}");
        }
    }

    #[test]
    fn marks_are_found_behind_escapes_and_in_base64_at_any_place() {
        assert_eq!(found(r#"{"title":"netra-check\/68f0-1 \u0074old 00003"}"#), [Canary::Mark(3)]);
        assert_eq!(found(r#"{"x":"\u006eetra-check-68f0-1-a-00004"}"#), [Canary::Mark(4)]);
        for before in ["", "a", "ab", "abc", "{\"title\":\""] {
            let plain = format!("{before}netra-check/68f0-1 ~~? hidden 00005 ü");
            let plain = plain.replace("~~? ", "");
            for encoded in [STANDARD_NO_PAD.encode(&plain), URL_SAFE.encode(&plain)] {
                assert_eq!(found(&format!("{{\"cache\":\"{encoded}\"}}")), [Canary::Mark(5)], "{before:?}: {encoded}");
            }
        }
    }

    #[test]
    fn users_are_found_by_whole_names() {
        let user = Canary::User("user-0001".into());
        assert_eq!(found("owner netra-check+01@example.com?"), found(r#"{"user_id":"user-0001"}"#));
        assert_eq!(found(r#"{"user_id":"user-0001"}"#), [user]);
        for text in [
            "user-00012",
            "my.netra-check+01@example.com",
            "netra-check+01@example.com.au",
            "x-netra-check+01@example.com",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
        assert_eq!(found("Ask netra-check+01@example.com. Or not.").len(), 1);
        assert_eq!(found("connection-user-0001-2").len(), 1);
    }
}
