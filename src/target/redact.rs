//! Secrets become placeholders before anything is kept.
//!
//! Two ways to know one: what has been learnt ([`Redactor::learn`]), in every form in which it may
//! come back, and the shape of a JSON Web Token, so that a token is hidden that nobody has seen before.

use std::collections::HashMap;
use std::fmt;
use std::sync::{LazyLock, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use regex::Regex;

/// What a secret is for: the word of its placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretKind {
    /// An access token.
    AccessToken,
    /// A refresh token.
    RefreshToken,
    /// A service's token.
    ServiceToken,
    /// A token made by the checker, which a right target refuses.
    ForgedToken,
    /// What opens one socket.
    Ticket,
    /// Something shaped like a token that nobody announced.
    Token,
    /// A user's password.
    Password,
    /// A key: of signatures, of the test login.
    Key,
    /// A service's secret.
    ServiceSecret,
    /// The value of a header from the profile.
    Header,
    /// A connection string.
    Dsn,
    /// The value of a cookie.
    Cookie,
}

impl SecretKind {
    /// Its word in placeholders.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::AccessToken => "access-token",
            Self::RefreshToken => "refresh-token",
            Self::ServiceToken => "service-token",
            Self::ForgedToken => "forged-token",
            Self::Ticket => "ticket",
            Self::Token => "token",
            Self::Password => "password",
            Self::Key => "key",
            Self::ServiceSecret => "service-secret",
            Self::Header => "header",
            Self::Dsn => "dsn",
            Self::Cookie => "cookie",
        }
    }
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.slug())
    }
}

/// Below this a secret is no secret: hiding every `a` would leave no transcript.
const LEAST: usize = 4;
/// Below this a secret is not searched for in reports: chance would find it.
const SEARCHED: usize = 8;

/// RFC 3986 unreserved characters stay as they are.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The shape of a JSON Web Token, its header a JSON object, perhaps percent-encoded, perhaps without its signature.
static TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let (part, dot) = ("(?:[A-Za-z0-9_-]|%2[dD]|%5[fF])", r"(?:\.|%2[eE])");
    Regex::new(&format!("eyJ{part}{{5,}}{dot}{part}*(?:{dot}{part}*)?")).ok()
});

/// The base64 of `eyJ…`: a token as the subprotocol carries it.
static ENCODED_TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("ZXlK[A-Za-z0-9+/_-]{12,}=*").ok());

#[derive(Clone, Copy)]
struct Known {
    kind: SecretKind,
    number: u32,
    searched: bool,
}

impl Known {
    fn placeholder(self) -> String {
        format!("«{} {}»", self.kind, self.number)
    }
}

/// Octets by which forms are indexed: no form is shorter.
const PREFIX: usize = 4;

/// What secrets that have no token's shape look like, found in one pass over a text. An automaton would find them
/// faster, but each login brings secrets, and building one anew takes longer than all the searching of a run.
#[derive(Default)]
struct Forms {
    /// Whether a form begins with these two octets, by the number that they are.
    begins: Vec<bool>,
    /// Forms by their beginning, the longest first.
    by_prefix: HashMap<[u8; PREFIX], Vec<(String, Known)>>,
}

impl Forms {
    fn insert(&mut self, form: String, known: Known) {
        let Some(prefix) = form.as_bytes().first_chunk::<PREFIX>() else { return };
        self.begins.resize(1 << 16, false);
        self.begins[pair(prefix)] = true;
        let alike = self.by_prefix.entry(*prefix).or_default();
        let place = alike.partition_point(|(other, _)| other.len() >= form.len());
        alike.insert(place, (form, known));
    }

    /// Where secrets stand in `text`: leftmost first, of several the longest.
    fn find<'f>(&'f self, text: &'f str) -> impl Iterator<Item = (std::ops::Range<usize>, Known)> + 'f {
        let octets = text.as_bytes();
        let mut start = 0;
        std::iter::from_fn(move || {
            while let Some(prefix) = octets.get(start..).and_then(|rest| rest.first_chunk::<PREFIX>()) {
                let alike = match self.begins.get(pair(prefix)) {
                    Some(true) => self.by_prefix.get(prefix).map_or(&[][..], Vec::as_slice),
                    _ => &[],
                };
                let found = alike.iter().find(|(form, _)| octets[start..].starts_with(form.as_bytes()));
                if let Some((form, known)) = found {
                    let place = start..start + form.len();
                    start = place.end;
                    return Some((place, *known));
                }
                start += 1;
            }
            None
        })
    }
}

const fn pair(prefix: &[u8; PREFIX]) -> usize {
    (prefix[0] as usize) << 8 | prefix[1] as usize
}

