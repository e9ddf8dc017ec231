//! The profile as the rest of the program sees it: every layer merged, every variable filled in,
//! every value checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::places::Places;
use crate::model::{Effect, GateRules, Need, Origin, Trigger};

/// A string that no `Debug`, `Display` or serialiser prints, and that is wiped when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(SecretString::from(secret.into()))
    }

    /// The secret itself, for the place that sends it or searches for it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("«secret»")
    }
}

/// Everything that is known about an environment before it is asked.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Name of the profile: its file's stem.
    pub name: String,
    /// Name of a built-in contract, or path of a contract file.
    pub contract: String,
    /// What kind of environment it is.
    pub environment: Environment,
    /// Where its services are.
    pub urls: Urls,
    /// Headers added to every request and upgrade (identity-aware proxies).
    pub headers: BTreeMap<String, Secret>,
    /// How TLS is verified.
    pub tls: Tls,
    /// HTTP CONNECT proxy, if any.
    pub proxy: Option<Proxy>,
    /// `host` or `host:port` → address, instead of DNS.
    pub resolve: BTreeMap<String, std::net::IpAddr>,
    /// How hard the target may be pushed.
    pub pace: Pace,
    /// How a login is made.
    pub credentials: Credentials,
    /// Service credentials of `/auth/validate`.
    pub service: Option<Service>,
    /// What is known about users.
    pub users: Users,
    /// The suite that runs when none is asked for: `smoke`, `full` or a name of [`Self::suites`].
    pub suite: String,
    /// The profile's own suites: name → globs of check ids.
    pub suites: BTreeMap<String, Vec<String>>,
    /// Effects that are allowed.
    pub allow: BTreeSet<Effect>,
    /// How situations are provoked.
    pub triggers: BTreeMap<Trigger, TriggerSpec>,
    /// Prompts for `lifecycle/every-prompt-conforms`.
    pub prompts: Vec<String>,
    /// Time windows of the contract, narrowed or widened.
    pub thresholds: Thresholds,
    /// Deadlines and floors of the checker.
    pub limits: Limits,
    /// What must be true before the checks begin.
    pub ready: Ready,
    /// What `independence` needs.
    pub independence: Independence,
    /// Command of a browser for the checks that need one.
    pub browser: Option<Vec<String>>,
    /// What the exit code insists on.
    pub gate: GateSettings,
    /// Requests and upgrades carry `User-Agent`, `X-Netra-Check` and `traceparent`.
    pub correlation: bool,
    /// Where its values were written.
    pub places: Places,
}

/// What kind of environment it is; `production` allows effect `read` only, unless `allow` is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each name is the profile's word")]
pub enum Environment {
    Development,
    Test,
    Staging,
    Production,
}

impl Environment {
    /// Its word, also the tag of tokens that bear one.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Test => "test",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// Base URLs, without a trailing slash.
#[derive(Clone, Debug)]
pub struct Urls {
    /// Auth service.
    pub auth: Url,
    /// Backend REST.
    pub backend: Url,
    /// The WebSocket endpoint itself, `ws` or `wss`.
    pub websocket: Url,
    /// Web application, where there is one.
    pub frontend: Option<Url>,
}

impl Urls {
    /// Base URL of `origin`.
    pub const fn of(&self, origin: Origin) -> Option<&Url> {
        match origin {
            Origin::Auth => Some(&self.auth),
            Origin::Backend => Some(&self.backend),
            Origin::Frontend => self.frontend.as_ref(),
        }
    }
}

/// How TLS is verified.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// PEM file of additional trusted authorities.
    pub ca_file: Option<PathBuf>,
    /// PEM files of the client certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// TLS 1.3 only.
    pub require_tls13: bool,
}

/// An HTTP CONNECT proxy.
#[derive(Clone)]
pub struct Proxy {
    /// `http://host:port`, perhaps with user information.
    pub url: Url,
    /// What is asked directly, one item each: hosts, domains with all below them, `HOST:PORT`, addresses, networks
    /// (`10.0.0.0/8`), `*`.
    pub except: Vec<String>,
}

impl fmt::Debug for Proxy {
    // Its URL may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("host", &self.url.host_str()).field("except", &self.except).finish()
    }
}

/// How hard the target may be pushed; 0 means no bound.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Checks side by side.
    pub jobs: usize,
    /// Open connections.
    pub connections: usize,
    /// HTTP requests and upgrades a second.
    pub requests_per_s: u32,
    /// Open sockets of one user. With a bound, its sockets and messages keep to half of what `/ws/config` permits, too.
    pub sockets_per_user: usize,
}

