//! The key that signs tokens, and other keys that a token may be verified with.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, KeyPair as _, RsaKeyPair};
use ring::{hmac, rsa};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::reference::{Algorithm, ServeError, SigningKey};

/// The key that signs tokens.
pub(super) struct Keyring {
    /// How it signs.
    pub(super) algorithm: Algorithm,
    /// Its name in a token's header.
    pub(super) kid: String,
    key: Key,
    /// The private key as DER; empty for a shared secret.
    der: Vec<u8>,
}

enum Key {
    Secret(hmac::Key),
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
}

impl Keyring {
    pub(super) fn new(signing: &SigningKey) -> Result<Self, ServeError> {
        let der = || {
            PrivatePkcs8KeyDer::from_pem_slice(signing.key.as_bytes())
                .map(|der| der.secret_pkcs8_der().to_vec())
                .map_err(|_| ServeError::SigningKey)
        };
        let (key, der) = match signing.algorithm {
            Algorithm::Hs256 => (Key::Secret(hmac::Key::new(hmac::HMAC_SHA256, signing.key.as_bytes())), Vec::new()),
            Algorithm::Rs256 => {
                let der = der()?;
                (Key::Rsa(Box::new(RsaKeyPair::from_pkcs8(&der).map_err(|_| ServeError::SigningKey)?)), der)
            }
            Algorithm::Es256 => {
                let der = der()?;
                let curve = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = EcdsaKeyPair::from_pkcs8(curve, &der, &SystemRandom::new());
                (Key::Ec(pair.map_err(|_| ServeError::SigningKey)?), der)
            }
        };
        Ok(Self { algorithm: signing.algorithm, kid: signing.kid.clone(), key, der })
    }

    /// The signature over `input`.
    ///
    /// # Errors
    /// [`ServeError::SigningKey`] when the system has no random numbers (ES256, RS256).
    pub(super) fn sign(&self, input: &[u8]) -> Result<Vec<u8>, ServeError> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Secret(key) => Ok(hmac::sign(key, input).as_ref().to_vec()),
            Key::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, input, &mut signature)
                    .map_err(|_| ServeError::SigningKey)?;
                Ok(signature)
            }
            Key::Ec(pair) => Ok(pair.sign(&random, input).map_err(|_| ServeError::SigningKey)?.as_ref().to_vec()),
        }
    }

    /// Whether `signature` over `input` is this key's.
    pub(super) fn verifies(&self, input: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Key::Secret(key) => hmac::verify(key, input, signature).is_ok(),
            Key::Rsa(pair) => rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public())
                .verify(&signature::RSA_PKCS1_2048_8192_SHA256, input, signature)
                .is_ok(),
            Key::Ec(pair) => signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, pair.public_key())
                .verify(input, signature)
                .is_ok(),
        }
    }

    /// Octets of each of its signatures.
    pub(super) fn signature_len(&self) -> usize {
        match &self.key {
            Key::Secret(_) => 32,
            Key::Rsa(pair) => pair.public().modulus_len(),
            Key::Ec(_) => 64,
        }
    }

    /// The public key as JWK (RFC 7517); a shared secret has none.
    pub(super) fn public_jwk(&self) -> Option<Value> {
        match &self.key {
            Key::Secret(_) => None,
            Key::Rsa(pair) => {
                let public = rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                Some(json!({
                    "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid,
                    "n": URL_SAFE_NO_PAD.encode(public.n),
                    "e": URL_SAFE_NO_PAD.encode(public.e),
                }))
            }
            Key::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
                Some(json!({
                    "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
                    "x": URL_SAFE_NO_PAD.encode(x),
                    "y": URL_SAFE_NO_PAD.encode(y),
                }))
            }
        }
    }

    /// The members of a JWK that must never be published.
    pub(super) fn private_members(&self) -> Vec<(&'static str, String)> {
        let values = der_values(&self.der);
        // PKCS #8 holds version, PKCS #1: version, n, e, d, p, q …; SEC 1: version, d.
        let members: &[(&str, usize)] = match &self.key {
            Key::Secret(_) => &[],
            Key::Rsa(_) => &[("d", 4), ("p", 5), ("q", 6)],
            Key::Ec(_) => &[("d", 2)],
        };
        members
            .iter()
            .filter_map(|(name, index)| {
                let value = values.get(*index)?;
                let value = value.strip_prefix(&[0]).unwrap_or(value);
                Some((*name, URL_SAFE_NO_PAD.encode(value)))
            })
            .collect()
    }

    /// What a confused verifier could take for a shared secret: the public key as PEM, DER and JWK.
    pub(super) fn public_as_secrets(&self) -> Vec<Vec<u8>> {
        let Key::Rsa(pair) = &self.key else { return Vec::new() };
        let der = rsa_public_der(pair);
        let base64 = STANDARD.encode(&der);
        let lines = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----");
        let jwk = self.public_jwk().map(|jwk| jwk.to_string()).unwrap_or_default();
        vec![format!("{pem}\n").into_bytes(), pem.into_bytes(), der, jwk.into_bytes()]
    }
}

