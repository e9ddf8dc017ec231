//! Published keys (RFC 7517), and what they say about a token's signature.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::target::{Token, use_ring};

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

    /// Whether it verifies a token's signature; `None` for algorithms beside RS256 and ES256.
    pub(super) fn verifies(&self, token: &Token) -> Option<bool> {
        let member = |name: &str| self.text(name).unwrap_or_default();
        let (algorithm, key) = match header(token)?.alg.as_str() {
            "RS256" => (Algorithm::RS256, DecodingKey::from_rsa_components(member("n"), member("e"))),
            "ES256" => (Algorithm::ES256, DecodingKey::from_ec_components(member("x"), member("y"))),
            _ => return None,
        };
        use_ring();
        // The signature alone: what the claims say is judged elsewhere, and an hour's skew is no wrong key.
        let mut validation = Validation::new(algorithm);
        validation.algorithms = vec![algorithm];
        validation.required_spec_claims = HashSet::new();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.aud = None;
        validation.iss = None;
        validation.sub = None;
        // A key that cannot be read verifies nothing.
        Some(key.is_ok_and(|key| decode::<Map<String, Value>>(token.expose(), &key, &validation).is_ok()))
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

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, encode};
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;
    use crate::target::{Redactor, SecretKind};

    /// A key pair, and its public half as it is published.
    fn pair() -> (EncodingKey, Value) {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let point = pair.public_key().as_ref();
        let encode = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        let jwk =
            json!({"kty": "EC", "crv": "P-256", "kid": "k", "x": encode(&point[1..33]), "y": encode(&point[33..])});
        (EncodingKey::from_ec_der(pkcs8.as_ref()), jwk)
    }

    #[test]
    fn a_key_verifies_what_its_other_half_signed_whatever_the_claims_say() {
        use_ring();
        let ((ours, published), (other, _)) = (pair(), pair());
        let set = KeySet::read(&json!({"keys": [published]})).unwrap();
        let header = jsonwebtoken::Header { kid: Some("k".into()), ..jsonwebtoken::Header::new(Algorithm::ES256) };
        let token = |key: &EncodingKey| {
            // Long expired, for another audience.
            let text = encode(&header, &json!({"sub": "u", "exp": 1, "aud": "others"}), key).unwrap();
            Token::new(&Redactor::new(), SecretKind::AccessToken, text)
        };
        let signed = token(&ours);
        assert_eq!(set.key_of(&signed).unwrap().verifies(&signed), Some(true));
        assert_eq!(set.key_of(&signed).unwrap().verifies(&token(&other)), Some(false));

        let broken = KeySet::read(&json!({"keys": [{"kty": "EC", "kid": "k", "x": "!"}]})).unwrap();
        assert_eq!(broken.key_of(&signed).unwrap().verifies(&signed), Some(false));
        let hmac = encode(&jsonwebtoken::Header::default(), &json!({}), &EncodingKey::from_secret(b"secret")).unwrap();
        let hmac = Token::new(&Redactor::new(), SecretKind::AccessToken, hmac);
        assert_eq!(set.keys[0].verifies(&hmac), None);
    }
}
