use super::course::Course;
use super::flows::PLAIN;
use crate::check;
use crate::check::{Check, Recording};
use crate::model::{Finding, Judgement};
use crate::wire::Kind;

pub(super) static CHECK: Check = check!("lifecycle/steps-never-fall", judge: judge, of: &PLAIN);

fn judge(recording: &Recording) -> Judgement {
    let course = Course::asked(recording)?;
    for agent in course.agents() {
        recording.step(format!("the steps of {agent}"));
        let mut before = 0.0;
        for seen in course.segment(agent).filter(|seen| seen.is(&Kind::AgentThinking)) {
            let number = |field| seen.message.field(field).and_then(|it| it.as_f64());
            let (Some(step), Some(of)) = (number("step_number"), number("total_steps")) else { continue };
            let told = || format!("step {step} of {of} after step {before}");
            let evidence = || recording.around(seen);
            let expected = "step_number not below the one before";
            recording.holds(step >= before, Finding::WrongOrder, expected, told, evidence)?;
            let expected = "step_number at most total_steps";
            recording.holds(step <= of, Finding::WrongValue, expected, told, evidence)?;
            before = step;
        }
    }
    recording.conforms()
}
