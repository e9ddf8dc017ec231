//! Logical message types (contract, section 7).

use std::fmt;

use crate::model::Effect;

macro_rules! kinds {
    ($($name:ident = $slug:literal,)*) => {
        /// A logical message type; the contract says how it is called on the wire.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "each name is the contract's word")]
        pub enum Kind {
            $($name,)*
            /// A type that the contract does not name, as it stood on the wire.
            Other(String),
        }

        impl Kind {
            /// All kinds that contracts can name.
            pub const NAMED: &'static [Self] = &[$(Self::$name,)*];

            /// Its logical name; of an unknown one the wire's.
            pub fn slug(&self) -> &str {
                match self {
                    $(Self::$name => $slug,)*
                    Self::Other(name) => name,
                }
            }

            /// The kind of a logical name.
            pub fn named(slug: &str) -> Option<Self> {
                match slug {
                    $($slug => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    // Client to server (7.1).
    UserMessage = "user_message",
    StartAgent = "start_agent",
    StopAgent = "stop_agent",
    CreateThread = "create_thread",
    SwitchThread = "switch_thread",
    RenameThread = "rename_thread",
    DeleteThread = "delete_thread",
    ListThreads = "list_threads",
    GetThreadHistory = "get_thread_history",
    TokenRefresh = "token_refresh",
    SessionRestore = "session_restore",
    Ping = "ping",
    HandshakeAcknowledged = "handshake_acknowledged",
    // Agent events (7.2).
    AgentStarted = "agent_started",
    ToolExecuting = "tool_executing",
    ToolCompleted = "tool_completed",
    AgentThinking = "agent_thinking",
    PartialResult = "partial_result",
    AgentCompleted = "agent_completed",
    FinalReport = "final_report",
    AgentError = "agent_error",
    AgentStopped = "agent_stopped",
    StreamTerminated = "stream_terminated",
    // Threads (7.3).
    ThreadCreated = "thread_created",
    ThreadSwitched = "thread_switched",
    ThreadLoaded = "thread_loaded",
    ThreadRenamed = "thread_renamed",
    ThreadDeleted = "thread_deleted",
    ThreadList = "thread_list",
    ThreadHistory = "thread_history",
    MessageCreated = "message_created",
    // Session, failure, limits (7.4).
    ConnectionEstablished = "connection_established",
    TokenRefreshed = "token_refreshed",
    SessionRestored = "session_restored",
    OauthCompleted = "oauth_completed",
    Error = "error",
    CircuitBreakerTriggered = "circuit_breaker_triggered",
    GracefulDegradation = "graceful_degradation",
    ServiceRecovered = "service_recovered",
    Pong = "pong",
    // Of dialects alone (9).
    HandshakeResponse = "handshake_response",
    HandshakeComplete = "handshake_complete",
    Ack = "ack",
}

impl Kind {
    /// What a client's message does to the environment when it is accepted.
    pub const fn effect(&self) -> Effect {
        match self {
            Self::UserMessage
            | Self::StartAgent
            | Self::StopAgent
            | Self::CreateThread
            | Self::RenameThread
            | Self::DeleteThread => Effect::Create,
            _ => Effect::Read,
        }
    }

    /// Whether a client's message counts against the user's rate limit (section 7.4).
    pub const fn is_counted(&self) -> bool {
        matches!(
            self,
            Self::UserMessage
                | Self::StartAgent
                | Self::CreateThread
                | Self::SwitchThread
                | Self::RenameThread
                | Self::DeleteThread
                | Self::ListThreads
                | Self::GetThreadHistory
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.slug())
    }
}