#[derive(Default)]
struct State {
    secrets: HashMap<String, Known>,
    counts: HashMap<SecretKind, u32>,
    forms: Forms,
}

/// Knows the secrets of a run.
#[derive(Default)]
pub struct Redactor {
    state: RwLock<State>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// A redactor that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hides `secret` from now on, and tells its placeholder. The same secret keeps its first kind and number.
    /// Secrets under four characters cannot be hidden; see [`Self::too_short`].
    pub fn learn(&self, kind: SecretKind, secret: &str) -> String {
        if let Some(known) = self.read().secrets.get(secret) {
            return known.placeholder();
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have learnt it between the two locks.
        if let Some(known) = state.secrets.get(secret) {
            return known.placeholder();
        }
        let number = state.counts.entry(kind).or_default();
        *number += 1;
        let known = Known { kind, number: *number, searched: secret.chars().count() >= SEARCHED };
        state.secrets.insert(secret.to_owned(), known);
        if secret.chars().count() >= LEAST && !is_token(secret) {
            for form in forms(secret) {
                state.forms.insert(form, known);
            }
        }
        known.placeholder()
    }

    /// `text` with every secret replaced by its placeholder.
    pub fn redact(&self, text: &str) -> String {
        let text = self.replace_tokens(text);
        let state = self.read();
        let places = state.forms.find(&text).map(|(place, known)| (place, known.placeholder()));
        replace(&text, places)
    }

    /// The first secret of at least eight characters that stands in `text`, or anything shaped like a token.
    pub fn find(&self, text: &str) -> Option<SecretKind> {
        let token = shapes(text)
            .into_iter()
            .next()
            .map(|(_, token)| self.read().secrets.get(&token).map_or(SecretKind::Token, |known| known.kind));
        token.or_else(|| self.read().forms.find(text).find(|(_, known)| known.searched).map(|(_, known)| known.kind))
    }

    /// Placeholders of the secrets that are too short to be searched for in reports.
    pub fn too_short(&self) -> Vec<String> {
        let mut short: Vec<Known> = self.read().secrets.values().copied().filter(|known| !known.searched).collect();
        short.sort_by_key(|known| (known.kind, known.number));
        short.into_iter().map(Known::placeholder).collect()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace_tokens(&self, text: &str) -> String {
        let places = shapes(text).into_iter().map(|(place, token)| (place, self.learn(SecretKind::Token, &token)));
        replace(text, places)
    }
}

fn replace(text: &str, places: impl Iterator<Item = (std::ops::Range<usize>, String)>) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut copied = 0;
    for (place, with) in places {
        replaced.push_str(&text[copied..place.start]);
        replaced.push_str(&with);
        copied = place.end;
    }
    replaced.push_str(&text[copied..]);
    replaced
}

/// The placeholders in a redacted text, in order: what leak checks judge.
pub fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('«').filter_map(|(start, _)| {
        let inside = &text[start..];
        Some(&inside[..inside.find('»')? + '»'.len_utf8()])
    })
}

/// Whether the whole of `text` has a token's shape, so that its shape finds it.
fn is_token(text: &str) -> bool {
    shapes(text).first().is_some_and(|(place, token)| *place == (0..text.len()) && token == text)
}

/// Everything in `text` that has a token's shape: where it stands, and the token itself.
fn shapes(text: &str) -> Vec<(std::ops::Range<usize>, String)> {
    let plain = TOKEN.iter().flat_map(|shape| shape.find_iter(text)).filter_map(|found| {
        let token = percent_decode_str(found.as_str()).decode_utf8().ok()?.into_owned();
        token_shaped(&token).then(|| (found.range(), token))
    });
    let encoded = ENCODED_TOKEN.iter().flat_map(|shape| shape.find_iter(text)).filter_map(|found| {
        let token = decode(found.as_str())?;
        let shape = TOKEN.as_ref()?.find(&token).filter(|shape| shape.start() == 0)?;
        token_shaped(shape.as_str()).then(|| (found.range(), shape.as_str().to_owned()))
    });
    let mut shapes: Vec<_> = plain.chain(encoded).collect();
    shapes.sort_by_key(|(place, _)| place.start);
    let mut end = 0;
    shapes.retain(|(place, _)| {
        let apart = place.start >= end;
        end = end.max(place.end);
        apart
    });
    shapes
}

/// Three parts; or two, when the second is an object, too (`eyJfoo.js` is a file).
fn token_shaped(text: &str) -> bool {
    let mut parts = text.split('.').skip(1);
    let payload = parts.next().unwrap_or_default();
    parts.next().is_some() || payload.starts_with("eyJ")
}

