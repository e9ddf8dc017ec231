//! The profile's shape, one struct a mapping. Its JSON Schema is generated from here, so the
//! comments are what an editor shows.
//!
//! Every key is optional: a file is one layer, and only all layers together must be complete. No
//! `flatten`, no `untagged`, no optional struct: each would turn a precise complaint into "matches
//! none of the alternatives".

mod numbers;
mod values;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use numbers::{RawLimits, RawPace, RawThresholds};
pub(super) use values::{RawAction, RawSecret};

/// What is known about an environment before it is asked: one layer of a profile.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Profile")]
pub(super) struct RawProfile {
    /// The profile below this one: a name, or a path relative to this file. The lowest is always `default`.
    pub(super) inherits: Option<String>,
    /// What the environment promises on the wire: a built-in contract, or the path of a contract file.
    pub(super) contract: Option<String>,
    /// What kind of environment it is.
    pub(super) environment: Option<RawEnvironment>,
    /// Where its services are.
    pub(super) urls: RawUrls,
    /// Headers added to every request and upgrade, for identity-aware proxies.
    pub(super) headers: BTreeMap<String, RawSecret>,
    /// How TLS is verified.
    pub(super) tls: RawTls,
    /// HTTP CONNECT proxy.
    pub(super) proxy: RawProxy,
    /// `host` or `host:port` → IP address, instead of DNS.
    pub(super) resolve: BTreeMap<String, String>,
    /// How hard the target may be pushed; 0 means no bound.
    pub(super) pace: RawPace,
    /// How a login is made.
    pub(super) credentials: RawCredentials,
    /// Service credentials for `/auth/validate`.
    pub(super) service: RawService,
    /// What is known about users.
    pub(super) users: RawUsers,
    /// The suite that runs when none is asked for: `smoke`, `full`, or one of `suites`.
    pub(super) suite: Option<String>,
    /// Own suites: name → globs of check ids.
    pub(super) suites: BTreeMap<String, Vec<String>>,
    /// Effects that checks may have. Without it: `read` in production, else `read`, `create` and `revoke`.
    pub(super) allow: Option<Vec<RawEffect>>,
    /// How situations are provoked.
    pub(super) triggers: RawTriggers,
    /// Prompts for `lifecycle/every-prompt-conforms`.
    pub(super) prompts: Vec<String>,
    /// Time windows of the contract, in seconds.
    pub(super) thresholds: RawThresholds,
    /// Deadlines and floors of the checker.
    pub(super) limits: RawLimits,
    /// What must be true before the checks begin.
    pub(super) ready: RawReady,
    /// What the scenario `independence` needs.
    pub(super) independence: RawIndependence,
    /// A browser, for the checks that need one.
    pub(super) browser: RawBrowser,
    /// What the exit code insists on.
    pub(super) gate: RawGate,
    /// `false`: requests and upgrades carry no `User-Agent`, `X-Netra-Check` and `traceparent`.
    pub(super) correlation: Option<bool>,
    /// Whether `handshake/foreign-origin-refused` is a MUST or a SHOULD here.
    pub(super) origin: Option<RawBinding>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(super) enum RawEnvironment {
    Development,
    Test,
    Staging,
    Production,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(super) enum RawMethod {
    E2eBypass,
    Password,
    DevLogin,
    SigningKey,
    Tokens,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(super) enum RawEffect {
    Read,
    Create,
    Revoke,
    Quota,
    Disrupt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(super) enum RawConsent {
    Manual,
    Automatic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(super) enum RawBinding {
    Must,
    Should,
}

/// Base URLs of the environment's origins.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawUrls {
    /// Auth service, `http` or `https`.
    pub(super) auth: Option<String>,
    /// Backend REST, `http` or `https`.
    pub(super) backend: Option<String>,
    /// The WebSocket endpoint itself, `ws` or `wss`.
    pub(super) websocket: Option<String>,
    /// Web application, where there is one.
    pub(super) frontend: Option<String>,
}

/// How TLS is verified.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTls {
    /// PEM file of additional trusted authorities, relative to this file.
    pub(super) ca_file: Option<String>,
    /// PEM file of the client certificate.
    pub(super) client_cert_file: Option<String>,
    /// PEM file of the client certificate's key.
    pub(super) client_key_file: Option<String>,
    /// TLS 1.3 only.
    pub(super) require_tls13: Option<bool>,
}

/// HTTP CONNECT proxy.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawProxy {
    /// `http://host:port`, perhaps with user information, and so a secret.
    pub(super) url: Option<RawSecret>,
    /// Asked directly: hosts, domains with all below them, `HOST:PORT`, addresses, networks (`10.0.0.0/8`), `*`.
    /// An item may hold several, parted by commas, as `NO_PROXY` does.
    pub(super) except: Vec<String>,
}

/// How a login is made.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawCredentials {
    /// The way to a token set.
    pub(super) method: Option<RawMethod>,
    /// Key for `/auth/e2e/test-auth`.
    pub(super) bypass_key: Option<RawSecret>,
    /// Key that signs access tokens.
    pub(super) signing_key: RawSigningKey,
    /// Users for password logins.
    pub(super) users: Vec<RawLogin>,
    /// The only account on which wrong passwords are tried.
    pub(super) wrong_password_user: Option<String>,
    /// Ready-made tokens, one entry a user.
    pub(super) tokens: Vec<RawTokens>,
    /// A user whose logins live seconds.
    pub(super) short_login: RawLogin,
}

/// Key that signs access tokens.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSigningKey {
    /// `HS256`.
    pub(super) algorithm: Option<String>,
    /// The shared secret.
    pub(super) key: Option<RawSecret>,
    /// `kid` header, where the service selects among keys.
    pub(super) kid: Option<String>,
    /// Users that exist in the environment.
    pub(super) subjects: Vec<RawSubject>,
}

