use std::collections::BTreeSet;
use std::time::Duration;

use super::course::{Course, agent, is_terminal};
use super::timed::{self, PLAIN};
use crate::check;
use crate::check::{Check, Recording};
use crate::model::Judgement;
use crate::wire::Kind;

pub(super) static CHECK: Check = check!("lifecycle/medium-layer-in-time", judge: judge, of: &PLAIN);

fn judge(recording: &Recording) -> Judgement {
    let runs = timed::told(recording)?;
    recording.step("between an agent's start and its medium events, and between these");
    let took: Vec<_> = runs.iter().map(|(_, course)| longest(course)).collect();
    let evidence = || recording.end_of("asking");
    timed::within(recording, "medium events", recording.thresholds.medium, &took, evidence)
        .map_err(|stop| stop.within("thresholds.medium_s"))?;
    recording.conforms()
}

/// The longest time without a medium event while an agent is at work and no tool is; `None` where
/// there was no medium event at all.
fn longest(course: &Course) -> Option<Duration> {
    let (mut open, mut tools) = (BTreeSet::new(), 0_usize);
    let (mut since, mut longest, mut any) = (None, Duration::ZERO, false);
    for seen in &course.events {
        let kind = &seen.message.kind;
        match kind {
            Kind::AgentStarted => {
                open.extend(agent(&seen.message));
                since.get_or_insert(seen.at);
            }
            Kind::ToolExecuting => tools += 1,
            Kind::ToolCompleted => {
                tools = tools.saturating_sub(1);
                // While the tool was at work no medium event was due.
                since = Some(seen.at);
            }
            Kind::AgentThinking | Kind::PartialResult => {
                any = true;
                if let Some(since) = since.replace(seen.at).filter(|_| tools == 0) {
                    longest = longest.max(seen.at - since);
                }
            }
            kind if is_terminal(kind) => {
                if let Some(name) = agent(&seen.message) {
                    open.remove(name);
                }
                if open.is_empty() {
                    since = None;
                }
            }
            _ => {}
        }
    }
    any.then_some(longest)
}
