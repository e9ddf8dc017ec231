//! The order of a run (contract, 7.2 "Order of a run") as a function from events to faults.

use std::collections::BTreeMap;

use super::course::{agent, is_of_a_segment, is_terminal};
use crate::check::Seen;
use crate::wire::Kind;

/// An event in a place where it may not be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Its index among the events.
    pub(super) at: usize,
    /// What the order asks for.
    pub(super) expected: String,
    /// What is there.
    pub(super) seen: String,
}

/// Where an agent's segment stands.
#[derive(Default)]
struct Segment {
    terminal: Option<Kind>,
    /// The last `partial_result` was marked as the last.
    complete: bool,
}

/// The first event that breaks the order; `None` when there is none. Events that are missing at the
/// end are not its matter.
///
/// `run_ends_agents`: agents have no end of their own, see [`crate::wire::Contract::run_ends_its_agents`].
pub(super) fn fault(events: &[Seen], run_ends_agents: bool) -> Option<Fault> {
    let mut segments: BTreeMap<&str, Segment> = BTreeMap::new();
    let mut over: Option<&Kind> = None;
    for (at, event) in events.iter().enumerate() {
        let kind = &event.message.kind;
        let fault = |expected: &str, seen: String| Some(Fault { at, expected: expected.to_owned(), seen });
        if let Some(last) = over
            && !(matches!(kind, Kind::AgentStopped) && *last != Kind::FinalReport)
        {
            return fault("nothing after the run's end", format!("{kind} after {last}"));
        }
        let named = agent(&event.message).filter(|_| !(run_ends_agents && *kind == Kind::FinalReport));
        let Some(name) = named else {
            let open: Vec<_> =
                segments.iter().filter(|(_, segment)| segment.terminal.is_none()).map(|(name, _)| *name).collect();
            match kind {
                Kind::FinalReport if (open.is_empty() || run_ends_agents) && !segments.is_empty() => over = Some(kind),
                Kind::FinalReport if segments.is_empty() => {
                    return fault("agent_started before anything else of the run", format!("{kind} first"));
                }
                Kind::FinalReport => {
                    return fault(
                        "final_report after every agent_completed",
                        format!("{} still open", open.join(", ")),
                    );
                }
                Kind::AgentStopped | Kind::StreamTerminated => over = Some(kind),
                _ => return fault("an agent_name", format!("{kind} without one")),
            }
            continue;
        };
        match (kind, segments.get_mut(name)) {
            (Kind::AgentStarted, None) => {
                segments.insert(name, Segment::default());
            }
            (Kind::AgentStarted, Some(_)) => {
                return fault("an agent to start once in a run", format!("{name} started twice"));
            }
            (Kind::FinalReport, _) => return fault("final_report for no agent", format!("agent_name {name}")),
            (_, None) => {
                return fault("agent_started before anything else of the agent", format!("{kind} of {name} first"));
            }
            (_, Some(Segment { terminal: Some(terminal), .. })) => {
                return fault("nothing of an agent after its end", format!("{kind} of {name} after {terminal}"));
            }
            (Kind::PartialResult, Some(segment)) => {
                if segment.complete {
                    return fault(
                        "is_complete on the last partial_result only",
                        format!("another one of {name} after it"),
                    );
                }
                segment.complete = event.message.field("is_complete").and_then(|it| it.as_bool()).unwrap_or_default();
            }
            (kind, Some(segment)) if is_terminal(kind) => {
                if *kind != Kind::AgentCompleted {
                    over = Some(kind);
                    if segment.complete {
                        return fault("is_complete in a completed segment only", format!("{kind} of {name} after it"));
                    }
                }
                segment.terminal = Some(kind.clone());
            }
            (kind, Some(_)) => debug_assert!(is_of_a_segment(kind), "{kind}"),
        }
    }
    None
}
