use super::failure::{FLOW, told_error};
use crate::check;
use crate::check::{Check, Recording, ends_run};
use crate::model::{Finding, Judgement};
use crate::wire::Kind;

pub(super) static CHECK: Check = check!("recovery/thread-usable-after-failure", judge: judge, of: &FLOW);

fn judge(recording: &Recording) -> Judgement {
    let failed = told_error(recording)?;
    recording.step("the next run on the thread and socket");
    let evidence = || recording.end_of("asking");
    let answer = recording.answer_to("asking", recording.told("next")?)?;
    let expected = "message_created of the next run";
    let silent = || "no answer: the connection ended, or said nothing more".to_owned();
    // What is sent after agent_error tells whether the connection lived on.
    let finding = match recording.answer_to("asking", recording.told("stop")?)? {
        Some(_) => Finding::NoAnswer,
        None => Finding::Closed,
    };
    recording.holds(answer.is_some(), finding, expected, silent, evidence)?;
    let Some(answer) = answer else { return recording.conforms() };
    let seen = || match answer.message.error_code() {
        Some(code) => format!("{} {code}", answer.message.kind),
        None => answer.message.kind.to_string(),
    };
    let admitted = answer.is(&Kind::MessageCreated);
    recording.holds(admitted, Finding::Refused, expected, seen, || recording.around(&answer))?;

    let run = answer.message.run_id().unwrap_or_default();
    let events = recording.events_of("asking", run)?;
    let end = events.iter().find(|seen| ends_run(&seen.message.kind));
    let seen = || end.map_or_else(|| "no end".into(), |end| end.message.kind.to_string());
    let completed = end.is_some_and(|end| end.is(&Kind::FinalReport));
    recording.holds(completed, Finding::MissingEvent, "final_report of the next run", seen, || {
        recording.only(std::iter::once(&failed).chain(&events))
    })?;
    recording.conforms()
}
