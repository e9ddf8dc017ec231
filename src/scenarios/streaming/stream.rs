//! Long streams, and how they end with the credential that started them.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::check::{Context, Session, ends_run, is_of_a_run, said};
use crate::model::{Blame, Finding, Inconclusive, NotVerified, Stop, Trigger};
use crate::profile::{Profile, TriggerSpec};
use crate::target::{Login, Socket, Token};
use crate::wire::{ErrorCode, Kind, Message};

/// What must come before a token's end comes so much earlier, or is done once more.
pub(super) const BEFORE_END: Duration = Duration::from_millis(600);

/// A session with a thread of its own, and the long stream on it once it has begun.
pub(super) struct Streaming {
    pub(super) session: Session,
    pub(super) thread: String,
    pub(super) run: String,
}

/// A session that is ready to stream.
pub(super) async fn ready(cx: &Context, token: &Token, what: &str) -> Result<Streaming, Stop> {
    let mut session = cx.session(token).await?;
    let thread = cx.thread(&mut session.socket, what).await?;
    Ok(Streaming { session, thread, run: String::new() })
}

impl Streaming {
    /// Begins the long stream.
    ///
    /// # Errors
    /// Inconclusive, blaming the target, when it does not begin.
    pub(super) async fn begin(&mut self, cx: &Context) -> Result<(), Stop> {
        let request = cx.prompt(Trigger::LongStream)?.with("thread_id", self.thread.as_str());
        let begun = cx.starts(&mut self.session.socket, request).await;
        self.run = begun.map_err(|stop| cx.control_failed("a long stream begins", stop))?;
        Ok(())
    }

    /// Begins the long stream before the token ends by which it will be judged.
    ///
    /// # Errors
    /// Inconclusive, blaming the harness, when we were too late; else as [`Self::begin`].
    pub(super) async fn begin_before(&mut self, cx: &Context, end: Instant) -> Result<(), Stop> {
        let begun = self.begin(cx).await;
        in_life(cx, end, begun)
    }

    /// Begins the long stream and waits for its first content.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(super) async fn flow(&mut self, cx: &Context) -> Result<(), Stop> {
        self.begin(cx).await?;
        cx.streams(&mut self.session.socket, &self.run).await
    }
}

/// How long the profile promises that a long stream lasts.
pub(super) fn lasts(profile: &Profile) -> Duration {
    match profile.triggers.get(&Trigger::LongStream) {
        Some(TriggerSpec::Prompt { min_duration, .. }) => min_duration.unwrap_or_default(),
        _ => Duration::ZERO,
    }
}

/// A short-lived login of the first user with a session that is ready to stream, and when its token ends. What else
/// a check needs it has made before: this one's time is short.
pub(super) async fn short_lived(cx: &Context, what: &str) -> Result<(Login, Streaming, Instant), Stop> {
    let login = cx.short_login(Duration::ZERO).await?;
    let end = cx.end_of(&login.access).await?;
    let streaming = ready(cx, &login.access, what).await.map_err(|stop| cx.control_failed("a thread is created", stop));
    Ok((login, in_life(cx, end, streaming)?, end))
}

/// What was done with a token that had to live: where it does not any more, that says nothing.
pub(super) fn in_life<T>(cx: &Context, end: Instant, done: Result<T, Stop>) -> Result<T, Stop> {
    if Instant::now() < end {
        return done;
    }
    let what = format!("the short token expired before this was done: {}", cx.doing());
    Err(Inconclusive::new(Blame::Harness, what).with(cx.evidence()).into())
}

/// Waits until a stream that begins then is in its middle when its token ends.
pub(super) async fn middle_at(cx: &Context, end: Instant) {
    if let Some(begin) = end.checked_sub((lasts(cx.profile()) / 2).max(BEFORE_END)) {
        // Not a wait for something to happen: the token's end is this point in time.
        tokio::time::sleep_until(begin.into()).await;
    }
}

fn messages(socket: &Socket) -> impl Iterator<Item = &Message> {
    socket.seen().iter().filter_map(|received| received.message.as_ref().ok())
}

/// The events of a run on a socket.
pub(super) fn events<'s>(socket: &'s Socket, run: &'s str) -> impl Iterator<Item = &'s Message> {
    messages(socket).filter(move |message| is_of_a_run(&message.kind) && message.run_id() == Some(run))
}