/// Base64 of either alphabet; a last group that is too short to be one is left out.
fn decode(text: &str) -> Option<String> {
    let text: String = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    let whole = text.len() - usize::from(text.len() % 4 == 1);
    // Lenient about trailing bits: an encoder that leaves them set still leaks the token.
    let engine = GeneralPurpose::new(
        &base64::alphabet::URL_SAFE,
        base64::engine::general_purpose::NO_PAD.with_decode_allow_trailing_bits(true),
    );
    Some(String::from_utf8_lossy(&engine.decode(&text[..whole]).ok()?).into_owned())
}

/// Every form in which `secret` may come back.
fn forms(secret: &str) -> Vec<String> {
    let json = |text: &str| {
        let quoted = serde_json::Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let percent = utf8_percent_encode(secret, COMPONENT).to_string();
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut forms = vec![
        secret.to_owned(),
        json(secret),
        json(secret).replace('/', "\\/"),
        escaped_json(secret),
        lower_escapes(&percent),
        percent.replace("%20", "+"),
        percent,
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        html.replace('\'', "&#39;"),
        html,
        STANDARD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ];
    forms.sort();
    forms.dedup();
    forms
}

/// JSON with everything beyond ASCII as `\u` escapes.
fn escaped_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let mut escaped = String::with_capacity(quoted.len());
    for character in quoted[1..quoted.len() - 1].chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

fn lower_escapes(percent: &str) -> String {
    let mut parts = percent.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (hex, rest) = part.split_at(2.min(part.len()));
        lower.push('%');
        lower.push_str(&hex.to_ascii_lowercase());
        lower.push_str(rest);
    }
    lower
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1LTEifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ";

    fn everything(secret: &str) -> Vec<String> {
        let mut all = forms(secret);
        all.push(format!("jwt.{}", URL_SAFE_NO_PAD.encode(secret)));
        all
    }

    #[test]
    fn placeholders_are_typed_numbered_and_stable() {
        let redactor = Redactor::new();
        assert_eq!(redactor.learn(SecretKind::AccessToken, TOKEN), "«access-token 1»");
        assert_eq!(redactor.learn(SecretKind::Password, "correct horse"), "«password 1»");
        assert_eq!(redactor.learn(SecretKind::Password, "battery staple"), "«password 2»");
        assert_eq!(redactor.learn(SecretKind::Token, TOKEN), "«access-token 1»");
        let text = redactor.redact(&format!("Bearer {TOKEN}, {}; battery%20staple", URL_SAFE_NO_PAD.encode(TOKEN)));
        assert_eq!(text, "Bearer «access-token 1», «access-token 1»; «password 2»");
        assert_eq!(placeholders(&text).collect::<Vec<_>>(), ["«access-token 1»", "«access-token 1»", "«password 2»"]);
    }

    #[test]
    fn a_token_nobody_announced_is_hidden_in_every_form() {
        for form in everything(TOKEN) {
            let redactor = Redactor::new();
            let redacted = redactor.redact(&format!("<{form}>"));
            assert!(redacted.contains("«token 1»"), "{form} became {redacted}");
            assert!(redactor.find(&form).is_some(), "{form} is not found");
        }
        assert_eq!(Redactor::new().redact("see eyJfoo-bar.js and ZXlK"), "see eyJfoo-bar.js and ZXlK");
    }

    #[test]
    fn short_secrets_are_named_and_not_searched() {
        let redactor = Redactor::new();
        redactor.learn(SecretKind::Password, "hunter2");
        redactor.learn(SecretKind::Password, "abc");
        assert_eq!(redactor.redact("hunter2 abc"), "«password 1» abc");
        assert_eq!(redactor.find("hunter2"), None);
        assert_eq!(redactor.too_short(), ["«password 1»", "«password 2»"]);
    }

    proptest! {
        #[test]
        fn no_secret_survives_in_any_of_its_encodings(
            secret in "[^«»]{8,40}", before in "[ a-z]{0,8}", part in "[A-Za-z0-9_-]{8,60}",
        ) {
            let redactor = Redactor::new();
            let token = format!("eyJ{part}.{part}.{part}");
            for secret in [secret, token] {
                redactor.learn(SecretKind::Key, &secret);
                for form in everything(&secret) {
                    let redacted = redactor.redact(&format!("{before}\"{form}\""));
                    prop_assert!(!redacted.contains(&form), "{form:?} survived as {redacted:?}");
                    prop_assert!(redactor.find(&form).is_some());
                    prop_assert!(redactor.find(&redacted).is_none());
                }
            }
        }
    }
}
