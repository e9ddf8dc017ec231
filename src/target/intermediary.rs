//! What stands between the checker and the service it asks: a gateway's page, a limit, a restart.
//! Such an answer is nobody's conformance and nobody's deviation.

use std::time::Duration;

use serde_json::Value;

use super::Target;
use super::fault::FaultKind;
use super::transcript::Line;
use crate::model::Blame;
use crate::wire::{ErrorCode, Kind, Message};

/// What an answer over HTTP says about the way instead of the thing asked for.
///
/// A page counts only with 403 and 503: any HTTP server refuses a malformed request (400, 413, 431) with a page of
/// its own, and a page in place of an error body is a deviation that `format/http-errors-structured` tells.
pub(super) fn of_answer(
    target: &Target,
    line: &Line,
    status: u16,
    headers: &[(String, String)],
    text: &str,
) -> Option<(FaultKind, String)> {
    let header =
        |name: &str| headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let manners = line.recorder().manners();
    if manners.takes_any_answer() {
        return None;
    }
    let is_page = || {
        header("content-type").is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
            || text.trim_start().starts_with('<')
    };
    match status {
        429 if !manners.expects_throttling() => {
            let after = header("retry-after");
            if let Some(seconds) = after.and_then(|after| after.trim().parse().ok()) {
                manners.slow_down(Duration::from_secs(seconds));
            }
            let after = after.map_or_else(String::new, |after| format!(", Retry-After: {after}"));
            let what = format!("HTTP 429{after}: {}", slower(target));
            Some((FaultKind::Throttled, what))
        }
        502 | 504 => Some((FaultKind::Gateway, format!("HTTP {status}: a gateway that does not reach its service"))),
        403 | 503 if is_page() => {
            let what = format!(
                "HTTP {status} with an HTML page where JSON is due: a gateway's answer, not the service's; let this \
                 checker through (`headers` of the profile, or its User-Agent at the gateway)"
            );
            Some((FaultKind::Gateway, what))
        }
        _ => None,
    }
}

/// How to be throttled no more.
fn slower(target: &Target) -> String {
    let pace = &target.profile().pace;
    let now = |bound: u32| if bound == 0 { "no bound".to_owned() } else { bound.to_string() };
    format!(
        "the target asks us to slow down: lower `pace.requests_per_s` ({}), or have its limit raised for this checker",
        now(pace.requests_per_s)
    )
}

/// Takes note of an `error` by which the target says that we are too many or too fast.
pub(super) fn hear(line: &Line, message: &Message) {
    let manners = line.recorder().manners();
    if message.kind != Kind::Error || manners.expects_throttling() {
        return;
    }
    let remedy = match message.error_code() {
        Some(ErrorCode::RateLimitExceeded) => "lower `pace.jobs`, or give more users (`users.count`)",
        Some(ErrorCode::TooManyConnections) => "lower `pace.sockets_per_user`, or see who else uses this account",
        _ => return,
    };
    if let Some(pause) = message.payload.get("retry_after_ms").and_then(Value::as_f64) {
        manners.slow_down(Duration::try_from_secs_f64(pause / 1000.0).unwrap_or(Duration::MAX));
    }
    let code = message.error_code().map_or_else(String::new, |code| code.to_string());
    let what = format!("error {code} on the socket: the target asks us to slow down: {remedy}");
    manners.disturb(Blame::Throttled, what, line.evidence(4));
}

/// Takes note of a Close frame by which a server or gateway says that it goes away.
pub(super) fn closed(line: &Line, code: Option<u16>, reason: &str) {
    let manners = line.recorder().manners();
    let leaves = match code {
        Some(1012) => true,
        Some(1001) => reason != "superseded" && !manners.has_restored(),
        _ => false,
    };
    if let (true, Some(code), false) = (leaves, code, manners.expects_outages()) {
        let what = format!("close {code}: the service was going away or being restarted; run again when it is up");
        manners.disturb(Blame::Environment, what, line.evidence(4));
    }
}

/// Takes note of a reset before either side had said a word after the upgrade.
pub(super) fn reset_at_once(line: &Line) {
    let manners = line.recorder().manners();
    if !manners.expects_outages() {
        let what = "the connection was reset right after 101, before a frame of either side".to_owned();
        manners.disturb(Blame::Environment, what, line.evidence(4));
    }
}