/// What a socket has seen of a run must end with `stream_terminated`, told for this reason; what was said until then.
///
/// # Errors
/// Not verified when the run was over before; else deviates.
pub(super) fn terminated(cx: &Context, socket: &Socket, run: &str, code: &ErrorCode) -> Result<String, Stop> {
    let evidence = || socket.evidence();
    let events: Vec<_> = events(socket, run).collect();
    let end = events.iter().position(|message| ends_run(&message.kind));
    if end.is_some_and(|end| events[end].kind == Kind::FinalReport) {
        let what = "the long stream was over before its credential: let it last longer, and say so in \
                    `triggers.long_stream.min_duration_s`";
        return Err(NotVerified::NotProvoked(what.into()).into());
    }
    let told = end.map(|end| events[end]);
    let seen = || told.map_or_else(|| "no end of the run".into(), |end| end.kind.to_string());
    let is_told = told.is_some_and(|end| end.kind == Kind::StreamTerminated);
    cx.holds(is_told, Finding::MissingEvent, "stream_terminated of the run", seen, evidence)?;
    let (Some(end), Some(told)) = (end, told) else { return Ok(String::new()) };
    let seen = told.error_code();
    let named = || seen.as_ref().map_or_else(|| "no error_code".into(), |code| format!("stream_terminated {code}"));
    cx.holds(seen.as_ref() == Some(code), Finding::WrongCode, format!("stream_terminated {code}"), named, evidence)?;

    let late: Vec<_> =
        events[end + 1..].iter().filter(|it| !is_of_the_end(&it.kind)).map(|it| it.kind.slug()).collect();
    let (expected, seen) = ("nothing of the run after stream_terminated", || late.join(", "));
    cx.holds(late.is_empty(), Finding::UnexpectedEvent, expected, seen, evidence)?;
    let mut ended: Vec<_> = events[end..].iter().filter_map(|it| it.text("agent_name")).collect();
    let ends = ended.len();
    ended.sort_unstable();
    ended.dedup();
    let (expected, seen) = ("one end of each agent", || format!("{ends} ends of {}", ended.join(", ")));
    cx.holds(ended.len() == ends, Finding::UnexpectedEvent, expected, seen, evidence)?;
    let mut errors = messages(socket).filter(|it| it.kind == Kind::Error && it.error_code().as_ref() == Some(code));
    if let Some(error) = errors.next() {
        let place = |message: &Message| messages(socket).position(|other| std::ptr::eq(other, message));
        let (expected, seen) = ("stream_terminated before the error", || "the error first".to_owned());
        cx.holds(place(told) < place(error), Finding::WrongOrder, expected, seen, evidence)?;
    }
    let said = said(events[..end].iter().copied(), run);
    let length = told.field("content_so_far_length").and_then(Value::as_u64);
    let due = said.chars().count() as u64;
    let (expected, seen) = (format!("content_so_far_length {due}"), || format!("content_so_far_length {length:?}"));
    cx.holds(length == Some(due), Finding::WrongValue, expected, seen, evidence)?;
    Ok(said)
}

/// What tells the end of segments that were open.
const fn is_of_the_end(kind: &Kind) -> bool {
    matches!(kind, Kind::StreamTerminated | Kind::AgentStopped)
}

/// A complete run of a socket, behind everything that was sent to it before.
///
/// # Errors
/// Inconclusive when it does not complete.
pub(super) async fn marker(cx: &Context, streaming: &mut Streaming) -> Result<(), Stop> {
    let marker = Message::new(Kind::UserMessage).with("content", crate::check::PLAIN_PROMPT);
    let marker = marker.with("thread_id", streaming.thread.as_str());
    let done = cx.whole_run(&mut streaming.session.socket, marker).await;
    done.map(drop).map_err(|stop| cx.control_failed("a run completes", stop))
}

/// A further login of the first user, whose family stays.
pub(super) async fn staying(cx: &Context, what: &str) -> Result<(Login, Streaming), Stop> {
    let login = cx.login().await?;
    let streaming = ready(cx, &login.access, what).await?;
    Ok((login, streaming))
}
