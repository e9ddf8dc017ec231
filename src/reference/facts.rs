//! What is known about a reference from outside: enough to write a profile that points at it.

use super::id::secret;
use super::{Addresses, Algorithm, Conduct};
use crate::wire::Endpoint;

/// What is known about a reference from outside; a pure function of conduct and addresses.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Where its services are.
    pub urls: Addresses,
    /// Key of the e2e login.
    pub bypass_key: String,
    /// Key that signs its tokens.
    pub signing_key: SigningKey,
    /// `X-Service-ID` of the backend.
    pub service_id: String,
    /// `X-Service-Secret` of the backend.
    pub service_secret: String,
    /// Domain of test users.
    pub user_domain: String,
    /// Its contract has no logins for tests.
    pub passwords_only: bool,
    /// The seeded users, one in each state, in the order of [`UserState::ALL`]; then, where the contract has no logins
    /// for tests, more that are active.
    pub users: Vec<PasswordUser>,
    /// OAuth providers that are configured.
    pub providers: Vec<String>,
}

/// The key that signs tokens.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// How it signs.
    pub algorithm: Algorithm,
    /// The shared secret (HS256), else the private key as PEM (PKCS #8).
    pub key: String,
    /// `kid` in the header of each token.
    pub kid: String,
}

/// A seeded user.
#[derive(Clone, Debug)]
pub struct PasswordUser {
    /// The state it is in.
    pub state: UserState,
    /// Its id: `sub` of its tokens.
    pub id: String,
    /// Its address.
    pub email: String,
    /// Its password; the OAuth-only user's opens nothing.
    pub password: String,
}

/// States of seeded users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each name says the state")]
pub enum UserState {
    Active,
    SecondActive,
    Admin,
    ReadOnly,
    Unverified,
    Disabled,
    ExpiredSession,
    RevokedSession,
    RateLimited,
    OauthOnly,
}

impl UserState {
    /// All states, in order.
    pub const ALL: [Self; 10] = [
        Self::Active,
        Self::SecondActive,
        Self::Admin,
        Self::ReadOnly,
        Self::Unverified,
        Self::Disabled,
        Self::ExpiredSession,
        Self::RevokedSession,
        Self::RateLimited,
        Self::OauthOnly,
    ];

    /// Its word in profiles and addresses.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::SecondActive => "second-active",
            Self::Admin => "admin",
            Self::ReadOnly => "read-only",
            Self::Unverified => "unverified",
            Self::Disabled => "disabled",
            Self::ExpiredSession => "expired-session",
            Self::RevokedSession => "revoked-session",
            Self::RateLimited => "rate-limited",
            Self::OauthOnly => "oauth-only",
        }
    }
}

/// Users with passwords of a reference that has no logins for tests.
pub(super) const CROWD: usize = 48;

/// OAuth providers, served by the reference itself.
pub(super) const PROVIDERS: [&str; 5] = ["google", "github", "microsoft", "okta", "gitlab"];

/// Key pairs are not derived from the seed: they are printed here for everyone, and nothing but a
/// reference may trust them.
const RS256_PEM: &str = include_str!("keys/rs256.pem");
const ES256_PEM: &str = include_str!("keys/es256.pem");

impl Facts {
    /// The facts of a reference of this conduct at these addresses.
    pub fn new(conduct: &Conduct, urls: Addresses) -> Self {
        let seed = conduct.seed;
        let domain = "netra.example";
        let user = |state: UserState, name: &str| {
            let email = format!("{name}@{domain}");
            let password = secret(seed, &format!("password/{name}"));
            PasswordUser { state, id: user_id(conduct, &email), email, password }
        };
        let passwords_only = conduct.contract.endpoint(Endpoint::E2eLogin).is_none();
        let crowd = if passwords_only { CROWD } else { 0 };
        let named = UserState::ALL.into_iter().map(|state| user(state, state.slug()));
        let users = named.chain((1..=crowd).map(|number| user(UserState::Active, &format!("user-{number}")))).collect();
        let key = match conduct.algorithm {
            Algorithm::Hs256 => secret(seed, "signing-key"),
            Algorithm::Rs256 => RS256_PEM.to_owned(),
            Algorithm::Es256 => ES256_PEM.to_owned(),
        };
        Self {
            urls,
            bypass_key: secret(seed, "bypass-key"),
            signing_key: SigningKey {
                algorithm: conduct.algorithm,
                key,
                kid: format!("netra-{}", conduct.algorithm.name().to_lowercase()),
            },
            service_id: "netra-backend".into(),
            service_secret: secret(seed, "service-secret"),
            user_domain: domain.into(),
            passwords_only,
            users,
            providers: PROVIDERS.map(str::to_owned).to_vec(),
        }
    }
}

/// The id of the user with this address, whenever it first logs in.
pub(super) fn user_id(conduct: &Conduct, email: &str) -> String {
    super::id::Ids::new(conduct.seed, conduct.odd_ids()).nth("user", email, 0)
}
