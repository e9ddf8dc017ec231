//! The groups that are numbers: pace, thresholds, limits.

use schemars::JsonSchema;
use serde::Deserialize;

/// How hard the target may be pushed; 0 means no bound.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct RawPace {
    /// Checks side by side.
    #[schemars(range(min = 0, max = 10_000))]
    pub(in super::super) jobs: Option<u32>,
    /// Open connections.
    #[schemars(range(min = 0, max = 100_000))]
    pub(in super::super) connections: Option<u32>,
    /// HTTP requests and upgrades a second.
    #[schemars(range(min = 0, max = 100_000))]
    pub(in super::super) requests_per_s: Option<u32>,
    /// Open sockets of one user. With a bound, its sockets and messages keep to half of what `/ws/config` permits, too.
    #[schemars(range(min = 0, max = 10_000))]
    pub(in super::super) sockets_per_user: Option<u32>,
}

/// Time windows of the contract, in seconds.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct RawThresholds {
    /// Direct answers to client frames.
    #[schemars(range(min = 0.001, max = 3_600))]
    pub(in super::super) reply_s: Option<f64>,
    /// `connection_established` after 101.
    #[schemars(range(min = 0.001, max = 3_600))]
    pub(in super::super) welcome_s: Option<f64>,
    /// Fast layer: `agent_started` after the request, a tool's own overhead.
    #[schemars(range(min = 0.001, max = 3_600))]
    pub(in super::super) fast_s: Option<f64>,
    /// Medium layer: gaps between `agent_thinking` and `partial_result`.
    #[schemars(range(min = 0.001, max = 3_600))]
    pub(in super::super) medium_s: Option<f64>,
    /// First `partial_result` after the first `agent_started`.
    #[schemars(range(min = 0.001, max = 3_600))]
    pub(in super::super) first_content_s: Option<f64>,
    /// A whole run.
    #[schemars(range(min = 0.001, max = 3_600))]
    pub(in super::super) run_s: Option<f64>,
    /// `agent_error` after the request, the trigger's `fails_within_s` apart.
    #[schemars(range(min = 0.001, max = 3_600))]
    pub(in super::super) agent_error_s: Option<f64>,
    /// Last event after `stop_agent`.
    #[schemars(range(min = 0.001, max = 3_600))]
    pub(in super::super) stop_s: Option<f64>,
    /// Connect to first replayed frame.
    #[schemars(range(min = 0.001, max = 3_600))]
    pub(in super::super) restore_s: Option<f64>,
}

/// Deadlines and floors of the checker.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct RawLimits {
    /// One check, without waiting for its turn.
    #[schemars(range(min = 1, max = 120))]
    pub(in super::super) check_s: Option<f64>,
    /// The whole run.
    #[schemars(range(min = 1, max = 86_400))]
    pub(in super::super) run_s: Option<f64>,
    /// Connecting, TLS included.
    #[schemars(range(min = 0.001, max = 120))]
    pub(in super::super) connect_s: Option<f64>,
    /// One HTTP answer.
    #[schemars(range(min = 0.001, max = 120))]
    pub(in super::super) request_s: Option<f64>,
    /// Reads after writes are polled so long; 0 reads once.
    #[schemars(range(min = 0, max = 120))]
    pub(in super::super) settle_s: Option<f64>,
    /// Floor of a short token's life.
    #[schemars(range(min = 1, max = 120))]
    pub(in super::super) short_token_s: Option<f64>,
    /// New connections over which a fact that must hold on every replica is repeated.
    #[schemars(range(min = 1, max = 100))]
    pub(in super::super) fresh_connections: Option<u32>,
    /// No intermediary repairs malformed octets on their way.
    pub(in super::super) raw_frames: Option<bool>,
}
