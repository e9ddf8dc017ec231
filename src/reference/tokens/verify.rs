//! The sequence of steps by which a token is judged. Each `tokens` switch switches one step off.

use std::collections::BTreeSet;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use url::Url;

use super::keyring::{hmac_verifies, jwk_verifies};
use super::{Claims, Refusal, TokenType, Tokens, Unborne, decode, unix_now};

/// Secrets that guessers try first.
const WEAK_SECRETS: [&str; 12] = [
    "",
    "secret",
    "password",
    "changeme",
    "your-256-bit-secret",
    "your-secret-key",
    "jwt_secret",
    "supersecret",
    "test",
    "key",
    "admin",
    "123456",
];

type Object = Map<String, Value>;

impl Tokens {
    /// Judges a token by itself: header, signature, claims. Whether its user is known and its
    /// family lives is the auth service's to say.
    pub(in crate::reference) fn check(&self, token: &str, expected: TokenType) -> Result<Claims, Refusal> {
        let (input, signature) = match token.split('.').collect::<Vec<_>>()[..] {
            [header, claims, signature] => (format!("{header}.{claims}"), signature),
            // Two parts never pass a signature check; only misconduct makes something of them.
            [header, claims] => (format!("{header}.{claims}"), ""),
            _ => return Err(Refusal::Invalid),
        };
        let (header, claims) = input.split_once('.').ok_or(Refusal::Invalid)?;
        let header = decode(header).ok_or(Refusal::Invalid)?;
        let claims = decode(claims).ok_or(Refusal::Invalid)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refusal::Invalid)?;
        if self.policy.kid_crash.on() && text(&header, "kid").is_some_and(|kid| kid.contains('\'') || kid.len() > 1000)
        {
            return Err(Refusal::Crash);
        }
        // No extension is understood here, so whatever is critical is unknown (RFC 7515 4.1.11).
        if header.contains_key("crit") && !self.policy.ignore_crit.on() {
            return Err(Refusal::Invalid);
        }
        if !self.is_genuine(&header, input.as_bytes(), &signature) {
            return Err(Refusal::Invalid);
        }
        let claims = self.check_claims(&claims, expected)?;
        let Unborne { sid, jti } = self.unborne().get(token).cloned().unwrap_or_default();
        Ok(Claims { sid: claims.sid.or(sid), jti: claims.jti.or(jti), ..claims })
    }

    /// The URL from which a token wants its key to be fetched, if this service follows it.
    pub(in crate::reference) fn key_url(&self, token: &str) -> Option<Url> {
        if !self.policy.fetches_jku.on() {
            return None;
        }
        let header = decode(token.split('.').next()?)?;
        Url::parse(text(&header, "jku").or_else(|| text(&header, "x5u"))?).ok()
    }

    fn is_genuine(&self, header: &Object, input: &[u8], signature: &[u8]) -> bool {
        let policy = &self.policy;
        let algorithm = text(header, "alg").unwrap_or_default();
        let kid = text(header, "kid");
        let is_own_algorithm = algorithm == self.keyring.algorithm.name();
        // One key, so a `kid` selects it or nothing.
        let is_own_key = kid.is_none_or(|kid| kid == self.keyring.kid) && (kid.is_some() == header.contains_key("kid"));
        let is_hmac = algorithm == "HS256";
        (is_own_algorithm && is_own_key && self.keyring.verifies(input, signature))
            || (policy.skip_signature.on() && is_own_algorithm && !signature.is_empty())
            || (policy.accept_empty_signature.on() && signature.is_empty() && is_own_algorithm)
            || (policy.accept_alg_none.on() && algorithm.eq_ignore_ascii_case("none"))
            || (policy.accept_foreign_key.on() && is_own_algorithm && signature.len() == self.keyring.signature_len())
            || (policy.accept_weak_secret.on()
                && is_hmac
                && WEAK_SECRETS.iter().any(|secret| hmac_verifies(secret.as_bytes(), input, signature)))
            || (policy.alg_confusion.on()
                && is_hmac
                && self.keyring.public_as_secrets().iter().any(|secret| hmac_verifies(secret, input, signature)))
            || (policy.honour_embedded_jwk.on()
                && header.get("jwk").is_some_and(|jwk| jwk_verifies(jwk, input, signature)))
            || (policy.kid_selects_empty_key.on()
                && is_hmac
                && kid.and_then(key_file).is_some_and(|key| hmac_verifies(&key, input, signature)))
    }

    fn check_claims(&self, claims: &Object, expected: TokenType) -> Result<Claims, Refusal> {
        let policy = &self.policy;
        let told = self.rules.type_claims.iter().map(|claim| text(claims, claim)).collect::<BTreeSet<_>>();
        let token_type = match Vec::from_iter(told).as_slice() {
            [Some("access")] => TokenType::Access,
            [Some("refresh")] => TokenType::Refresh,
            [Some("service")] => TokenType::Service,
            _ => return Err(Refusal::Invalid),
        };
        let passes_as_access = match token_type {
            TokenType::Access => false,
            TokenType::Refresh => policy.accept_refresh_token.on(),
            TokenType::Service => policy.accept_service_token.on(),
        };
        if token_type != expected && !(expected == TokenType::Access && passes_as_access) {
            return Err(Refusal::Invalid);
        }
        if text(claims, "iss") != Some(&self.rules.issuer) && !policy.ignore_iss.on() {
            return Err(Refusal::Invalid);
        }
        let audience = match token_type {
            TokenType::Service => &self.rules.service_audience,
            TokenType::Access | TokenType::Refresh => &self.rules.audience,
        };
        let is_for_us = match claims.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(audience)),
            None if self.rules.absent.contains("aud") => true,
            _ => false,
        };
        if !is_for_us && !policy.ignore_aud.on() {
            return Err(Refusal::Invalid);
        }
        let now = OffsetDateTime::now_utc().unix_timestamp_nanos() as f64 / 1e9;
        let leeway = self.leeway.as_secs_f64();
        let begins = claims.get("nbf").map_or(Some(0.0), Value::as_f64);
        if begins.is_none_or(|begins| begins > now + leeway) && !policy.ignore_nbf.on() {
            return Err(Refusal::Invalid);
        }
        let exp = match claims.get("exp") {
            Some(Value::Number(exp)) => exp.as_f64(),
            Some(Value::String(exp)) if policy.accept_string_exp.on() => exp.parse().ok(),
            None if policy.accept_no_exp.on() => Some(now + 900.0),
            _ => None,
        }
        .ok_or(Refusal::Invalid)?;
        if now > exp + leeway && !policy.accept_expired.on() {
            return Err(if policy.expired_called_invalid.on() { Refusal::Invalid } else { Refusal::Expired });
        }
        let owned = |name| text(claims, name).map(str::to_owned);
        Ok(Claims {
            token_type,
            sub: owned("sub"),
            sid: owned("sid"),
            jti: owned("jti"),
            iat: claims.get("iat").and_then(Value::as_i64).unwrap_or_else(unix_now),
            exp: exp as i64,
            email: owned("email"),
            permissions: claims
                .get("permissions")
                .and_then(Value::as_array)
                .map(|permissions| permissions.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        })
    }
}

fn text<'a>(object: &'a Object, member: &str) -> Option<&'a str> {
    object.get(member)?.as_str()
}

/// The beginning of the file that a misguided service takes for the key called `kid`.
fn key_file(kid: &str) -> Option<Vec<u8>> {
    let mut key = Vec::new();
    std::fs::File::open(kid).ok()?.take(4096).read_to_end(&mut key).ok()?;
    Some(key)
}
