//! What a check declares about itself.

use std::fmt;

/// How binding the requirement is (RFC 2119).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// A deviation gates.
    Must,
    /// A deviation is a warning, unless the profile asks for strict.
    Should,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Must => "must",
            Self::Should => "should",
        })
    }
}

/// Priority of a scenario in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// Critical.
    P0,
    /// Important.
    P1,
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::P0 => "P0",
            Self::P1 => "P1",
        })
    }
}

/// A built-in selection. Every check is in the suite `full`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// The gate's suite: effects `read` and `create` only, no mandatory wait over 3 s.
    Smoke,
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("smoke")
    }
}

/// What a check does to the environment. `Read` is implied by every check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Logins, refreshing one's own tokens, refused attempts.
    Read,
    /// Runs an agent or writes.
    Create,
    /// Logs out.
    Revoke,
    /// Exhausts a limit.
    Quota,
    /// May be felt by others.
    Disrupt,
}

impl Effect {
    /// All effects, mildest first.
    pub const ALL: [Self; 5] = [Self::Read, Self::Create, Self::Revoke, Self::Quota, Self::Disrupt];

    /// Its name in a profile's `allow`.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Revoke => "revoke",
            Self::Quota => "quota",
            Self::Disrupt => "disrupt",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.slug())
    }
}

/// Checks of one group do not meet each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// One at a time, beside the checks of no group.
    Breaker,
    /// Alone, after the ungrouped checks: measures time.
    Timing,
    /// After `timing`, one at a time: exhausts limits.
    Quota,
    /// Last, alone: takes services down.
    Disrupt,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Breaker => "breaker",
            Self::Timing => "timing",
            Self::Quota => "quota",
            Self::Disrupt => "disrupt",
        })
    }
}

/// A situation that the profile knows how to provoke (contract, section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each name is the profile key of the same spelling")]
pub enum Trigger {
    AgentFailure,
    LlmTimeout,
    NetworkFailure,
    ResourceExhausted,
    InvalidInput,
    ToolUse,
    LongStream,
    Degradation,
    SteadyRun,
    AuthOutage,
    BackendOutage,
}

impl Trigger {
    /// All triggers in the contract's order.
    pub const ALL: [Self; 11] = [
        Self::AgentFailure,
        Self::LlmTimeout,
        Self::NetworkFailure,
        Self::ResourceExhausted,
        Self::InvalidInput,
        Self::ToolUse,
        Self::LongStream,
        Self::Degradation,
        Self::SteadyRun,
        Self::AuthOutage,
        Self::BackendOutage,
    ];

    /// Its key below `triggers` in a profile.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::AgentFailure => "agent_failure",
            Self::LlmTimeout => "llm_timeout",
            Self::NetworkFailure => "network_failure",
            Self::ResourceExhausted => "resource_exhausted",
            Self::InvalidInput => "invalid_input",
            Self::ToolUse => "tool_use",
            Self::LongStream => "long_stream",
            Self::Degradation => "degradation",
            Self::SteadyRun => "steady_run",
            Self::AuthOutage => "auth_outage",
            Self::BackendOutage => "backend_outage",
        }
    }
}

/// A capability without which a check is *not verified*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Need {
    /// The profile holds the key that signs access tokens.
    Sign,
    /// A token that lives seconds can be had.
    Short,
    /// Service credentials for `/auth/validate`.
    Service,
    /// Two distinct users.
    TwoUsers,
    /// Password logins, with an account named for wrong passwords.
    Password,
    /// OAuth providers are configured.
    OAuth,
    /// OAuth consent needs no person.
    OAuthAuto,
    /// Users in the states of the seeded data.
    States,
    /// The profile lists prompts.
    Prompts,
    /// The profile can provoke this situation.
    Trigger(Trigger),
    /// No intermediary repairs malformed octets.
    Raw,
    /// Origins are served over TLS.
    Tls,
    /// Tokens are signed with asymmetric keys.
    Jwks,
    /// The frontend's URL is known.
    Frontend,
    /// A browser can be started.
    Browser,
    /// Commands that start the services on loopback.
    Launch,
    /// The auth service's source tree.
    Source,
    /// DSNs of both services' databases.
    Databases,
}

impl Need {
    /// The word of the check catalogue.
    pub fn slug(self) -> String {
        match self {
            Self::Sign => "sign".into(),
            Self::Short => "short".into(),
            Self::Service => "svc".into(),
            Self::TwoUsers => "login:2".into(),
            Self::Password => "password".into(),
            Self::OAuth => "oauth".into(),
            Self::OAuthAuto => "oauth:auto".into(),
            Self::States => "states".into(),
            Self::Prompts => "prompts".into(),
            Self::Trigger(trigger) => format!("trigger:{}", trigger.slug()),
            Self::Raw => "raw".into(),
            Self::Tls => "tls".into(),
            Self::Jwks => "jwks".into(),
            Self::Frontend => "frontend".into(),
            Self::Browser => "browser".into(),
            Self::Launch => "launch".into(),
            Self::Source => "source".into(),
            Self::Databases => "db".into(),
        }
    }

    /// What a person lacks, and the profile key that would supply it.
    pub fn remedy(self) -> String {
        match self {
            Self::Sign => "set `credentials.signing_key`".into(),
            Self::Short => {
                "set `credentials.signing_key`, `credentials.bypass_key` or `credentials.short_login`".into()
            }
            Self::Service => "set `service.id` and `service.secret`".into(),
            Self::TwoUsers => "give credentials for two distinct users".into(),
            Self::Password => "set `credentials.users` and `credentials.wrong_password_user`".into(),
            Self::OAuth => "list `users.oauth_providers`".into(),
            Self::OAuthAuto => "set `users.oauth_consent: automatic`".into(),
            Self::States => "set `users.states`".into(),
            Self::Prompts => "list `prompts`".into(),
            Self::Trigger(trigger) => format!("set `triggers.{}`", trigger.slug()),
            Self::Raw => "set `limits.raw_frames: true` where no intermediary repairs malformed octets".into(),
            Self::Tls => "use `https` and `wss` URLs".into(),
            Self::Jwks => "sign tokens with RS256 or ES256 and serve `/.well-known/jwks.json`".into(),
            Self::Frontend => "set `urls.frontend`".into(),
            Self::Browser => "set `browser.command`".into(),
            Self::Launch => "set `independence.launch.auth` and `independence.launch.backend`".into(),
            Self::Source => "set `independence.source`".into(),
            Self::Databases => "set `independence.databases.auth` and `independence.databases.backend`".into(),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.slug())
    }
}