/// A user that exists in the environment.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSubject {
    /// The claim `sub` of its tokens.
    pub(super) sub: Option<String>,
    /// Its address.
    pub(super) email: Option<String>,
}

/// A user with a password.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLogin {
    /// Its address.
    pub(super) email: Option<String>,
    /// Its password.
    pub(super) password: Option<RawSecret>,
}

/// Ready-made tokens of one user.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTokens {
    /// Access token.
    pub(super) access: Option<RawSecret>,
    /// Refresh token.
    pub(super) refresh: Option<RawSecret>,
}

/// Service credentials for `/auth/validate`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawService {
    /// `X-Service-ID`.
    pub(super) id: Option<String>,
    /// `X-Service-Secret`.
    pub(super) secret: Option<RawSecret>,
}

/// What is known about users.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawUsers {
    /// Domain of the test users.
    pub(super) domain: Option<String>,
    /// Address of the test user of number `{n}` (00, 01, …); `{domain}` is `users.domain`.
    pub(super) email: Option<String>,
    /// How many of them may be used.
    #[schemars(range(min = 1, max = 50))]
    pub(super) count: Option<u32>,
    /// Users in a special state: state → login.
    pub(super) states: BTreeMap<String, RawLogin>,
    /// OAuth providers that are configured.
    pub(super) oauth_providers: Vec<String>,
    /// `automatic`: consent needs no person.
    pub(super) oauth_consent: Option<RawConsent>,
}

/// How situations are provoked. Without its trigger a check is *not verified*.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTriggers {
    /// The agent fails.
    pub(super) agent_failure: RawPrompt,
    /// The model does not answer in time.
    pub(super) llm_timeout: RawPrompt,
    /// The model cannot be reached.
    pub(super) network_failure: RawPrompt,
    /// A resource is used up.
    pub(super) resource_exhausted: RawPrompt,
    /// The request is not acceptable to the agent.
    pub(super) invalid_input: RawPrompt,
    /// The agent uses a tool.
    pub(super) tool_use: RawPrompt,
    /// The agent streams for a while.
    pub(super) long_stream: RawPrompt,
    /// The environment degrades.
    pub(super) degradation: RawPrompt,
    /// The agent answers with a fixed text.
    pub(super) steady_run: RawPrompt,
    /// The auth service is taken down.
    pub(super) auth_outage: RawOutage,
    /// The backend is taken down.
    pub(super) backend_outage: RawOutage,
}

