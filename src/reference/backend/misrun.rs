//! What the defects of runs do to them: to their plan, to their events, to their history.

use std::time::Duration;

use super::prompt::{AGENTS, Act, Step};
use super::runs::Run;
use crate::reference::policy::RunPolicy;
use crate::wire::{Kind, Message};

/// Longer than any window of a tool's announcement, five-fold.
const LATE: Duration = Duration::from_millis(600);
/// The same for the medium layer.
const STALL: Duration = Duration::from_millis(5_200);
/// Longer than a whole run may take in the profile `local`.
const TOO_LONG: Duration = Duration::from_secs(12);
/// Longer than anybody waits.
const NEVER: Duration = Duration::from_secs(3_600);

/// The plan of a run as a defective agent carries it out.
pub(super) fn misplanned(policy: RunPolicy, mut steps: Vec<Step>) -> Vec<Step> {
    let agents: std::collections::BTreeSet<_> = steps.iter().map(|step| step.agent).collect();
    let many = policy.wrong_schema_on_one_prompt.on() && agents.len() == 4;
    let (goes_back, above) = (policy.step_goes_back.on(), policy.step_above_total.on());
    let late = if policy.late_tool.on() { LATE } else { Duration::ZERO };
    for step in &mut steps {
        match &mut step.act {
            Act::Think { step, of } if goes_back => *step = *of + 1 - *step,
            Act::Think { step, of } if above => *step += *of,
            Act::Think { of, .. } if many => *of = 0,
            Act::ToolBegin { since, .. } => {
                step.after += late;
                *since = late;
            }
            _ => {}
        }
    }
    let says: Vec<_> = (0..steps.len()).filter(|at| matches!(steps[*at].act, Act::Say { .. })).collect();
    if policy.buffer_until_end.on() {
        let all: Duration = says.iter().map(|at| std::mem::take(&mut steps[*at].after)).sum();
        says.first().into_iter().for_each(|at| steps[*at].after = all);
    }
    if policy.medium_stall.on() {
        says.first().into_iter().for_each(|at| steps[*at].after = STALL);
    }
    if policy.run_too_long.on() {
        steps.last_mut().into_iter().for_each(|step| step.after = TOO_LONG);
    }
    if policy.terminal_never.on() {
        steps.last_mut().into_iter().for_each(|step| step.after = NEVER);
    }
    let last_tool = steps.iter().rposition(|step| matches!(step.act, Act::ToolEnd(_)));
    if let Some(at) = last_tool.filter(|_| policy.tool_left_open.on()) {
        steps.remove(at);
    }
    steps
}

/// What is sent in place of one event of a run.
pub(super) fn sent(policy: RunPolicy, run: &mut Run, mut message: Message) -> Vec<Message> {
    let is_delta = message.kind == Kind::PartialResult;
    let is_thought = message.kind == Kind::AgentThinking;
    for (field, is_wrong) in
        [("run_id", policy.run_id_changes.on() && is_delta), ("thread_id", policy.wrong_thread_id.on() && is_thought)]
    {
        let other = message.text(field).filter(|_| is_wrong).map(|id| format!("{id}-2"));
        other.into_iter().for_each(|id| drop(message.payload.insert(field.into(), id.into())));
    }
    if policy.agent_name_changes.on() && is_delta {
        message.payload.insert("agent_name".into(), AGENTS[AGENTS.len() - 1].into());
    }
    if !is_delta {
        return vec![message];
    }
    run.deltas += 1;
    match run.deltas {
        2 if policy.lost_delta.on() => Vec::new(),
        2 if policy.duplicate_delta.on() => vec![message.clone(), message],
        2 if policy.reordered_delta.on() => {
            run.held = Some(message);
            Vec::new()
        }
        _ => std::iter::once(message).chain(run.held.take()).collect(),
    }
}

/// The run's message as it is stored.
pub(super) fn stored(policy: RunPolicy, mut said: String) -> String {
    if policy.history_differs.on() {
        said.truncate(said.trim_end().len());
    }
    said
}

/// The number that a message bears on the wire.
pub(super) fn numbered(policy: RunPolicy, sequence: Option<u64>) -> Option<u64> {
    sequence.map(|number| match number {
        5.. if policy.skip_sequence.on() => number + 1,
        5 if policy.repeat_sequence.on() => 4,
        number => number,
    })
}