/// Whether `secret` as an HMAC key made `signature`.
pub(super) fn hmac_verifies(secret: &[u8], input: &[u8], signature: &[u8]) -> bool {
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), input, signature).is_ok()
}

/// Whether the key in a JWK made `signature`.
pub(super) fn jwk_verifies(jwk: &Value, input: &[u8], signature: &[u8]) -> bool {
    let member = |name: &str| URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok();
    match jwk.get("kty").and_then(Value::as_str) {
        Some("oct") => member("k").is_some_and(|secret| hmac_verifies(&secret, input, signature)),
        Some("RSA") => member("n").zip(member("e")).is_some_and(|(n, e)| {
            rsa::PublicKeyComponents { n, e }.verify(&signature::RSA_PKCS1_2048_8192_SHA256, input, signature).is_ok()
        }),
        Some("EC") => member("x").zip(member("y")).is_some_and(|(x, y)| {
            let point = [&[4], x.as_slice(), y.as_slice()].concat();
            signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                .verify(input, signature)
                .is_ok()
        }),
        _ => false,
    }
}

/// The integers and octet strings of a DER private key in order, nested ones in place.
fn der_values(mut der: &[u8]) -> Vec<&[u8]> {
    const INTEGER: u8 = 0x02;
    const OCTET_STRING: u8 = 0x04;
    const SEQUENCE: u8 = 0x30;
    let mut values = Vec::new();
    while let [tag, length, rest @ ..] = der {
        // Lengths of 128 and more follow in as many octets as the low bits say (X.690, 8.1.3.5).
        let (length, rest) = match length {
            0..0x80 => (usize::from(*length), rest),
            long => {
                let Some((octets, rest)) = rest.split_at_checked(usize::from(long & 0x7f)) else { break };
                (octets.iter().fold(0_usize, |length, octet| length << 8 | usize::from(*octet)), rest)
            }
        };
        let Some((value, rest)) = rest.split_at_checked(length) else { break };
        match *tag {
            SEQUENCE => values.extend(der_values(value)),
            OCTET_STRING if value.first() == Some(&SEQUENCE) => values.extend(der_values(value)),
            INTEGER | OCTET_STRING => values.push(value),
            _ => {}
        }
        der = rest;
    }
    values
}

/// SubjectPublicKeyInfo (RFC 5280) of an RSA key: what `-----BEGIN PUBLIC KEY-----` holds.
fn rsa_public_der(pair: &RsaKeyPair) -> Vec<u8> {
    /// rsaEncryption with its NULL parameter.
    const ALGORITHM: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    // ring gives the key as RSAPublicKey (RFC 8017 A.1.1), DER already.
    let key = tlv(0x03, &[&[0], pair.public().as_ref()].concat());
    tlv(0x30, &[&ALGORITHM[..], &key].concat())
}

/// A DER value: tag, length, content.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let octets = content.len().to_be_bytes();
    let significant = &octets[octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len() - 1)..];
    let head = match content.len() {
        short @ 0..0x80 => vec![tag, short as u8],
        _ => [&[tag, 0x80 | significant.len() as u8], significant].concat(),
    };
    [&head, content].concat()
}
