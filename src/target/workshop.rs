//! The token workshop: tokens that a right target refuses, each made by hand from the parts of a
//! good one, and good ones where the profile holds the key. Every one is known to the redactor.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::Target;
use super::public_key;
use super::redact::SecretKind;
use super::token::{Parts, Signer, Token, encode};
use crate::model::{Need, NotVerified};

/// `kid` of keys of ours.
pub(super) const OWN_KID: &str = "netra-check";

/// Secrets that tutorials, templates and lists of passwords taught too many services.
const WEAK_SECRETS: &[&str] = &[
    "",
    "secret",
    "password",
    "changeme",
    "jwt-secret",
    "jwt_secret",
    "JWT_SECRET",
    "your-secret-key",
    "your-256-bit-secret",
    "supersecret",
    "dev-secret-key",
    "test-secret-key",
    "secret-key",
    "key",
    "123456",
];

/// A token that a right target refuses, and what was done to it.
#[derive(Clone, Debug)]
pub struct Forged {
    /// In a few words, for steps and reports.
    pub step: String,
    /// The token.
    pub token: Token,
}

/// Makes tokens. Every list is empty for a token that is no JSON Web Token.
#[derive(Clone, Copy, Debug)]
pub struct Workshop<'t> {
    pub(super) target: &'t Target,
}

