use super::breaker::{FLOW, has_opened, status};
use crate::check;
use crate::check::{Check, Recording};
use crate::model::{Blame, Finding, Inconclusive, Judgement, NotVerified, Stop};
use crate::wire::Kind;

pub(super) static CHECK: Check = check!("recovery/breaker-stays-local", judge: judge, of: &FLOW);

/// What a user is told of a breaker of theirs.
const NEWS: [Kind; 3] = [Kind::CircuitBreakerTriggered, Kind::GracefulDegradation, Kind::ServiceRecovered];

fn judge(recording: &Recording) -> Judgement {
    let knows_other = !recording.fact("beside")?.is_null();
    recording.step("control: the count of the agent that failed");
    if status(recording, "own after")?.1 == Some(0) {
        let what = "the status tells no failure after one, so it cannot tell whose count was moved";
        return Err(Inconclusive::new(Blame::Target, what).with(recording.end_of("own after")).into());
    }
    unmoved(recording, "neighbour", "another user's count of the same agent")?;
    if knows_other {
        unmoved(recording, "beside", "the same user's count of another agent")?;
    }
    has_opened(recording)?;
    completes(recording, "another user's run of the same agent", "neighbour", "neighbour run")?;
    recording.step("news of the breaker on another user's socket");
    let news = recording.seen("neighbour")?.into_iter().find(|seen| NEWS.contains(&seen.message.kind));
    let expected = "none of circuit_breaker_triggered, graceful_degradation and service_recovered";
    let seen = || news.as_ref().map(|news| news.message.kind.to_string()).unwrap_or_default();
    let evidence = || recording.only(&news);
    recording.holds(news.is_none(), Finding::ForeignData, expected, seen, evidence)?;
    if !knows_other {
        let what = "no other agent of the user is known than the one that fails: set \
                    `triggers.agent_failure.agent_name` to one that does not take plain messages";
        return Err(NotVerified::NotProvoked(what.into()).into());
    }
    completes(recording, "the same user's run of another agent", "asking", "beside run")?;
    recording.conforms()
}

/// One failure leaves a count as it was.
fn unmoved(recording: &Recording, whose: &str, words: &str) -> Result<(), Stop> {
    recording.step(format!("one failure, and {words}"));
    let (before, after) =
        (status(recording, &format!("{whose} before"))?.1, status(recording, &format!("{whose} after"))?.1);
    let number = |count: Option<u64>| count.map_or("none".to_owned(), |count| count.to_string());
    let (expected, seen) =
        (format!("failure_count {} as before", number(before)), || format!("failure_count {}", number(after)));
    recording.holds(before == after, Finding::Shared, expected, seen, || recording.end_of(&format!("{whose} after")))
}

/// While the breaker is open a run that it does not concern completes.
fn completes(recording: &Recording, what: &str, part: &str, run: &str) -> Result<(), Stop> {
    recording.step(format!("{what}, while the breaker is open"));
    let run = recording.fact(run)?.as_str();
    let events = run.map(|run| recording.events_of(part, run)).transpose()?.unwrap_or_default();
    let completed = events.iter().any(|seen| seen.is(&Kind::FinalReport));
    let seen = || match (run, events.last()) {
        (None, _) => "it was not admitted".to_owned(),
        (_, None) => "it told nothing".to_owned(),
        (_, Some(last)) => format!("its last event was {}", last.message.kind),
    };
    recording.holds(completed, Finding::MissingEvent, "final_report", seen, || recording.end_of(part))
}
