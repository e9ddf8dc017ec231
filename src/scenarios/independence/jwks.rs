//! Published keys (RFC 7517), and what they say about a token's signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::target::Token;

/// Members that only the owner of a key may know (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1).
const PRIVATE: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A key set.
#[derive(Debug, Deserialize)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

/// One key, its members as published.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Key(Map<String, Value>);

/// The header of a token.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

impl KeySet {
    /// Reads a published set; `None` when it is none.
    pub(super) fn read(body: &Value) -> Option<Self> {
        Self::deserialize(body).ok()
    }

    /// Names of private members, by `kid`.
    pub(super) fn private_members(&self) -> Vec<String> {
        let of = |key: &Key| -> Vec<String> {
            let found = PRIVATE.iter().filter(|member| key.0.contains_key(**member));
            found.map(|member| format!("`{member}` of key {:?}", key.text("kid").unwrap_or_default())).collect()
        };
        self.keys.iter().flat_map(of).collect()
    }

    /// The key that a token's header names, or the only one where it names none.
    pub(super) fn key_of(&self, token: &Token) -> Option<&Key> {
        match header(token)?.kid {
            Some(kid) => self.keys.iter().find(|key| key.text("kid") == Some(&kid)),
            None => self.keys.first().filter(|_| self.keys.len() == 1),
        }
    }
}

impl Key {
    fn text(&self, member: &str) -> Option<&str> {
        self.0.get(member)?.as_str()
    }

    fn octets(&self, member: &str) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(self.text(member)?).ok()
    }

    /// Whether it verifies a token's signature; `None` for algorithms beside RS256 and ES256.
    pub(super) fn verifies(&self, token: &Token) -> Option<bool> {
        let (signed, signature) = token.expose().rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let verdict = match header(token)?.alg.as_str() {
            "RS256" => RsaPublicKeyComponents { n: self.octets("n")?, e: self.octets("e")? }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                signed.as_bytes(),
                &signature,
            ),
            "ES256" => {
                let point = [vec![4], self.octets("x")?, self.octets("y")?].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed.as_bytes(), &signature)
            }
            _ => return None,
        };
        Some(verdict.is_ok())
    }
}

/// `kid` of a token's header.
pub(super) fn kid(token: &Token) -> Option<String> {
    header(token)?.kid
}

fn header(token: &Token) -> Option<Header> {
    let header = URL_SAFE_NO_PAD.decode(token.expose().split('.').next()?).ok()?;
    serde_json::from_slice(&header).ok()
}
