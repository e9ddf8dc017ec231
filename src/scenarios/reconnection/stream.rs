//! Runs that are interrupted: how they begin and end.

use std::time::Duration;

use crate::check::{Context, ends_run};
use crate::model::{Stop, Trigger};
use crate::profile::{Profile, TriggerSpec};
use crate::target::Socket;
use crate::wire::Message;

/// Starts the profile's long stream; the `message_created` that answers.
pub(super) async fn start(cx: &Context, socket: &mut Socket, thread: &str) -> Result<Message, Stop> {
    let request = cx.prompt(Trigger::LongStream)?.with("thread_id", thread);
    cx.ask(socket, request).await.map_err(|stop| cx.control_failed("a long stream begins", stop))
}

/// Waits for the first content of a run.
pub(super) async fn first_content(cx: &Context, socket: &mut Socket, run: &str) -> Result<(), Stop> {
    let progress = cx.contract().progress();
    let is_it = |message: &Message| message.run_id() == Some(run) && message.kind == progress;
    let within = cx.profile().thresholds.first_content;
    let begun = cx.message_within(socket, within, "the run's first content", is_it).await;
    begun.map(drop).map_err(|stop| cx.control_failed("a long stream begins", stop))
}

/// Waits for the last event of a run, which may have been passed over already.
pub(super) async fn run_ends(cx: &Context, socket: &mut Socket, run: &str) -> Result<(), Stop> {
    let is_last = |message: &Message| message.run_id() == Some(run) && ends_run(&message.kind);
    if socket.seen().iter().any(|received| received.message.as_ref().is_ok_and(is_last)) {
        return Ok(());
    }
    cx.message_within(socket, cx.profile().thresholds.run, "the end of the run", is_last).await.map(drop)
}

/// How long the profile says that a long stream lasts.
pub(super) fn duration(profile: &Profile) -> Option<Duration> {
    match profile.triggers.get(&Trigger::LongStream)? {
        TriggerSpec::Prompt { min_duration, .. } => *min_duration,
        TriggerSpec::Outage { .. } => None,
    }
}

/// Events that one long stream has at least, as the profile says.
pub(super) fn events_of_a_stream(cx: &Context) -> u64 {
    match cx.profile().triggers.get(&Trigger::LongStream) {
        Some(TriggerSpec::Prompt { events_at_least: Some(events), .. }) => u64::from(*events).max(1),
        _ => 10,
    }
}
