//! Tokens: held, read, signed; never printed.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Map, Value, json};

use super::jwt::use_ring;
use super::redact::{Redactor, SecretKind};
use crate::profile::{Secret, SigningKey};

/// A token. Its `Debug` and `Display` show its placeholder.
#[derive(Clone)]
pub struct Token {
    text: Arc<Secret>,
    placeholder: Arc<str>,
}

impl Token {
    /// A token that the redactor knows from now on.
    pub fn new(redactor: &Redactor, kind: SecretKind, text: impl Into<String>) -> Self {
        let text = text.into();
        let placeholder = redactor.learn(kind, &text).into();
        Self { text: Arc::new(Secret::new(text)), placeholder }
    }

    /// The token itself, for the place that sends it.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// What stands for it in transcripts and reports.
    pub fn placeholder(&self) -> &str {
        &self.placeholder
    }

    /// Its claims; `None` when it is no JSON Web Token.
    pub fn claims(&self) -> Option<Map<String, Value>> {
        Parts::of(self.expose()).map(|parts| parts.claims)
    }

    /// A claim that is a string.
    pub fn text_claim(&self, claim: &str) -> Option<String> {
        Some(self.claims()?.get(claim)?.as_str()?.to_owned())
    }

    /// A claim that is a time: seconds since 1970.
    pub fn time_claim(&self, claim: &str) -> Option<f64> {
        self.claims()?.get(claim)?.as_f64()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.placeholder)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.placeholder)
    }
}

/// A part of a token as it stands in its text.
pub(super) fn encode(part: &Map<String, Value>) -> String {
    URL_SAFE_NO_PAD.encode(Value::Object(part.clone()).to_string())
}

/// The parts of a JSON Web Token, decoded.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    pub(super) signature: Vec<u8>,
}

impl Parts {
    pub(super) fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok());
        let header = serde_json::from_slice(&parts.next()??).ok()?;
        let claims = serde_json::from_slice(&parts.next()??).ok()?;
        let signature = parts.next()??;
        parts.next().is_none().then_some(Self { header, claims, signature })
    }

    /// What is signed: header and claims as they stand.
    pub(super) fn signed_text(&self) -> String {
        format!("{}.{}", encode(&self.header), encode(&self.claims))
    }

    /// The token of header and claims, signed; `alg` becomes that of the signer.
    pub(super) fn sign(mut self, signer: &Signer) -> String {
        self.header.insert("alg".into(), format!("{:?}", signer.algorithm).into());
        let text = self.signed_text();
        // Without a signature a right target refuses it, as it would refuse a wrong one.
        let signature = signer.sign(text.as_bytes()).unwrap_or_default();
        format!("{text}.{signature}")
    }
}

/// A key that signs.
pub(super) struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    /// The public half, where it is a pair of ours.
    jwk: Option<Value>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer of {:?}", self.algorithm)
    }
}

impl Signer {
    /// The profile's key.
    ///
    /// # Errors
    /// What is wrong with it, in a person's words.
    pub(super) fn new(key: &SigningKey) -> Result<Self, String> {
        let text = key.key.expose().as_bytes();
        let (algorithm, encoding) = match key.algorithm.as_str() {
            "HS256" => return Ok(Self::hmac(text)),
            "ES256" => (Algorithm::ES256, EncodingKey::from_ec_pem(text)),
            "RS256" => (Algorithm::RS256, EncodingKey::from_rsa_pem(text)),
            other => return Err(format!("no signing with `{other}`; known are HS256, RS256, ES256")),
        };
        let unusable = |error| format!("the key for {} is no PEM private key of its kind: {error}", key.algorithm);
        let signer = Self { algorithm, key: encoding.map_err(unusable)?, jwk: None };
        match signer.sign(b"") {
            Some(_) => Ok(signer),
            None => Err(format!("the key for {} cannot sign (ES256 takes PKCS #8 on P-256)", key.algorithm)),
        }
    }

    /// A shared secret.
    pub(super) fn hmac(secret: &[u8]) -> Self {
        Self { algorithm: Algorithm::HS256, key: EncodingKey::from_secret(secret), jwk: None }
    }

    /// A new key pair of ours on P-256, which no target knows; `None` where the system has no randomness.
    pub(super) fn foreign() -> Option<Self> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).ok()?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).ok()?;
        let point = pair.public_key().as_ref();
        let encode = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        let (x, y) = (encode(point.get(1..33)?), encode(point.get(33..65)?));
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES256", "use": "sig",
            "kid": super::workshop::OWN_KID});
        Some(Self { algorithm: Algorithm::ES256, key: EncodingKey::from_ec_der(pkcs8.as_ref()), jwk: Some(jwk) })
    }

    /// The signature as a token carries it.
    fn sign(&self, text: &[u8]) -> Option<String> {
        use_ring();
        jsonwebtoken::crypto::sign(text, &self.key, self.algorithm).ok()
    }

    /// The public half as a JSON Web Key, where it is a pair of ours.
    pub(super) fn jwk(&self) -> Option<Value> {
        self.jwk.clone()
    }
}
