use super::course::Course;
use super::flows::PLAIN;
use super::grammar;
use crate::check;
use crate::check::{Check, Recording};
use crate::model::{Finding, Judgement};

pub(super) static CHECK: Check = check!("lifecycle/order-holds", judge: judge, of: &PLAIN);

fn judge(recording: &Recording) -> Judgement {
    let course = Course::asked(recording)?;
    recording.step("the order of a plain run");
    let is_there = !course.events.is_empty();
    let nothing = || "no event at all".to_owned();
    recording.holds(is_there, Finding::MissingEvent, "a run's events", nothing, || course.evidence(recording))?;
    match grammar::fault(&course.events, recording.contract().run_ends_its_agents()) {
        None => recording.conforms(),
        Some(fault) => {
            let evidence = recording.around(&course.events[fault.at]);
            Err(recording.deviation(Finding::WrongOrder, [fault.expected], fault.seen, evidence))
        }
    }
}
