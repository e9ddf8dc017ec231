//! What `/ws/config` tells (contract, section 3): the checker takes its waits and counts from here.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Rules of all values by dotted path.
pub(super) type ConfigValues = BTreeMap<String, ConfigValue>;

/// Default and bounds of one value.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigValue {
    pub(super) default: f64,
    #[serde(default)]
    least: f64,
    #[serde(default)]
    most: f64,
    /// The contract has it from its own text alone: `/ws/config` need not tell it.
    #[serde(default)]
    pub(super) untold: bool,
}

/// The values of `/ws/config`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WsConfig {
    /// Idle connections are pinged within this time, seconds.
    pub heartbeat_interval_s: f64,
    /// Largest message in octets.
    pub max_message_bytes: u64,
    /// Most open sockets of one user.
    pub max_sockets_per_user: u64,
    /// Messages per window.
    pub rate_limit: RateLimit,
    /// Credentials of open sockets are asked about this often, seconds.
    pub auth_recheck_s: f64,
    /// A token is expired past `exp` plus this, seconds.
    pub clock_leeway_s: f64,
    /// What is kept for lost sessions.
    pub replay: Replay,
    /// The circuit breaker.
    pub breaker: Breaker,
}

/// Messages per window and user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// How many pass.
    pub messages: u64,
    /// In how many seconds.
    pub window_s: f64,
}

/// What is kept for lost sessions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Replay {
    /// At least so many events.
    pub events: u64,
    /// At least so many seconds.
    pub seconds: f64,
}

/// The circuit breaker of a user and agent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breaker {
    /// Consecutive failures that open it.
    pub failure_threshold: u64,
    /// Time until a trial run, milliseconds.
    pub retry_after_ms: f64,
}

/// A value of `/ws/config` that is missing, of the wrong type, or beyond its bound.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigFault {
    /// Path of the value, dotted.
    pub value: String,
    /// What is wrong with it.
    pub message: String,
}

impl WsConfig {
    /// Reads the logical body of `/ws/config`. A value that is missing or beyond its bound is a
    /// fault and stands at its default, so that no wait grows with what a target claims.
    pub(super) fn read(body: &Value, values: &ConfigValues) -> (Self, Vec<ConfigFault>) {
        let mut faults = Vec::new();
        let mut value = |path: &str| {
            let rule = values.get(path).copied().unwrap_or_default();
            let seen = body.pointer(&format!("/{}", path.replace('.', "/")));
            let message = match seen.map(Value::as_f64) {
                None if rule.untold => return rule.default,
                None => "missing".to_owned(),
                Some(None) => format!("expected a number, seen {}", seen.unwrap_or(&Value::Null)),
                Some(Some(number)) if number < rule.least || number > rule.most => {
                    format!("expected {} to {}, seen {number}", rule.least, rule.most)
                }
                Some(Some(number)) => return number,
            };
            faults.push(ConfigFault { value: path.to_owned(), message });
            rule.default
        };
        let config = Self {
            heartbeat_interval_s: value("heartbeat_interval_s"),
            max_message_bytes: value("max_message_bytes") as u64,
            max_sockets_per_user: value("max_sockets_per_user") as u64,
            rate_limit: RateLimit {
                messages: value("rate_limit.messages") as u64,
                window_s: value("rate_limit.window_s"),
            },
            auth_recheck_s: value("auth_recheck_s"),
            clock_leeway_s: value("clock_leeway_s"),
            replay: Replay { events: value("replay.events") as u64, seconds: value("replay.seconds") },
            breaker: Breaker {
                failure_threshold: value("breaker.failure_threshold") as u64,
                retry_after_ms: value("breaker.retry_after_ms"),
            },
        };
        (config, faults)
    }
}
