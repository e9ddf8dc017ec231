//! A user with two sockets and REST, and what is asked of all of them.

use std::time::Duration;

use serde_json::Value;

use crate::check::{Context, Rest, Session, items, text};
use crate::model::{Evidence, Stop, Trigger};
use crate::profile::{Profile, TriggerSpec};
use crate::target::{Login, Socket};
use crate::wire::{Kind, Message};

/// What any agent can answer.
pub(super) const PROMPT: &str = "Say hello.";

/// A user at work.
pub(super) struct Owner<'c> {
    pub(super) login: Login,
    pub(super) rest: Rest<'c>,
    /// The socket that asks.
    pub(super) asking: Session,
    /// One that only listens.
    pub(super) second: Session,
}

/// The ways in which a thread is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Socket,
    Rest,
}

impl Way {
    pub(super) const BOTH: [Self; 2] = [Self::Socket, Self::Rest];

    /// In a step.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Socket => "over the socket",
            Self::Rest => "over REST",
        }
    }
}

impl<'c> Owner<'c> {
    /// The check's first user.
    pub(super) async fn of(cx: &'c Context) -> Result<Self, Stop> {
        let login = cx.login().await?;
        let (asking, second) = (cx.session(&login.access).await?, cx.session(&login.access).await?);
        Ok(Self { rest: cx.rest(&login), login, asking, second })
    }

    pub(super) fn sockets(&mut self) -> [(&'static str, &mut Socket); 2] {
        [("the asking socket", &mut self.asking.socket), ("the second socket", &mut self.second.socket)]
    }

    pub(super) async fn leave(self) {
        self.asking.close().await;
        self.second.close().await;
    }
}

/// A message about a thread.
pub(super) fn about(kind: Kind, thread: &str) -> Message {
    Message::new(kind).with("thread_id", thread)
}

/// The threads that the socket lists, and what shows them.
pub(super) async fn listed(cx: &Context, socket: &mut Socket) -> Result<(Vec<Value>, Evidence), Stop> {
    let list = cx.ask(socket, Message::new(Kind::ListThreads).with("limit", 100)).await?;
    Ok((items(&Value::Object(list.payload), "threads"), socket.evidence()))
}

/// The entry of a thread in a list.
pub(super) fn entry<'l>(list: &'l [Value], thread: &str) -> Option<&'l Value> {
    list.iter().find(|entry| text(entry, "id") == thread)
}

/// Messages after which nothing of a run comes.
pub(super) const fn ends_run(kind: &Kind) -> bool {
    matches!(kind, Kind::FinalReport | Kind::AgentError | Kind::AgentStopped | Kind::StreamTerminated)
}

/// Reads to the end of a run, which may have been passed over already.
///
/// # Errors
/// Inconclusive when it does not end: that is a matter of the lifecycle.
pub(super) async fn run_ends(cx: &Context, socket: &mut Socket, run: &str, within: Duration) -> Result<(), Stop> {
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
pub(super) async fn stop(cx: &Context, socket: &mut Socket, run: &str) -> Result<(), Stop> {
    // A run that was over before is answered with an error, which is no matter here.
    socket.send(&Message::new(Kind::StopAgent).with("run_id", run).id(cx.target().unique("stop"))).await;
    run_ends(cx, socket, run, cx.profile().thresholds.stop + cx.profile().thresholds.reply).await
}

/// Starts the profile's long stream, and waits for its first content; the run.
///
/// # Errors
/// Inconclusive when there is none: that is a matter of the lifecycle.
pub(super) async fn long_stream(cx: &Context, socket: &mut Socket, thread: Option<&str>) -> Result<Message, Stop> {
    let request = cx.prompt(Trigger::LongStream)?;
    let request = thread.into_iter().fold(request, |request, thread| request.with("thread_id", thread));
    let control = |stop| cx.control_failed("a long stream begins", stop);
    let started = cx.ask(socket, request).await.map_err(control)?;
    let run = started.run_id().unwrap_or_default().to_owned();
    let is_content = |message: &Message| message.kind == Kind::PartialResult && message.run_id() == Some(&run);
    let within = cx.profile().thresholds.first_content;
    cx.message_within(socket, within, "the run's first content", is_content).await.map_err(control)?;
    Ok(started)
}

/// How long the profile says that a long stream lasts.
pub(super) fn duration(profile: &Profile) -> Duration {
    match profile.triggers.get(&Trigger::LongStream) {
        Some(TriggerSpec::Prompt { min_duration: Some(duration), .. }) => *duration,
        _ => Duration::ZERO,
    }
}

/// What came on a socket, in order.
pub(super) fn messages(socket: &Socket) -> impl Iterator<Item = &Message> {
    socket.seen().iter().filter_map(|received| received.message.as_ref().ok())
}
