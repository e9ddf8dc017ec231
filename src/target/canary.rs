//! Canaries: names that occur once in a run, whose they are, and where they stand in what was received.
//!
//! Every title and text that a check makes bears a number of its own ([`super::Target::title`],
//! [`super::Target::unique`]); users have their address and id, threads their id. They are found in octets as they
//! came, in decoded JSON strings, and in base64.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use crate::model::{CheckId, ConnectionId};

/// With what every mark of this tool begins.
const MARK: &str = "netra-check";
/// Digits of a mark's number: fewer are a mark that was cut.
pub(super) const DIGITS: usize = 5;
/// Characters of what may stand between a run's id and a mark's number.
const LONGEST: usize = 50;
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
    /// A thread that was created in the run, and its owner.
    Thread {
        /// The thread's id.
        id: Arc<str>,
        /// The user's id.
        owner: Arc<str>,
    },
}

impl fmt::Display for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mark(number) => write!(f, "the text numbered {number:0DIGITS$}"),
            Self::User(user) => write!(f, "the address or id of user {user}"),
            Self::Thread { id, .. } => write!(f, "the id of thread {id}"),
        }
    }
}

/// What is looked for in a text.
#[derive(Clone, Debug)]
enum Sign {
    /// A mark begins.
    Mark,
    /// A mark in base64, with so many characters before it that belong to its group of octets.
    Encoded(usize),
    /// An address or id.
    Name(Canary),
}

/// Octets by which signs are indexed: none is shorter.
const PREFIX: usize = LEAST;

/// All signs, found in one pass over a text: there is one for each frame of a run, and a few for each user.
#[derive(Default)]
struct Signs {
    /// Whether a sign begins with these two octets, by the number that they are.
    begins: Vec<bool>,
    by_prefix: HashMap<[u8; PREFIX], Vec<(String, Sign)>>,
}

impl Signs {
    fn insert(&mut self, text: &str, sign: Sign) {
        let Some(prefix) = text.as_bytes().first_chunk::<PREFIX>() else { return };
        self.begins.resize(1 << 16, false);
        self.begins[pair(prefix[0], prefix[1])] = true;
        let alike = self.by_prefix.entry(*prefix).or_default();
        if alike.iter().all(|(known, _)| known != text) {
            alike.push((text.to_owned(), sign));
        }
    }

    /// Calls `with` for each sign and the place where it stands.
    fn each_in(&self, text: &str, mut with: impl FnMut(usize, &str, &Sign)) {
        let octets = text.as_bytes();
        let mut place = 0;
        // Every octet of a run passes here: a plain loop, which is quick in any build.
        while let Some(prefix) = octets.get(place..place + PREFIX) {
            if self.begins[pair(prefix[0], prefix[1])]
                && let Some(alike) = prefix.first_chunk::<PREFIX>().and_then(|prefix| self.by_prefix.get(prefix))
            {
                let stands = |(sign, _): &&(String, Sign)| octets[place..].starts_with(sign.as_bytes());
                alike.iter().filter(stands).for_each(|(sign, kind)| with(place, sign, kind));
            }
            place += 1;
        }
    }
}

const fn pair(first: u8, second: u8) -> usize {
    (first as usize) << 8 | second as usize
}

/// The canaries of a run.
pub struct Canaries {
    run: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    signs: Signs,
    /// Ids of users who have logged in.
    users: BTreeSet<Arc<str>>,
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
        let mut state = State::default();
        state.signs.insert(MARK, Sign::Mark);
        for (before, encoded) in [0, 1, 2].map(encoded_at) {
            state.signs.insert(&encoded, Sign::Encoded(before));
        }
        Self { run: run.to_owned(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A user has logged in.
    pub(super) fn user(&self, id: &str, email: Option<&str>) {
        let mut state = self.state();
        let user: Arc<str> = id.into();
        for name in [Some(id), email].into_iter().flatten() {
            state.signs.insert(name, Sign::Name(Canary::User(Arc::clone(&user))));
        }
        state.users.insert(user);
    }

    /// A thread of this user has been created.
    pub(super) fn thread(&self, id: &str, owner: &str) {
        let canary = Canary::Thread { id: id.into(), owner: owner.into() };
        self.state().signs.insert(id, Sign::Name(canary));
    }

    /// A connection, or an exchange over HTTP, is this user's.
    pub(super) fn connection(&self, check: CheckId, connection: ConnectionId, user: &str) {
        self.state().connections.insert((check, connection), user.into());
    }

    /// Whose a connection is, where a user who has logged in opened it.
    pub fn owner(&self, check: CheckId, connection: ConnectionId) -> Option<Arc<str>> {
        let state = self.state();
        let user = state.connections.get(&(check, connection))?;
        state.users.contains(user).then(|| Arc::clone(user))
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
        let mut hidden = Vec::new();
        let state = self.state();
        self.search_once(&state, text, found, &mut hidden);
        for hidden in std::mem::take(&mut hidden) {
            self.search_once(&state, &hidden, found, &mut Vec::new());
        }
    }

    /// Finds what stands in a text, and what base64 in it may hide.
    fn search_once(&self, state: &State, text: &str, found: &mut BTreeSet<Canary>, hidden: &mut Vec<String>) {
        state.signs.each_in(text, |place, sign, kind| match kind {
            Sign::Mark => found.extend(text.get(place..).and_then(|text| self.mark(text)).map(Canary::Mark)),
            Sign::Encoded(before) => {
                let start = place.checked_sub(*before).and_then(|start| text.get(start..));
                hidden.extend(start.and_then(decoded));
            }
            Sign::Name(canary) if is_whole(text, place, sign) => {
                found.insert(canary.clone());
            }
            Sign::Name(_) => {}
        });
    }

    /// The number of the mark with which a text begins, if it is of this run and whole.
    fn mark(&self, text: &str) -> Option<u32> {
        let rest = text.strip_prefix(MARK)?.strip_prefix(['-', '/'])?.strip_prefix(self.run.as_str())?.as_bytes();
        let is_digit = |place: usize| rest.get(place).is_some_and(u8::is_ascii_digit);
        for (place, octet) in rest.iter().enumerate().take(LONGEST) {
            let number = place + 1..place + 1 + DIGITS;
            match octet {
                b'-' | b' ' if number.clone().all(is_digit) && !is_digit(number.end) => {
                    return std::str::from_utf8(rest.get(number)?).ok()?.parse().ok();
                }
                b'-' | b' ' => {}
                b'_' | b',' if place > 0 => {}
                other if place > 0 && other.is_ascii_alphanumeric() => {}
                _ => return None,
            }
        }
        None
    }
}

/// Whether the name that stands at `place` is not a part of a longer one: addresses go on with more than letters.
fn is_whole(text: &str, place: usize, name: &str) -> bool {
    let is_address = name.contains('@');
    let joins = |character: char| character.is_alphanumeric() || is_address && "-._+%".contains(character);
    let (Some(before), Some(after)) = (text.get(..place), text.get(place + name.len()..)) else { return false };
    // A stop ends a sentence, or it goes on with the address.
    let rest = after.trim_start_matches(|character: char| joins(character) && !character.is_alphanumeric());
    !before.ends_with(joins) && !rest.starts_with(char::is_alphanumeric)
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
