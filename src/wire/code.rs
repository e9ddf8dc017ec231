//! Error codes (contract, section 6).

use std::fmt;

macro_rules! codes {
    ($($name:ident = $wire:literal,)*) => {
        /// An error code of the contract's closed list.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "each name is the contract's word")]
        pub enum ErrorCode {
            $($name,)*
            /// A code outside the list, as it stood on the wire.
            Other(String),
        }

        impl ErrorCode {
            /// As netra-v1 writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $wire,)*
                    Self::Other(code) => code,
                }
            }
        }

        impl From<&str> for ErrorCode {
            fn from(code: &str) -> Self {
                match code {
                    $($wire => Self::$name,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }
    };
}

codes! {
    AuthMissing = "AUTH_MISSING",
    TokenExpired = "TOKEN_EXPIRED",
    TokenInvalid = "TOKEN_INVALID",
    TokenRevoked = "TOKEN_REVOKED",
    OriginForbidden = "ORIGIN_FORBIDDEN",
    AuthUnavailable = "AUTH_UNAVAILABLE",
    UserMismatch = "USER_MISMATCH",
    PermissionDenied = "PERMISSION_DENIED",
    TooManyConnections = "TOO_MANY_CONNECTIONS",
    InvalidJson = "INVALID_JSON",
    InvalidMessage = "INVALID_MESSAGE",
    UnknownType = "UNKNOWN_TYPE",
    ThreadNotFound = "THREAD_NOT_FOUND",
    RunNotFound = "RUN_NOT_FOUND",
    AgentNotFound = "AGENT_NOT_FOUND",
    SessionUnknown = "SESSION_UNKNOWN",
    RateLimitExceeded = "RATE_LIMIT_EXCEEDED",
    CircuitOpen = "CIRCUIT_OPEN",
    Internal = "INTERNAL",
    AgentFailed = "AGENT_FAILED",
    AgentTimeout = "AGENT_TIMEOUT",
    InvalidCredentials = "INVALID_CREDENTIALS",
    InvalidRequest = "INVALID_REQUEST",
    NotFound = "NOT_FOUND",
    NotConfigured = "NOT_CONFIGURED",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