impl Workshop<'_> {
    fn forged(&self, step: impl Into<String>, text: String) -> Forged {
        Forged { step: step.into(), token: Token::new(self.target.redactor(), SecretKind::ForgedToken, text) }
    }

    /// `good` with one part changed after signing; `other` is a valid token whose signature is borrowed.
    pub fn tampered(&self, good: &Token, other: &Token) -> Vec<Forged> {
        let Some(parts) = Parts::of(good.expose()) else { return Vec::new() };
        let Some((signed, signature)) = good.expose().rsplit_once('.') else { return Vec::new() };
        let Some((header, payload)) = signed.split_once('.') else { return Vec::new() };
        let with_header = encode(&with(&parts.header, "x_netra_check", json!(true)));
        let email = json!("netra-check+tampered@example.invalid");
        let with_email = encode(&with(&parts.claims, "email", email));
        let mut forged = vec![
            self.forged("header with one more member", format!("{with_header}.{payload}.{signature}")),
            self.forged("payload with another e-mail", format!("{header}.{with_email}.{signature}")),
        ];
        let flip = |at: usize| {
            let mut octets = parts.signature.clone();
            // In the decoded octets: in the text the last character may hold bits that do not count.
            *octets.get_mut(at)? ^= 1;
            Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(octets)))
        };
        forged.extend(flip(0).map(|text| self.forged("first octet of the signature", text)));
        let last = parts.signature.len().saturating_sub(1);
        forged.extend(flip(last).map(|text| self.forged("last octet of the signature", text)));
        if let Some((_, borrowed)) = other.expose().rsplit_once('.').filter(|(_, borrowed)| *borrowed != signature) {
            forged.push(self.forged("signature of another token", format!("{signed}.{borrowed}")));
        }
        forged.push(self.forged("empty signature", format!("{signed}.")));
        forged.push(self.forged("absent signature", signed.to_owned()));
        forged
    }

    /// `good` with `alg` none, in three spellings, with and without the trailing dot.
    pub fn unsigned(&self, good: &Token) -> Vec<Forged> {
        let Some(parts) = Parts::of(good.expose()) else { return Vec::new() };
        let spellings = ["none", "None", "nOnE"];
        spellings
            .into_iter()
            .flat_map(|alg| {
                let text = Parts { header: with(&parts.header, "alg", json!(alg)), ..parts.clone() }.signed_text();
                [
                    self.forged(format!("alg {alg}, with trailing dot"), format!("{text}.")),
                    self.forged(format!("alg {alg}, without trailing dot"), text),
                ]
            })
            .collect()
    }

    /// The claims of `good`, signed with keys of our own and with well-known secrets.
    pub fn foreign_key(&self, good: &Token) -> Vec<Forged> {
        let Some(parts) = Parts::of(good.expose()) else { return Vec::new() };
        let own = ("our own secret".to_owned(), Some(Signer::hmac(self.target.own_secret())));
        let pair = ("our own key pair".to_owned(), Signer::foreign());
        let weak = WEAK_SECRETS
            .iter()
            .map(|secret| (format!("the well-known secret `{secret}`"), Some(Signer::hmac(secret.as_bytes()))));
        [own, pair]
            .into_iter()
            .chain(weak)
            .filter_map(|(whose, signer)| {
                Some(self.forged(format!("signed with {whose}"), parts.clone().sign(&signer?)))
            })
            .collect()
    }

    /// The claims of `good`, signed HS256 with the target's public keys as the secret, in every form in which a
    /// library may hold them.
    pub fn algorithm_confusion(&self, good: &Token, jwks: &Value) -> Vec<Forged> {
        let Some(parts) = Parts::of(good.expose()) else { return Vec::new() };
        let keys = jwks.get("keys").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        keys.iter()
            .flat_map(public_key::forms)
            .map(|(form, key)| {
                let step = format!("HS256 keyed with the public key as {form}");
                self.forged(step, parts.clone().sign(&Signer::hmac(&key)))
            })
            .collect()
    }

    /// Headers that name their own key. `listener` is a URL of ours that must never be fetched; only targets on
    /// loopback are told one.
    pub fn header_injection(&self, good: &Token, listener: Option<&str>) -> Vec<Forged> {
        let (Some(parts), Some(pair)) = (Parts::of(good.expose()), Signer::foreign()) else { return Vec::new() };
        let header = |name: &str, value: Value| Parts {
            header: with(&with(&parts.header, "kid", json!(OWN_KID)), name, value),
            ..parts.clone()
        };
        let own = Signer::hmac(self.target.own_secret());
        let empty = Signer::hmac(&[]);
        let mut forged = Vec::new();
        if let Some(jwk) = pair.jwk() {
            forged.push(self.forged("jwk embeds our key", header("jwk", jwk).sign(&pair)));
        }
        for name in ["jku", "x5u"].into_iter().take(if listener.is_some() { 2 } else { 0 }) {
            let text = header(name, json!(listener)).sign(&pair);
            forged.push(self.forged(format!("{name} names our listener"), text));
        }
        let kids = [
            ("kid is the path of an empty file", "../../../../../../../dev/null".to_owned(), &empty),
            ("kid is an absolute path of an empty file", "/dev/null".to_owned(), &empty),
            ("kid with an SQL quote", "x' UNION SELECT 'netra-check' -- ".to_owned(), &own),
            ("kid of 4 KiB", "k".repeat(4_096), &own),
        ];
        for (step, kid, signer) in kids {
            forged.push(self.forged(step, header("kid", json!(kid)).sign(signer)));
        }
        forged
    }

    /// A good token of these claims, signed with the profile's key.
    ///
    /// # Errors
    /// Not verified where the profile holds no key.
    pub fn mint(&self, claims: Map<String, Value>) -> Result<Token, NotVerified> {
        let kid = self.target.profile().credentials.signing_key.as_ref().and_then(|key| key.kid.as_deref());
        let mut header = Map::from_iter([("alg".to_owned(), json!("HS256")), ("typ".to_owned(), json!("JWT"))]);
        header.extend(kid.map(|kid| ("kid".to_owned(), json!(kid))));
        self.sign(SecretKind::AccessToken, Parts { header, claims, signature: Vec::new() })
    }

    fn sign(&self, kind: SecretKind, parts: Parts) -> Result<Token, NotVerified> {
        let signer = self.target.signer().ok_or(NotVerified::Lacks(Need::Sign))?;
        Ok(Token::new(self.target.redactor(), kind, parts.sign(signer)))
    }

    /// Header and claims of `good`, for tokens that are to be signed rightly.
    fn copy_of(&self, good: &Token) -> Result<Parts, NotVerified> {
        let no_token = || NotVerified::NotInContract("access tokens are no JSON Web Tokens".into());
        let mut parts = Parts::of(good.expose()).ok_or_else(no_token)?;
        if let Some(kid) = self.target.profile().credentials.signing_key.as_ref().and_then(|key| key.kid.as_deref()) {
            parts.header.insert("kid".into(), json!(kid));
        }
        Ok(parts)
    }

    /// A copy of `good` with one claim set, or removed by `None`, rightly signed.
    ///
    /// # Errors
    /// Not verified where the profile holds no key.
    pub fn with_claim(&self, good: &Token, claim: &str, value: Option<Value>) -> Result<Token, NotVerified> {
        let mut parts = self.copy_of(good)?;
        match value {
            Some(value) => parts.claims.insert(claim.into(), value),
            None => parts.claims.shift_remove(claim),
        };
        self.sign(SecretKind::AccessToken, parts)
    }

    /// Rightly signed tokens with one wrong claim each; `now` is the target's clock in seconds since 1970.
    ///
    /// # Errors
    /// Not verified where the profile holds no key.
    pub fn wrong_claims(&self, good: &Token, now: f64) -> Result<Vec<Forged>, NotVerified> {
        let rules = self.target.contract().tokens();
        let exp = good.time_claim("exp").unwrap_or(now + 600.0);
        let cases = [
            ("wrong iss", "iss", Some(json!("netra-check-issuer"))),
            ("wrong aud", "aud", Some(json!("netra-check-audience"))),
            ("no aud", "aud", None),
            ("aud of services", "aud", Some(json!(rules.service_audience))),
            ("nbf in the future", "nbf", Some(json!((now + rules.max_leeway_s + 600.0) as i64))),
            ("no exp", "exp", None),
            ("exp as a string", "exp", Some(json!((exp as i64).to_string()))),
            ("no sub", "sub", None),
            ("unknown sub", "sub", Some(json!("netra-check-nobody"))),
        ];
        // What no token bears is no reason to refuse one; a wrong value is, RFC 7519 (4.1.3).
        let is_wrong = |value: &Option<Value>, claim: &str| value.is_some() || !rules.absent.contains(claim);
        cases
            .into_iter()
            .filter(|(_, claim, value)| is_wrong(value, claim))
            .map(|(step, claim, value)| Ok(Forged { step: step.into(), token: self.with_claim(good, claim, value)? }))
            .collect()
    }

    /// A good token with a header member that nobody knows, and one whose `crit` names that member.
    ///
    /// # Errors
    /// Not verified where the profile holds no key.
    pub fn unknown_crit(&self, good: &Token) -> Result<(Token, Token), NotVerified> {
        let mut parts = self.copy_of(good)?;
        parts.header.insert("x-netra-check".into(), json!(true));
        let control = self.sign(SecretKind::AccessToken, parts.clone())?;
        parts.header.insert("crit".into(), json!(["x-netra-check"]));
        Ok((control, self.sign(SecretKind::ForgedToken, parts)?))
    }

    /// A good token and an expired one that differ in `exp` alone. `now` is the target's clock in seconds since
    /// 1970, `leeway` its `clock_leeway_s`.
    ///
    /// # Errors
    /// Not verified where the profile holds no key.
    pub fn expired(&self, good: &Token, now: f64, leeway: f64) -> Result<(Token, Token), NotVerified> {
        let expired_at = (now - leeway - 60.0).floor();
        let mut parts = self.copy_of(good)?;
        // Issued before either end, so that the expired one is odd in nothing else.
        parts.claims.insert("iat".into(), json!((expired_at - 60.0) as i64));
        let at = |exp: f64| Parts { claims: with(&parts.claims, "exp", json!(exp as i64)), ..parts.clone() };
        let control = self.sign(SecretKind::AccessToken, at((now + 600.0).floor()))?;
        Ok((control, self.sign(SecretKind::AccessToken, at(expired_at))?))
    }

    /// A copy of `good` that expires `ttl` seconds after `now`, the target's clock.
    ///
    /// # Errors
    /// Not verified where the profile holds no key.
    pub fn short_lived(&self, good: &Token, now: f64, ttl: f64) -> Result<Token, NotVerified> {
        self.with_claim(good, "exp", Some(json!((now + ttl).ceil() as i64)))
    }
}

fn with(members: &Map<String, Value>, name: &str, value: Value) -> Map<String, Value> {
    let mut members = members.clone();
    members.insert(name.to_owned(), value);
    members
}