/// A message that brings a situation about.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPrompt {
    /// The user message.
    pub(super) content: Option<String>,
    /// The agent to start, else the default one.
    pub(super) agent_name: Option<String>,
    /// The run lasts at least so long.
    #[schemars(range(min = 0, max = 3_600))]
    pub(super) min_duration_s: Option<f64>,
    /// The failure shows within this time.
    #[schemars(range(min = 0, max = 3_600))]
    pub(super) fails_within_s: Option<f64>,
    /// The run shows at least so many events.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) events_at_least: Option<u32>,
}

/// A service that is taken down and brought up again.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawOutage {
    /// Takes it down: a URL (POST), or a program and its arguments.
    pub(super) down: Option<RawAction>,
    /// Brings it up: a URL (POST), or a program and its arguments.
    pub(super) up: Option<RawAction>,
}

/// What must be true before the checks begin.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawReady {
    /// Shared budget of all steps; 0 tries each once.
    #[schemars(range(min = 0, max = 3_600))]
    pub(super) within_s: Option<f64>,
    /// Samples of health and revision, each over a new connection, that must agree.
    #[schemars(range(min = 1, max = 100))]
    pub(super) samples: Option<u32>,
    /// Where the revision of what is deployed is told, and which is expected.
    pub(super) revision: RawRevision,
}

/// Where the revision of what is deployed is told, and which is expected.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRevision {
    /// Asked for it (GET), instead of the health of each service.
    pub(super) url: Option<String>,
    /// JSON pointer into the answer's body; without it and `header`: `version`.
    pub(super) pointer: Option<String>,
    /// Header of the answer, instead of its body.
    pub(super) header: Option<String>,
    /// The revision that must be deployed; `--expect-revision` overrides it.
    pub(super) expect: Option<String>,
}

/// What the scenario `independence` needs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawIndependence {
    /// Commands that start the services on loopback.
    pub(super) launch: RawLaunch,
    /// A launched service is healthy within this time.
    #[schemars(range(min = 0.001, max = 600))]
    pub(super) start_s: Option<f64>,
    /// Source tree of the auth service, relative to this file.
    pub(super) source: Option<String>,
    /// Packages of the main application that it may not import.
    pub(super) forbidden_packages: Vec<String>,
    /// DSNs of both services' databases.
    pub(super) databases: RawDatabases,
}

/// Commands that start the services on loopback: program and arguments, no shell. `{self}` stands for this executable.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLaunch {
    /// Auth service; `{auth_port}` is filled in.
    #[schemars(length(min = 1))]
    pub(super) auth: Option<Vec<String>>,
    /// Backend; `{backend_port}` and `{auth_url}` are filled in.
    #[schemars(length(min = 1))]
    pub(super) backend: Option<Vec<String>>,
}

/// DSNs of both services' databases.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDatabases {
    /// The auth service's.
    pub(super) auth: Option<RawSecret>,
    /// The backend's.
    pub(super) backend: Option<RawSecret>,
}

/// A browser, for the checks that need one.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawBrowser {
    /// Program and arguments, no shell.
    #[schemars(length(min = 1))]
    pub(super) command: Option<Vec<String>>,
}

/// What the exit code insists on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawGate {
    /// Globs of the checks that must be judged; empty: those that declare it.
    pub(super) required: Vec<String>,
    /// A deviation from a SHOULD gates, too.
    pub(super) strict: Option<bool>,
    /// So many checks conform at least.
    #[schemars(range(min = 0, max = 1_000))]
    pub(super) min_checks: Option<u32>,
    /// What fails the run beside gating deviations.
    pub(super) fail_on: Vec<RawFailOn>,
    /// Only scenarios of these priorities gate; empty: all.
    pub(super) priorities: Vec<RawPriority>,
    /// Only these scenarios gate; empty: all.
    pub(super) scenarios: Vec<RawScenario>,
}

/// An open check that fails the run: each counts for checks that gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(super) enum RawFailOn {
    /// A check that was not verified.
    NotVerified,
    /// A check that could not be judged.
    Inconclusive,
    /// A deviation from a SHOULD.
    Warning,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(super) enum RawPriority {
    P0,
    P1,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(super) enum RawScenario {
    Handshake,
    Lifecycle,
    AuthSync,
    Reconnection,
    Isolation,
    Recovery,
    Format,
    Independence,
    Threads,
    Streaming,
}
