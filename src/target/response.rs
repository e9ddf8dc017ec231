//! Answers over HTTP, to calls and to upgrades.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::transcript::Line;
use crate::model::{ConnectionId, Evidence};
use crate::wire::{Contract, Endpoint, ErrorCode};

/// An answer over HTTP.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Names and values in the order received; calls over HTTP tell names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body, octets that are no UTF-8 replaced.
    pub text: String,
    /// Body as JSON, where it is JSON.
    pub json: Option<Value>,
    /// When the request was about to be written; its connection may have been opened after that.
    pub sent: Instant,
    /// When the last octet of the answer had come.
    pub received: Instant,
    /// The exchange in the transcript.
    pub line: Line,
}

impl Response {
    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// `Retry-After` in seconds (RFC 9110 §10.2.3); a date there is none.
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
    }

    /// All headers of this name, in any case.
    pub fn headers_named<'h, 'n>(&'h self, name: &'n str) -> impl Iterator<Item = &'h str> + use<'h, 'n> {
        let named = self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// Whether the status is among those of the call's success.
    pub fn succeeded(&self, contract: &Contract, endpoint: Endpoint) -> bool {
        contract.success(endpoint).contains(&self.status)
    }

    /// The body in logical terms.
    pub fn logical_body(&self, contract: &Contract, endpoint: Endpoint) -> Option<Value> {
        self.json.as_ref().map(|body| contract.read_body(endpoint, body))
    }

    /// The error code that the answer tells: in its body, or as `error_description` of `WWW-Authenticate`. Where
    /// both say something, a code that the contract declares wins over prose.
    pub fn error_code(&self, contract: &Contract) -> Option<ErrorCode> {
        let body = self.json.as_ref().and_then(|body| contract.http_error_code(body));
        let header = self.headers_named("www-authenticate").find_map(description).map(|code| ErrorCode::from(&*code));
        let declared = |code: &ErrorCode| contract.declares_http_code(code);
        body.clone().filter(declared).or_else(|| header.clone().filter(declared)).or(body).or(header)
    }

    /// The ticket that it gives for a token.
    ///
    /// # Errors
    /// `None` when it refuses the token; what is wrong with a success that holds no ticket.
    pub fn ticket(&self, contract: &Contract) -> Result<String, Option<String>> {
        if !self.succeeded(contract, Endpoint::WsTicket) {
            return Err(None);
        }
        let body = self.logical_body(contract, Endpoint::WsTicket);
        let ticket = body.as_ref().and_then(|body| body["ticket"].as_str());
        ticket.map(str::to_owned).ok_or_else(|| Some(format!("HTTP {} and no `ticket` in its body", self.status)))
    }

    /// How long the answer took.
    pub fn took(&self) -> Duration {
        self.received.saturating_duration_since(self.sent)
    }

    /// Its connection within the check.
    pub fn connection(&self) -> ConnectionId {
        self.line.connection()
    }

    /// Request and answer as evidence.
    pub fn evidence(&self) -> Evidence {
        self.line.evidence(2)
    }
}

/// `error_description` of a challenge (RFC 6750, section 3).
fn description(challenge: &str) -> Option<String> {
    let (_, after) = challenge.split_once("error_description")?;
    let value = after.trim_start().strip_prefix('=')?.trim_start();
    let value = match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => value.split([',', ' ']).next(),
    };
    value.filter(|value| !value.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_tells_its_code() {
        let quoted = r#"Bearer error="invalid_token", error_description="TOKEN_EXPIRED", scope="x""#;
        assert_eq!(description(quoted).as_deref(), Some("TOKEN_EXPIRED"));
        assert_eq!(description("Bearer error_description=TOKEN_INVALID, x=y").as_deref(), Some("TOKEN_INVALID"));
        assert_eq!(description("Bearer"), None);
    }
}
