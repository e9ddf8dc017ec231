//! Tokens: issued, and judged step by step (RFC 7519, 7515, 8725; contract, section 2).

mod keyring;
mod verify;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::policy::TokenPolicy;
use super::{Conduct, Facts, ServeError};
use crate::wire::{ErrorCode, TokenRules};
use keyring::Keyring;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenType {
    Access,
    Refresh,
    Service,
}

impl TokenType {
    const fn slug(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Service => "service",
        }
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Claims {
    /// What it is for.
    pub(super) token_type: TokenType,
    /// `sub`: whose it is.
    pub(super) sub: Option<String>,
    /// `sid`: its family.
    pub(super) sid: Option<String>,
    /// `jti`: its own id.
    pub(super) jti: Option<String>,
    /// `iat`, seconds since 1970.
    pub(super) iat: i64,
    /// `exp`, seconds since 1970.
    pub(super) exp: i64,
    /// `email` of the user.
    pub(super) email: Option<String>,
    /// `permissions`.
    pub(super) permissions: Option<Vec<String>>,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Past its expiry, otherwise right.
    Expired,
    /// Anything else about the token itself.
    Invalid,
    /// Its family was revoked.
    Revoked,
    /// Judging it failed.
    Crash,
}

impl Refusal {
    /// The contract's word for it.
    pub(super) const fn code(self) -> ErrorCode {
        match self {
            Self::Expired => ErrorCode::TokenExpired,
            Self::Invalid => ErrorCode::TokenInvalid,
            Self::Revoked => ErrorCode::TokenRevoked,
            Self::Crash => ErrorCode::Internal,
        }
    }
}

/// Claims that are known of a token and that it does not bear.
#[derive(Clone, Debug, Default)]
struct Unborne {
    sid: Option<String>,
    jti: Option<String>,
}

/// Issues and judges tokens.
pub(super) struct Tokens {
    keyring: Keyring,
    rules: TokenRules,
    policy: TokenPolicy,
    leeway: Duration,
    unknown_claims: bool,
    leaks_private: bool,
    env: &'static str,
    /// `sid` and `jti` of tokens that do not bear them, where the contract has them so.
    unborne: Mutex<HashMap<String, Unborne>>,
}

impl Tokens {
    /// With the key of `facts`.
    ///
    /// # Errors
    /// [`ServeError::SigningKey`] when it is no key.
    pub(super) fn new(conduct: &Conduct, facts: &Facts) -> Result<Self, ServeError> {
        Ok(Self {
            keyring: Keyring::new(&facts.signing_key)?,
            rules: conduct.contract.tokens().clone(),
            policy: conduct.policy.tokens,
            leeway: conduct.clock_leeway(),
            unknown_claims: conduct.policy.permitted.unknown_claims.on(),
            leaks_private: conduct.policy.http.jwks_leaks_private.on(),
            env: if conduct.production { "production" } else { "test" },
            unborne: Mutex::default(),
        })
    }

    /// Signs a token that says `claims`.
    ///
    /// # Errors
    /// [`ServeError::SigningKey`] when the system has no random numbers.
    pub(super) fn issue(&self, claims: &Claims) -> Result<String, ServeError> {
        let audience = match claims.token_type {
            TokenType::Service => &self.rules.service_audience,
            _ => &self.rules.audience,
        };
        let mut header = json!({"alg": self.keyring.algorithm.name(), "typ": "JWT", "kid": self.keyring.kid});
        let mut body = json!({
            "sub": claims.sub, "sid": claims.sid, "iat": claims.iat, "exp": claims.exp, "jti": claims.jti,
            "iss": self.rules.issuer, "aud": audience, "email": claims.email, "permissions": claims.permissions, "env": self.env,
        });
        if let Value::Object(members) = &mut body {
            let types = self.rules.type_claims.iter();
            members.extend(types.map(|claim| (claim.clone(), claims.token_type.slug().into())));
        }
        for part in [&mut header, &mut body] {
            let Value::Object(members) = part else { continue };
            members.retain(|name, member| !member.is_null() && !self.rules.absent.contains(name));
            if self.unknown_claims {
                *members = std::mem::take(members).into_iter().rev().collect();
                members.insert("x_revision".into(), Value::from(3));
                members.insert("x_regions".into(), json!(["eu-central", "eu-west"]));
            }
        }
        if self.rules.absent.contains("jti")
            && let Value::Object(members) = &mut body
        {
            // Else two of one second would be the same.
            members.insert("x_nonce".into(), json!(claims.jti));
        }
        let input = format!("{}.{}", encode(&header), encode(&body));
        let signature = URL_SAFE_NO_PAD.encode(self.keyring.sign(input.as_bytes())?);
        let token = format!("{input}.{signature}");
        if !self.rules.absent.is_empty() {
            let unborne = Unborne { sid: claims.sid.clone(), jti: claims.jti.clone() };
            self.unborne().insert(token.clone(), unborne);
        }
        Ok(token)
    }

    fn unborne(&self) -> MutexGuard<'_, HashMap<String, Unborne>> {
        self.unborne.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The public keys (RFC 7517); `None` when tokens are signed with a shared secret.
    pub(super) fn jwks(&self) -> Option<Value> {
        let mut jwk = self.keyring.public_jwk()?;
        if let (true, Value::Object(members)) = (self.leaks_private, &mut jwk) {
            members.extend(self.keyring.private_members().into_iter().map(|(name, value)| (name.into(), value.into())));
        }
        Some(json!({"keys": [jwk]}))
    }
}

/// The present as tokens tell time.
pub(super) fn unix_now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

fn decode(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests;