/// How a login is made.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The way to a token set.
    pub method: Method,
    /// Key for `/auth/e2e/test-auth`.
    pub bypass_key: Option<Secret>,
    /// Key that signs access tokens.
    pub signing_key: Option<SigningKey>,
    /// Users for password logins.
    pub users: Vec<PasswordUser>,
    /// The only account on which wrong passwords are tried.
    pub wrong_password_user: Option<String>,
    /// Ready-made tokens.
    pub tokens: Vec<TokenPair>,
    /// A user whose logins live seconds.
    pub short_login: Option<PasswordUser>,
}

/// The way to a token set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// POST `/auth/e2e/test-auth` with the bypass key.
    E2eBypass,
    /// POST `/auth/login`.
    Password,
    /// POST `/auth/dev/login`.
    DevLogin,
    /// Tokens are signed here.
    SigningKey,
    /// Tokens are given in the profile.
    Tokens,
}

impl Method {
    /// The profile's word.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::E2eBypass => "e2e-bypass",
            Self::Password => "password",
            Self::DevLogin => "dev-login",
            Self::SigningKey => "signing-key",
            Self::Tokens => "tokens",
        }
    }
}

/// A key that signs access tokens.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// `HS256`; `RS256` and `ES256` take a PEM private key.
    pub algorithm: String,
    /// The shared secret or the PEM text.
    pub key: Secret,
    /// `kid` header, where the service selects among keys.
    pub kid: Option<String>,
    /// Subjects of users that exist in the environment, as `sub → email`.
    pub subjects: Vec<(String, String)>,
}

/// A user with a password.
#[derive(Clone, Debug)]
pub struct PasswordUser {
    /// Address.
    pub email: String,
    /// Password.
    pub password: Secret,
}

/// Ready-made tokens of one user.
#[derive(Clone, Debug)]
pub struct TokenPair {
    /// Access token.
    pub access: Secret,
    /// Refresh token.
    pub refresh: Option<Secret>,
}

/// Service credentials.
#[derive(Clone, Debug)]
pub struct Service {
    /// `X-Service-ID`.
    pub id: String,
    /// `X-Service-Secret`.
    pub secret: Secret,
}

/// What is known about users.
#[derive(Clone, Debug)]
pub struct Users {
    /// Domain of the test users.
    pub domain: String,
    /// Address of the test user of number `{n}`, the domain filled in.
    pub email: String,
    /// How many of them may be used, 1 to 50.
    pub count: usize,
    /// Users in a special state: state → credentials.
    pub states: BTreeMap<String, PasswordUser>,
    /// OAuth providers that are configured.
    pub oauth_providers: Vec<String>,
    /// Their consent needs no person.
    pub oauth_automatic: bool,
}

/// How a situation is provoked.
#[derive(Clone, Debug)]
pub enum TriggerSpec {
    /// A message that brings it about.
    Prompt {
        /// The user message.
        content: String,
        /// The agent to start, else the default one.
        agent_name: Option<String>,
        /// The run lasts at least so long.
        min_duration: Option<Duration>,
        /// The failure shows within this time.
        fails_within: Option<Duration>,
        /// The run shows at least so many events.
        events_at_least: Option<u32>,
    },
    /// A service that is taken down and brought up again.
    Outage {
        /// Takes it down.
        down: Action,
        /// Brings it up.
        up: Action,
    },
}

/// Something done to the environment from outside.
#[derive(Clone, Debug)]
pub enum Action {
    /// POST to this URL.
    Request(Url),
    /// A command: program and arguments, no shell.
    Command(Vec<String>),
}

/// Time windows (contract, sections 5 to 7).
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// Direct answers.
    pub reply: Duration,
    /// `connection_established` after 101.
    pub welcome: Duration,
    /// Fast layer.
    pub fast: Duration,
    /// Medium layer.
    pub medium: Duration,
    /// First `partial_result`.
    pub first_content: Duration,
    /// A whole run.
    pub run: Duration,
    /// `agent_error` after the request.
    pub agent_error: Duration,
    /// Last event after `stop_agent`.
    pub stop: Duration,
    /// Connect to first replayed frame, 95 %.
    pub restore: Duration,
}

