use super::course::{Course, agent, is_of_a_segment};
use super::flows::PLAIN;
use crate::check;
use crate::check::{Check, Recording, is_of_a_run};
use crate::model::{Finding, Judgement};
use crate::wire::Kind;

pub(super) static CHECK: Check = check!("lifecycle/ids-constant", judge: judge, of: &PLAIN);

fn judge(recording: &Recording) -> Judgement {
    let (run, thread) = (recording.told("run")?, recording.told("thread")?);
    let all = recording.seen("asking")?;
    // The socket's user has no other run between these two acknowledgements.
    let acknowledged = recording.contract().answer_to(&Kind::UserMessage);
    let acknowledges = |run: &str| {
        let is_it = |message: &crate::wire::Message| {
            Some(&message.kind) == acknowledged.as_ref() && message.run_id() == Some(run)
        };
        all.iter().position(|seen| is_it(&seen.message))
    };
    let first = acknowledges(run).unwrap_or_default();
    let last = recording.told("marker").ok().and_then(acknowledges).unwrap_or(all.len());
    let started: Vec<_> = Course::asked(recording)?.all(&Kind::AgentStarted).filter_map(|seen| agent(&seen.message).map(str::to_owned)).collect();

    for seen in all[first..last].iter().filter(|seen| is_of_a_run(&seen.message.kind)) {
        let message = &seen.message;
        recording.step(format!("the ids of {}", message.kind));
        let evidence = || recording.around(seen);
        for (name, asked, told) in [("run_id", run, message.run_id()), ("thread_id", thread, message.thread_id())] {
            let other = || format!("{name} {}", told.unwrap_or("missing"));
            recording.holds(told == Some(asked), Finding::WrongValue, format!("{name} {asked}"), other, evidence)?;
        }
        if let Some(name) = agent(message).filter(|_| is_of_a_segment(&message.kind)) {
            let other = || format!("agent_name {name}");
            let expected = format!("the name of an agent that has started: {}", started.join(", "));
            let known = started.iter().any(|started| started == name);
            recording.holds(known, Finding::WrongValue, expected, other, evidence)?;
        }
    }
    recording.conforms()
}
