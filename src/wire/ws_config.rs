//! What `/ws/config` tells (contract, section 3): the checker takes its waits and counts from here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Bounds of one value: `[least, most]`.
pub(super) type Bounds = BTreeMap<String, [f64; 2]>;

/// The values of `/ws/config`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct RateLimit {
    /// How many pass.
    pub messages: u64,
    /// In how many seconds.
    pub window_s: f64,
}

/// What is kept for lost sessions.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Replay {
    /// At least so many events.
    pub events: u64,
    /// At least so many seconds.
    pub seconds: f64,
}

/// The circuit breaker of a user and agent.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
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
    /// Reads the logical body of `/ws/config`; each value that `bounds` names must be there and within them.
    ///
    /// # Errors
    /// Every fault found, when there is one.
    pub(super) fn read(body: &Value, bounds: &Bounds) -> Result<Self, Vec<ConfigFault>> {
        let fault = |value: &str, message: String| ConfigFault { value: value.to_owned(), message };
        let mut faults = Vec::new();
        for (path, [least, most]) in bounds {
            match body.pointer(&format!("/{}", path.replace('.', "/"))) {
                None => faults.push(fault(path, "missing".into())),
                Some(value) => match value.as_f64() {
                    None => faults.push(fault(path, format!("expected a number, seen {value}"))),
                    Some(number) if number < *least || number > *most => {
                        faults.push(fault(path, format!("expected {least} to {most}, seen {number}")));
                    }
                    Some(_) => {}
                },
            }
        }
        match Self::deserialize(body) {
            Ok(config) if faults.is_empty() => Ok(config),
            Ok(_) => Err(faults),
            Err(error) => {
                if faults.is_empty() {
                    faults.push(fault("", error.to_string()));
                }
                Err(faults)
            }
        }
    }
}