/// Deadlines and floors of the checker.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// One check, without waiting for its turn.
    pub check: Duration,
    /// The whole run.
    pub run: Duration,
    /// Connecting, TLS included.
    pub connect: Duration,
    /// One HTTP answer.
    pub request: Duration,
    /// Reads after writes are polled so long.
    pub settle: Duration,
    /// Floor of a short token's life.
    pub short_token: Duration,
    /// New connections over which a fact that must hold on every replica is repeated.
    pub fresh_connections: usize,
    /// Malformed octets reach the target unrepaired.
    pub raw_frames: bool,
}

/// What must be true before the checks begin.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Shared budget of all steps; zero tries each once.
    pub within: Duration,
    /// Samples of health and revision, each over a new connection, that must agree.
    pub samples: usize,
    /// Where the revision is told, and which is expected.
    pub revision: Revision,
}

/// The revision of what is deployed.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Asked for it, instead of the health of each service.
    pub url: Option<Url>,
    /// Where the answer tells it.
    pub place: RevisionPlace,
    /// The one that must be deployed.
    pub expect: Option<String>,
}

/// Where an answer tells the revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevisionPlace {
    /// The contract's `version` of a health answer.
    Version,
    /// A JSON pointer into its body.
    Pointer(String),
    /// One of its headers.
    Header(String),
}

/// What `independence` needs.
#[derive(Clone, Debug)]
pub struct Independence {
    /// Command of the auth service; `{auth_port}` is filled in.
    pub launch_auth: Option<Vec<String>>,
    /// Command of the backend; `{backend_port}` and `{auth_url}` are filled in.
    pub launch_backend: Option<Vec<String>>,
    /// The auth service is healthy within this time.
    pub start: Duration,
    /// Source tree of the auth service.
    pub source: Option<PathBuf>,
    /// Packages of the main application that it may not import.
    pub forbidden_packages: Vec<String>,
    /// DSN of the auth service's database.
    pub auth_database: Option<Secret>,
    /// DSN of the backend's database.
    pub backend_database: Option<Secret>,
}

/// What the exit code insists on.
#[derive(Clone, Debug)]
pub struct GateSettings {
    /// Globs of the checks that must be judged; empty: those that declare it.
    pub required: Vec<String>,
    /// Which checks gate, and on what the gate insists beside their deviations.
    pub rules: GateRules,
    /// `handshake/foreign-origin-refused` is a SHOULD (the profile's `origin: should`).
    pub origin_should: bool,
}

impl Profile {
    /// Whether the profile supplies `need`. What only the target can tell (asymmetric keys) is
    /// asked of the target.
    pub fn supplies(&self, need: Need) -> bool {
        let credentials = &self.credentials;
        match need {
            Need::Sign => credentials.signing_key.is_some(),
            Need::Short => {
                credentials.signing_key.is_some()
                    || credentials.bypass_key.is_some()
                    || credentials.short_login.is_some()
            }
            Need::Service => self.service.is_some(),
            Need::TwoUsers => self.user_count() >= 2,
            Need::Password => !credentials.users.is_empty() && credentials.wrong_password_user.is_some(),
            Need::OAuth => !self.users.oauth_providers.is_empty(),
            Need::OAuthAuto => !self.users.oauth_providers.is_empty() && self.users.oauth_automatic,
            Need::States => !self.users.states.is_empty(),
            Need::Prompts => !self.prompts.is_empty(),
            Need::Trigger(trigger) => self.triggers.contains_key(&trigger),
            Need::Raw => self.limits.raw_frames,
            Need::Tls => {
                self.urls.websocket.scheme() == "wss"
                    && Origin::ALL
                        .into_iter()
                        .filter_map(|origin| self.urls.of(origin))
                        .all(|url| url.scheme() == "https")
            }
            Need::Jwks => true,
            Need::Frontend => self.urls.frontend.is_some(),
            Need::Browser => self.browser.is_some(),
            Need::Launch => self.independence.launch_auth.is_some() && self.independence.launch_backend.is_some(),
            Need::Source => self.independence.source.is_some(),
            Need::Databases => {
                self.independence.auth_database.is_some() && self.independence.backend_database.is_some()
            }
        }
    }

    /// How many distinct users its credentials give.
    pub fn user_count(&self) -> usize {
        match self.credentials.method {
            Method::E2eBypass => self.users.count,
            Method::Password => self.credentials.users.len(),
            Method::DevLogin => 1,
            Method::SigningKey => self.credentials.signing_key.as_ref().map_or(0, |key| key.subjects.len()),
            Method::Tokens => self.credentials.tokens.len(),
        }
    }
}
