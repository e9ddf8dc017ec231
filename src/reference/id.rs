//! Ids and secrets as functions of the seed.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

/// Makes ids: functions of seed, user, kind and a counter per user and kind, so that users who
/// act at the same time do not change each other's.
pub(super) struct Ids {
    key: hmac::Key,
    odd: bool,
    counters: Mutex<HashMap<(&'static str, String), u64>>,
}

impl Ids {
    /// Ids of a seed; `odd` ones use all that "opaque string" permits.
    pub(super) fn new(seed: u64, odd: bool) -> Self {
        Self { key: key_of(seed), odd, counters: Mutex::default() }
    }

    /// The next id of this kind for this user.
    pub(super) fn next(&self, kind: &'static str, user: &str) -> String {
        let number = {
            let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
            let counter = counters.entry((kind, user.to_owned())).or_default();
            *counter += 1;
            *counter
        };
        self.nth(kind, user, number)
    }

    /// The id of this kind for this user with a number of the caller's own.
    pub(super) fn nth(&self, kind: &str, user: &str, number: u64) -> String {
        let tag = hmac::sign(&self.key, format!("{kind}/{number}/{user}").as_bytes());
        let hex = tag.as_ref().iter().take(16).fold(String::with_capacity(32), |mut hex, octet| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{octet:02x}");
            hex
        });
        if self.odd { odd(&hex) } else { hex }
    }
}

/// A secret of 43 characters: a function of the seed and what it is for.
pub(super) fn secret(seed: u64, purpose: &str) -> String {
    URL_SAFE_NO_PAD.encode(hmac::sign(&key_of(seed), format!("secret/{purpose}").as_bytes()))
}

fn key_of(seed: u64) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, format!("netra reference, seed {seed}").as_bytes())
}

/// 200 characters with `:`, `~`, `%` and capitals.
fn odd(hex: &str) -> String {
    let mut id = format!("Id:~%{}:{hex}", hex.to_uppercase());
    while id.len() < 200 {
        id.push_str("~%:Z");
    }
    id.truncate(200);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_depend_on_seed_user_kind_and_count_alone() {
        let (first, second) = (Ids::new(7, false), Ids::new(7, false));
        let of_a = first.next("thread", "a");
        second.next("thread", "b");
        assert_eq!(second.next("thread", "a"), of_a);
        assert_ne!(second.next("thread", "a"), of_a);
        assert_ne!(Ids::new(8, false).next("thread", "a"), of_a);
        assert_eq!(of_a.len(), 32);
    }

    #[test]
    fn odd_ids_are_long_and_distinct() {
        let ids = Ids::new(7, true);
        let (first, second) = (ids.next("run", "a"), ids.next("run", "a"));
        assert_ne!(first, second);
        assert_eq!(first.len(), 200);
        assert!([":", "~", "%", "I"].iter().all(|part| first.contains(part)));
    }
}
