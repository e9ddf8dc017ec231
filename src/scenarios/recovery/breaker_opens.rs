use serde_json::Value;

use super::breaker::{FLOW, change, is_own, status, statuses, told};
use crate::check;
use crate::check::{Check, Recording};
use crate::model::{Finding, Judgement, Stop};
use crate::wire::{Endpoint, ErrorCode, Kind};

pub(super) static CHECK: Check = check!("recovery/breaker-opens", judge: judge, of: &FLOW);

/// A time that is told may be so much too long, milliseconds.
const GENEROUS: f64 = 1_000.0;

fn judge(recording: &Recording) -> Judgement {
    is_own(recording)?;
    let threshold = recording.fact("threshold")?.as_u64().unwrap_or_default();
    let service = format!("agent:{}", recording.told("agent")?);
    for part in ["asking", "second"] {
        recording.step(format!("the event of opening on the {part} socket"));
        let opened = change(recording, part, "open")?;
        let expected = format!("circuit_breaker_triggered {{open}} of {service} after {threshold} failures in a row");
        let never = || "none".to_owned();
        recording.holds(opened.is_some(), Finding::MissingEvent, &expected, never, || recording.end_of(part))?;
        let Some(opened) = opened else { continue };
        recording.fits(&opened)?;
        let before = recording.seen(part)?.into_iter().take_while(|seen| seen.at <= opened.at);
        let failures = before.filter(|seen| seen.is(&Kind::AgentError)).count() as u64;
        let seen = || format!("after {failures}");
        recording.holds(failures == threshold, Finding::WrongValue, expected, seen, || recording.around(&opened))?;
    }
    refused(recording)?;
    for number in 0..statuses(recording)? {
        recording.step(format!("the status while it is open, new connection {}", number + 1));
        let part = format!("open {number}");
        let fault = recording.contract().body_faults(Endpoint::BreakerStatus, &recording.body(&part)?);
        let fault = fault.into_iter().next();
        let seen = || fault.as_ref().map_or_else(String::new, |it| format!("at `{}`: {}", it.path, it.message));
        let whole = "state, failure_count, last_failure_time and next_attempt_time";
        recording.holds(fault.is_none(), Finding::BadSchema, whole, seen, || recording.end_of(&part))?;
        let (state, count) = status(recording, &part)?;
        let right = state == "open" && count.is_some_and(|count| count >= threshold);
        let expected = format!("state open, failure_count {threshold}");
        let seen = || format!("state {state}, failure_count {}", count.map_or("none".into(), |it| it.to_string()));
        recording.holds(right, Finding::WrongValue, expected, seen, || recording.end_of(&part))?;
    }
    degradation(recording, &service)?;
    recording.conforms()
}

/// A request while the breaker is open: refused at once, with the time after which to ask again.
fn refused(recording: &Recording) -> Result<(), Stop> {
    recording.step("a request while the breaker is open");
    let answer = recording.answer_to("asking", recording.told("refused")?)?;
    let evidence = || recording.end_of("asking");
    let expected = "error CIRCUIT_OPEN";
    let finding = if answer.is_some() { Finding::Accepted } else { Finding::NoAnswer };
    let code = answer.as_ref().and_then(|answer| answer.message.error_code());
    let seen = || told(answer.as_ref());
    recording.holds(code == Some(ErrorCode::CircuitOpen), finding, expected, seen, evidence)?;
    let Some(answer) = answer else { return Ok(()) };
    let after = answer.message.field("retry_after_ms");
    let most = recording.config.breaker.retry_after_ms + GENEROUS;
    let right = after.and_then(Value::as_f64).is_some_and(|after| after >= 0.0 && after <= most);
    let expected = format!("retry_after_ms of at most {most}");
    let seen = || format!("retry_after_ms {}", after.unwrap_or(&Value::Null));
    recording.holds(right, Finding::WrongValue, expected, seen, || recording.around(&answer))
}

/// What still works is told; that it works is tried by `recovery/degradation-announced` and `breaker-stays-local`.
fn degradation(recording: &Recording, service: &str) -> Result<(), Stop> {
    recording.step("what still works while the breaker is open");
    let opened = change(recording, "asking", "open")?.map(|opened| opened.at).unwrap_or_default();
    let messages = recording.seen("asking")?;
    let announced = messages.iter().find(|seen| seen.is(&Kind::GracefulDegradation) && seen.at >= opened);
    let (expected, never) = ("graceful_degradation", || "none".to_owned());
    recording.holds(announced.is_some(), Finding::MissingEvent, expected, never, || recording.end_of("asking"))?;
    let Some(announced) = announced else { return Ok(()) };
    recording.fits(announced)?;
    let available = announced.message.field("available_features").and_then(Value::as_array).into_iter().flatten();
    let lies = available.into_iter().any(|feature| feature == service);
    let (expected, seen) = (format!("no {service} among what is available"), || format!("{service} is available"));
    recording.holds(!lies, Finding::WrongValue, expected, seen, || recording.around(announced))
}
