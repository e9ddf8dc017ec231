use super::course::{Course, is_terminal, marker};
use super::flows::PLAIN;
use crate::check;
use crate::check::{Check, Recording};
use crate::model::{Finding, Judgement};
use crate::wire::Kind;

pub(super) static CHECK: Check = check!("lifecycle/one-terminal-event", judge: judge, of: &PLAIN);

fn judge(recording: &Recording) -> Judgement {
    let course = Course::asked(recording)?;
    let evidence = || course.evidence(recording);
    let ends_by_itself = !recording.contract().run_ends_its_agents();
    for agent in course.agents().into_iter().filter(|_| ends_by_itself) {
        recording.step(format!("the end of {agent}"));
        let ends: Vec<_> = course.segment(agent).filter(|seen| is_terminal(&seen.message.kind)).collect();
        let expected = "one terminal event of each agent";
        let never = || "none".to_owned();
        recording.holds(!ends.is_empty(), Finding::MissingEvent, expected, never, evidence)?;
        let several = || ends.iter().map(|seen| seen.message.kind.slug()).collect::<Vec<_>>().join(", ");
        recording.holds(ends.len() == 1, Finding::Duplicated, expected, several, evidence)?;
        let last = course.segment(agent).next_back();
        let after = last.filter(|seen| !is_terminal(&seen.message.kind));
        let told = || after.map_or_else(String::new, |seen| format!("{} after it", seen.message.kind));
        recording.holds(after.is_none(), Finding::UnexpectedEvent, "nothing of an agent after its end", told, evidence)?;
    }
    recording.step("the end of the run");
    let reports = course.all(&Kind::FinalReport).count();
    let told = || format!("{reports}");
    let finding = if reports == 0 { Finding::MissingEvent } else { Finding::Duplicated };
    recording.holds(reports == 1, finding, "one final_report", told, evidence)?;
    marker(recording)?;
    recording.conforms()
}
