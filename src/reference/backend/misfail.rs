//! What the defects of failures do to them: to their plan, to what is told of them, to what comes after.

use std::time::Duration;

use serde_json::{Value, json};

use super::hub::Hub;
use super::prompt::{Act, Failure, Step};
use super::refusal::Refusal;
use super::runs::{Ending, Status, about};
use super::session::Close;
use crate::reference::policy::FailurePolicy;
use crate::wire::{ErrorCode, Kind, Message};

/// Longer than a failure may take in the profile `local`.
const LATE: Duration = Duration::from_secs(3);
/// Longer than anybody waits.
const NEVER: Duration = Duration::from_secs(3_600);

/// The plan of a run as a defective agent carries it out.
pub(super) fn misplanned(policy: FailurePolicy, mut steps: Vec<Step>) -> Vec<Step> {
    for step in &mut steps {
        let Act::Fail(failure) = &mut step.act else { continue };
        if policy.error_late.on() {
            step.after += LATE;
        }
        if failure.error_type == "timeout" && policy.silent_timeout.on() {
            step.after = NEVER;
        }
        if policy.wrong_error_type.on() {
            failure.error_type = "internal";
        }
    }
    steps
}

/// What `agent_error` says, where a defect lets it say something else.
pub(super) fn disfigured(policy: FailurePolicy, payload: &mut Value) {
    if policy.no_retry_time.on()
        && let Value::Object(members) = payload
    {
        members.shift_remove("retry_after_ms");
    }
    for (is_on, message) in [
        (policy.empty_error_message.on(), ""),
        (
            policy.leaks_stack_trace.on(),
            "Traceback (most recent call last):\n  File \"/app/agents/llm.py\", line 88, in call\nModelError: no answer",
        ),
        (policy.leaks_secret.on(), "The model refused the key sk-live-4f7a9c21d0e85b36. Please try again later."),
    ] {
        if is_on {
            payload["message"] = Value::from(message);
        }
    }
}

/// What is sent in place of `agent_error`.
pub(super) fn sent(policy: FailurePolicy, mut error: Message) -> Vec<Message> {
    if policy.swallow_error.on() {
        return Vec::new();
    }
    let run = error.run_id().unwrap_or_default().to_owned();
    let completed = policy.error_then_completed.on().then(|| {
        let (thread, agent) = (error.thread_id().unwrap_or_default(), error.text("agent_name"));
        let payload = json!({"duration_ms": 1.0, "result": "done", "metrics": {"steps": 2}});
        about(&run, thread, None, Kind::AgentCompleted, payload).with("agent_name", agent)
    });
    if policy.error_wrong_run.on() {
        error.payload.insert("run_id".into(), format!("{run}-2").into());
    }
    std::iter::once(error).chain(completed).collect()
}

/// The features that `graceful_degradation` names as available; `None` where it is not sent.
pub(super) fn announced(policy: FailurePolicy, mut available: Vec<String>) -> Option<Vec<String>> {
    if policy.degradation_lies.on() {
        available.push("agent:archive".into());
    }
    (!policy.no_degradation_event.on()).then_some(available)
}

/// The refusal of an agent that does not exist.
pub(super) fn no_agent(hub: &mut Hub, thread: Option<&str>) -> Refusal {
    if hub.site.policy().failures.refusal_poisons_thread.on() {
        hub.poisoned.extend(thread.map(str::to_owned));
    }
    Refusal::new(ErrorCode::AgentNotFound, "There is no agent of this name.")
}

/// Whether runs can be started on a thread.
pub(super) fn check(hub: &Hub, thread: Option<&str>) -> Result<(), Refusal> {
    match thread.is_some_and(|thread| hub.poisoned.contains(thread)) {
        true => Err(Refusal::new(ErrorCode::Internal, "Something went wrong. Please try again later.")),
        false => Ok(()),
    }
}

impl Hub {
    /// What a failure does to thread, connection and other runs; nothing, without a defect.
    pub(super) fn after_failure(&mut self, user: &str, run: &str, thread: &str, failure: Failure) {
        let policy = self.site.policy().failures;
        if policy.poisoned_thread.on() {
            self.poisoned.insert(thread.to_owned());
        }
        if policy.socket_dies_on_error.on() {
            let session = self.users.get(user).and_then(|user| Some(user.runs.get(run)?.session.clone()));
            let socket = session.and_then(|session| self.session_mut(user, &session)?.socket);
            socket.into_iter().for_each(|socket| self.hang_up(socket, Close::after_all(1011, "internal error")));
        }
        if policy.failure_spreads.on() {
            let running: Vec<_> = self
                .users
                .iter()
                .flat_map(|(user, known)| known.runs.iter().map(move |(id, run)| (user, id, run)))
                .filter(|(_, _, run)| run.status == Status::Running)
                .map(|(user, id, run)| (user.clone(), id.clone(), run.lead))
                .collect();
            for (user, id, lead) in running {
                self.end_run(&user, &id, &Ending::Failed(lead, failure), None);
            }
        }
    }
}
