//! What checks ask of threads and runs on their way to what they are about.

use std::time::Duration;

use serde_json::Value;

use super::{Context, Waits, ends_run, items, text};
use crate::model::{Evidence, Stop, Trigger};
use crate::profile::TriggerSpec;
use crate::target::Socket;
use crate::wire::{Kind, Message};

impl Waits<'_> {
    /// How long the profile says that a long stream lasts.
    pub fn long_stream(&self) -> Duration {
        match self.profile.triggers.get(&Trigger::LongStream) {
            Some(TriggerSpec::Prompt { min_duration: Some(duration), .. }) => *duration,
            _ => Duration::ZERO,
        }
    }
}

/// A message about a thread.
pub fn about(kind: Kind, thread: &str) -> Message {
    Message::new(kind).with("thread_id", thread)
}

/// The threads that the socket lists, and what shows them.
///
/// # Errors
/// As [`Context::ask`].
pub async fn listed(cx: &Context, socket: &mut Socket) -> Result<(Vec<Value>, Evidence), Stop> {
    let list = cx.ask(socket, Message::new(Kind::ListThreads).with("limit", 100)).await?;
    Ok((items(&Value::Object(list.payload), "threads"), socket.evidence()))
}

/// The entry of a thread in a list.
pub fn entry<'l>(list: &'l [Value], thread: &str) -> Option<&'l Value> {
    list.iter().find(|entry| text(entry, "id") == thread)
}

/// Reads to the end of a run, which may have been passed over already.
///
/// # Errors
/// Inconclusive when it does not end: that is a matter of the lifecycle.
pub async fn run_ends(cx: &Context, socket: &mut Socket, run: &str, within: Duration) -> Result<(), Stop> {
    let is_last = |message: &Message| message.run_id() == Some(run) && ends_run(&message.kind);
    if socket.seen().iter().any(|received| received.message.as_ref().is_ok_and(is_last)) {
        return Ok(());
    }
    let end = cx.message_within(socket, within, "the end of the run", is_last).await;
    end.map(drop).map_err(|stop| cx.control_failed("a run ends", stop))
}

/// Stops a run, or sees that it is over.
///
/// # Errors
/// As [`run_ends`].
pub async fn stop(cx: &Context, socket: &mut Socket, run: &str) -> Result<(), Stop> {
    // A run that was over before is answered with an error, which is no matter here.
    socket.send(&Message::new(Kind::StopAgent).with("run_id", run).id(cx.target().unique("stop"))).await;
    run_ends(cx, socket, run, cx.profile().thresholds.stop + cx.profile().thresholds.reply).await?;
    if !cx.contract().answers_bear_ids() {
        // That error must not be taken for the answer to what is asked next.
        socket.send(&Message::new(Kind::Ping)).await;
        let pong = cx.message(socket, &Kind::Pong).await;
        pong.map_err(|stop| cx.control_failed("a ping is answered", stop))?;
    }
    Ok(())
}

/// Starts the profile's long stream, and waits for its first content; the answer that names the run.
///
/// # Errors
/// Inconclusive when there is none: that is a matter of the lifecycle.
pub async fn long_stream(cx: &Context, socket: &mut Socket, thread: Option<&str>) -> Result<Message, Stop> {
    let request = cx.prompt(Trigger::LongStream)?;
    streams(cx, socket, thread.into_iter().fold(request, |request, thread| request.with("thread_id", thread))).await
}

/// The message that starts a long stream, where the profile has one: for checks that go further with it.
pub fn perhaps_long_stream(cx: &Context) -> Option<Message> {
    match cx.profile().triggers.get(&Trigger::LongStream)? {
        TriggerSpec::Prompt { content, .. } => Some(Message::new(Kind::UserMessage).with("content", content.as_str())),
        TriggerSpec::Outage { .. } => None,
    }
}

/// Sends what starts a run, and waits for the run's first content; the answer that names the run.
///
/// # Errors
/// Inconclusive when there is none: that is a matter of the lifecycle.
pub async fn streams(cx: &Context, socket: &mut Socket, request: Message) -> Result<Message, Stop> {
    let control = |stop| cx.control_failed("a stream begins", stop);
    let started = cx.ask(socket, request).await.map_err(control)?;
    let run = started.run_id().unwrap_or_default().to_owned();
    let progress = cx.contract().progress();
    let is_content = |message: &Message| message.kind == progress && message.run_id() == Some(&run);
    let within = cx.profile().thresholds.first_content;
    cx.message_within(socket, within, "the run's first content", is_content).await.map_err(control)?;
    Ok(started)
}

/// What came on a socket, in order.
pub fn messages(socket: &Socket) -> impl Iterator<Item = &Message> {
    socket.seen().iter().filter_map(|received| received.message.as_ref().ok())
}
