//! What the defects of streams and limits do: to plans, to credentials that end, to users who send too much.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::Backend;
use super::hub::Hub;
use super::prompt::{Act, Step};
use super::runs::{Ending, Status, about};
use super::session::Close;
use super::watch::until;
use crate::reference::policy::StreamPolicy;
use crate::wire::{ErrorCode, Kind, Message};

/// Longer than the first content may take in the profile `local`.
const SLOW: Duration = Duration::from_secs(5);
/// Longer than anybody waits.
const NEVER: Duration = Duration::from_secs(3_600);

/// The plan of a run as a defective agent carries it out.
pub(super) fn misplanned(policy: StreamPolicy, mut steps: Vec<Step>) -> Vec<Step> {
    let says: Vec<_> = (0..steps.len()).filter(|at| matches!(steps[*at].act, Act::Say { .. })).collect();
    if policy.slow_first_event.on() {
        says.first().into_iter().for_each(|at| steps[*at].after += SLOW);
    }
    if policy.stream_stalls.on()
        && let Some(next) = says.get(1).and_then(|at| steps.get_mut(at + 1))
    {
        next.after = NEVER;
    }
    if policy.last_delta_incomplete.on() {
        for step in &mut steps {
            if let Act::Say { last, .. } = &mut step.act {
                *last = false;
            }
        }
    }
    steps
}

/// What becomes of a session, and of others, whose credential ends; `true` when that is all.
pub(super) fn expires(hub: &mut Hub, user: &str, session: &str, code: &ErrorCode) -> bool {
    let policy = hub.site.policy().streams;
    if *code != ErrorCode::TokenExpired {
        return false;
    }
    if policy.expiry_abrupt.on() {
        for run in hub.user(user).runs.values_mut().filter(|run| run.session == session) {
            run.status = Status::Terminated;
        }
        let socket = hub.session_mut(user, session).and_then(|session| session.socket);
        socket.into_iter().for_each(|socket| hub.hang_up(socket, Close::silent()));
        return true;
    }
    let ending = Ending::Terminated(code.clone());
    if policy.expiry_kills_siblings.on() {
        hub.end_runs(user, &ending, |_| true);
    }
    if policy.expiry_kills_all.on() {
        let users: Vec<_> = hub.users.keys().cloned().collect();
        users.iter().for_each(|user| hub.end_runs(user, &ending, |_| true));
    }
    false
}

/// What a newer token leaves as it was.
pub(super) fn refreshed(backend: &Arc<Backend>, user: &str, session: &str, old_end: OffsetDateTime) {
    if backend.site.policy().streams.refresh_ignored_by_stream.on() {
        let (of_task, user, session) = (backend.clone(), user.to_owned(), session.to_owned());
        backend.site.spawn(async move {
            tokio::time::sleep(until(old_end)).await;
            let ending = Ending::Terminated(ErrorCode::TokenExpired);
            of_task.hub().end_runs(&user, &ending, |run| run.session == session);
        });
    }
}

/// What becomes of a user who has passed the limit.
pub(super) fn throttled(hub: &mut Hub, user: &str, socket: u64) {
    let policy = hub.site.policy().limits;
    if policy.throttle_kills_stream.on() {
        hub.end_runs(user, &Ending::Stopped("too many messages"), |_| true);
    }
    if policy.throttle_closes.on() {
        hub.hang_up(socket, Close::after_all(1008, "too many messages"));
    }
}

/// What runs on the thread that a text asks for, whoever asks.
pub(super) fn overheard(hub: &Hub, text: &str) -> Vec<Message> {
    let asked: Value = serde_json::from_str(text).unwrap_or_default();
    let thread = asked.pointer("/payload/thread_id").and_then(Value::as_str).unwrap_or_default();
    let runs = hub.users.values().flat_map(|user| &user.runs).filter(|(_, run)| run.thread == thread);
    let running = runs.filter(|(_, run)| run.status == Status::Running);
    running
        .map(|(id, run)| {
            let payload = json!({"content": run.said, "is_complete": false});
            about(id, &run.thread, Some(run.lead), Kind::PartialResult, payload)
        })
        .collect()
}
