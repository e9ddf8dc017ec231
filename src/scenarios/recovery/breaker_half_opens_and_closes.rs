use super::breaker::{FLOW, change, has_opened, is_own, status, statuses, told};
use crate::check;
use crate::check::{Check, Recording, Seen, ends_run};
use crate::model::{Blame, Finding, Inconclusive, Judgement, Stop};
use crate::wire::{ErrorCode, Kind};

pub(super) static CHECK: Check = check!("recovery/breaker-half-opens-and-closes", judge: judge, of: &FLOW);

fn judge(recording: &Recording) -> Judgement {
    is_own(recording)?;
    has_opened(recording)?;
    let end = trial(recording)?;
    beside(recording, &end)?;
    if recording.fact("trial went on")?.as_bool() == Some(true) {
        state(recording, "half open", "half_open", None)?;
    }
    for (what, wanted) in [("half open", "half_open"), ("close", "closed")] {
        for part in ["asking", "second"] {
            recording.step(format!("the news on the {part} socket that the breaker is to {what}"));
            let news = change(recording, part, wanted)?;
            let (expected, never) = (format!("circuit_breaker_triggered {{{wanted}}}"), || "none".to_owned());
            recording.holds(news.is_some(), Finding::MissingEvent, expected, never, || recording.end_of(part))?;
            news.as_ref().map_or(Ok(()), |news| recording.fits(news))?;
        }
    }
    recovered(recording)?;
    state(recording, "closed", "closed", Some(0))?;

    recording.step("a run after the breaker has closed");
    let next = recording.answer_to("asking", recording.told("next")?)?;
    let run = next.as_ref().and_then(|next| next.message.run_id()).unwrap_or_default();
    let completed = recording.events_of("asking", run)?.iter().any(|seen| seen.is(&Kind::FinalReport));
    let (expected, seen) = ("a run that completes", || told(next.as_ref()));
    recording.holds(completed, Finding::Refused, expected, seen, || recording.end_of("asking"))?;
    recording.conforms()
}

/// The trial is admitted and completes; its end.
fn trial(recording: &Recording) -> Result<Seen, Stop> {
    recording.step("the first request after retry_after_ms");
    let trial = recording.answer_to("asking", recording.told("trial")?)?;
    let admitted = trial.as_ref().is_some_and(|trial| trial.is(&Kind::MessageCreated));
    let (expected, seen) = ("message_created: one trial run is admitted", || told(trial.as_ref()));
    recording.holds(admitted, Finding::Refused, expected, seen, || recording.end_of("asking"))?;
    let run = trial.as_ref().and_then(|trial| trial.message.run_id()).unwrap_or_default();
    let end = recording.events_of("asking", run)?.into_iter().find(|seen| ends_run(&seen.message.kind));
    let missing = || {
        let what = "the trial run did not complete, so nothing tells what its success brings";
        Inconclusive::new(Blame::Target, what).with(recording.end_of("asking")).into()
    };
    end.filter(|end| end.is(&Kind::FinalReport)).ok_or_else(missing)
}

/// A request beside the trial is still refused.
fn beside(recording: &Recording, end: &Seen) -> Result<(), Stop> {
    recording.step("a second request beside the trial run");
    let answer = recording.answer_to("asking", recording.told("beside trial")?)?;
    let code = answer.as_ref().and_then(|answer| answer.message.error_code());
    if let Some(answer) = &answer
        && answer.at >= end.at
    {
        let what = "the trial run was over before a request beside it was answered: set `triggers.long_stream.min_duration_s`";
        return Err(Inconclusive::new(Blame::Harness, what).with(recording.around(answer)).into());
    }
    let finding = if answer.is_some() { Finding::Accepted } else { Finding::NoAnswer };
    let (expected, seen) = ("error CIRCUIT_OPEN: one trial at a time", || told(answer.as_ref()));
    let refused = code == Some(ErrorCode::CircuitOpen);
    recording.holds(refused, finding, expected, seen, || recording.end_of("asking"))
}

/// The status on several new connections.
fn state(recording: &Recording, part: &str, due: &str, count_due: Option<u64>) -> Result<(), Stop> {
    for number in 0..statuses(recording)? {
        recording.step(format!("the status when it is to be {due}, new connection {}", number + 1));
        let part = format!("{part} {number}");
        let (state, count) = status(recording, &part)?;
        let right = state == due && count_due.is_none_or(|due| count == Some(due));
        let counted = |count: Option<u64>| count.map_or(String::new(), |count| format!(", failure_count {count}"));
        let expected = format!("state {due}{}", counted(count_due));
        let seen = || format!("state {state}{}", counted(count));
        recording.holds(right, Finding::WrongValue, expected, seen, || recording.end_of(&part))?;
    }
    Ok(())
}

fn recovered(recording: &Recording) -> Result<(), Stop> {
    let service = format!("agent:{}", recording.told("agent")?);
    for part in ["asking", "second"] {
        recording.step(format!("the news on the {part} socket that the agent has recovered"));
        let messages = recording.seen(part)?;
        let is_it = |seen: &&Seen| seen.is(&Kind::ServiceRecovered) && seen.message.text("service") == Some(&service);
        let news = messages.iter().find(is_it);
        let (expected, never) = (format!("service_recovered of {service}"), || "none".to_owned());
        recording.holds(news.is_some(), Finding::MissingEvent, expected, never, || recording.end_of(part))?;
        news.map_or(Ok(()), |news| recording.fits(news))?;
    }
    Ok(())
}
