use std::collections::BTreeMap;

use super::course::{Course, agent};
use super::flows::TOOLS;
use crate::check;
use crate::check::{Check, Recording, Seen};
use crate::model::{Finding, Judgement};
use crate::wire::Kind;

pub(super) static CHECK: Check = check!("lifecycle/tools-paired", judge: judge, of: &TOOLS);

fn judge(recording: &Recording) -> Judgement {
    let course = Course::asked(recording)?;
    // Tools that an agent has begun and not ended; it may use several at once.
    let mut open: BTreeMap<(&str, &str), Vec<&Seen>> = BTreeMap::new();
    for seen in &course.events {
        let ends_all = recording.contract().run_ends_its_agents() && seen.is(&Kind::FinalReport);
        let Some(agent) = agent(&seen.message).or(ends_all.then_some("the run")) else { continue };
        let tool = seen.message.text("tool_name").unwrap_or_default();
        match seen.message.kind {
            Kind::ToolExecuting => open.entry((agent, tool)).or_default().push(seen),
            Kind::ToolCompleted => {
                recording.step(format!("{tool} of {agent}"));
                let begun = open.get_mut(&(agent, tool)).and_then(Vec::pop).is_some();
                let expected = "tool_executing before its tool_completed";
                let told = || format!("tool_completed of {tool} first");
                recording.holds(begun, Finding::WrongOrder, expected, told, || recording.around(seen))?;
            }
            Kind::AgentCompleted | Kind::FinalReport => {
                recording.step(format!("the end of {agent}"));
                let left = open.iter().find(|((name, _), begun)| (ends_all || *name == agent) && !begun.is_empty());
                let told = || left.map_or_else(String::new, |((_, tool), _)| format!("{tool} was never completed"));
                let expected = "each tool completed before its agent";
                recording.holds(left.is_none(), Finding::MissingEvent, expected, told, || recording.around(seen))?;
            }
            _ => {}
        }
    }
    recording.conforms()
}
