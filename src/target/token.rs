//! Tokens: held, read, signed; never printed.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value, json};

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
        let encode = |part: &Map<String, Value>| URL_SAFE_NO_PAD.encode(Value::Object(part.clone()).to_string());
        format!("{}.{}", encode(&self.header), encode(&self.claims))
    }

    /// The token of header and claims, signed; `alg` becomes that of the signer.
    pub(super) fn sign(mut self, signer: &Signer) -> String {
        self.header.insert("alg".into(), signer.algorithm().into());
        let text = self.signed_text();
        let signature = URL_SAFE_NO_PAD.encode(signer.sign(text.as_bytes()));
        format!("{text}.{signature}")
    }
}

/// A key that signs.
pub(super) enum Signer {
    Hmac(Vec<u8>),
    Ecdsa(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer of {}", self.algorithm())
    }
}

impl Signer {
    /// The profile's key.
    ///
    /// # Errors
    /// What is wrong with it, in a person's words.
    pub(super) fn new(key: &SigningKey) -> Result<Self, String> {
        let der = || {
            PrivateKeyDer::from_pem_slice(key.key.expose().as_bytes())
                .map_err(|_| format!("the key for {} is no PEM private key", key.algorithm))
        };
        let rejected = |error: ring::error::KeyRejected| format!("the key for {}: {error}", key.algorithm);
        match key.algorithm.as_str() {
            "HS256" => Ok(Self::Hmac(key.key.expose().as_bytes().to_vec())),
            "ES256" => match der()? {
                PrivateKeyDer::Pkcs8(der) => EcdsaKeyPair::from_pkcs8(
                    &ECDSA_P256_SHA256_FIXED_SIGNING,
                    der.secret_pkcs8_der(),
                    &SystemRandom::new(),
                )
                .map(|pair| Self::Ecdsa(Box::new(pair)))
                .map_err(rejected),
                _ => Err("the key for ES256 must be PKCS #8 (`openssl pkcs8 -topk8 -nocrypt`)".into()),
            },
            "RS256" => match der()? {
                PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
                PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
                _ => return Err("the key for RS256 is no RSA key".into()),
            }
            .map(|pair| Self::Rsa(Box::new(pair)))
            .map_err(rejected),
            other => Err(format!("no signing with `{other}`; known are HS256, RS256, ES256")),
        }
    }

    /// A new key pair of ours, which no target knows.
    pub(super) fn foreign() -> Option<Self> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).ok()?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).ok()?;
        Some(Self::Ecdsa(Box::new(pair)))
    }

    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Hmac(_) => "HS256",
            Self::Ecdsa(_) => "ES256",
            Self::Rsa(_) => "RS256",
        }
    }

    /// The signature; empty where the system has no randomness, which a right target refuses.
    fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Hmac(key) => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
                ring::hmac::sign(&key, text).as_ref().to_vec()
            }
            Self::Ecdsa(pair) => pair.sign(&random, text).map_or_else(|_| Vec::new(), |sign| sign.as_ref().to_vec()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                match pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature) {
                    Ok(()) => signature,
                    Err(_) => Vec::new(),
                }
            }
        }
    }

    /// The public half as a JSON Web Key, where it is a pair on P-256.
    pub(super) fn jwk(&self) -> Option<Value> {
        use ring::signature::KeyPair as _;
        let Self::Ecdsa(pair) = self else { return None };
        let point = pair.public_key().as_ref();
        let (x, y) = (point.get(1..33)?, point.get(33..65)?);
        let encode = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        Some(json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y), "alg": "ES256", "use": "sig",
            "kid": super::workshop::OWN_KID}))
    }
}
