//! More messages than the limit lets through. None of them starts an agent.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::check::Context;
use crate::model::{Blame, Finding, Inconclusive, Stop};
use crate::target::{Next, Received, Socket};
use crate::wire::{ErrorCode, Kind, Message};

/// What became of a burst, in the order sent.
pub(super) struct Burst {
    /// The direct answers that came.
    pub(super) answers: Vec<Option<Received>>,
    /// From before the first message to the last answer.
    pub(super) took: Duration,
}

/// A message that counts against the limit and is cheap to answer.
pub(super) fn cheap() -> Message {
    Message::new(Kind::ListThreads).with("limit", 1)
}

/// Half as many again as the limit lets through in one window.
pub(super) fn too_many(cx: &Context) -> u64 {
    cx.config().rate_limit.messages.saturating_mul(3).div_ceil(2)
}

/// Sends `count` messages without waiting for answers, then takes these.
pub(super) async fn send(cx: &Context, socket: &mut Socket, count: u64) -> Burst {
    let began = Instant::now();
    let mut asked = Vec::new();
    for _ in 0..count {
        let id = cx.target().unique("burst");
        socket.send(&cheap().id(id.as_str())).await;
        asked.push(id);
    }
    let deadline = Instant::now() + cx.profile().thresholds.reply;
    let mut answers: Vec<Option<Received>> = vec![None; asked.len()];
    let mut took = began.elapsed();
    let mut left = asked.len();
    while left > 0 {
        let received = match socket.next(deadline.saturating_duration_since(Instant::now())).await {
            Next::Message(received) => received,
            Next::Pong(_) => continue,
            Next::Ended(_) | Next::Silence => break,
        };
        let answered = received.message.as_ref().ok().and_then(Message::in_reply_to);
        let Some(place) = answered.and_then(|id| asked.iter().position(|asked| asked == id)) else { continue };
        took = received.at.saturating_duration_since(began);
        left -= usize::from(answers[place].replace(received).is_none());
    }
    Burst { answers, took }
}

/// A burst must be over within this part of the window, so that next to nothing of the limit comes back meanwhile.
const PART: u32 = 4;

/// That `count` messages came at once, as the limit sees it.
///
/// # Errors
/// Inconclusive, blaming the environment, when they took too long to show a limit.
pub(super) fn at_once(cx: &Context, count: u64, took: Duration) -> Result<(), Stop> {
    let most = Duration::from_secs_f64(cx.config().rate_limit.window_s) / PART;
    let what = || {
        let most = most.as_secs_f64();
        format!("{count} messages were not answered within {most:.1} s, a quarter of the limit's window")
    };
    let slow = || Inconclusive::new(Blame::Environment, what()).with(cx.evidence());
    (took < most).then_some(()).ok_or_else(|| slow().into())
}

impl Burst {
    /// Each message must have been answered, be it with a refusal.
    ///
    /// # Errors
    /// Deviates with [`Finding::NoAnswer`].
    pub(super) fn is_answered(&self, cx: &Context, socket: &Socket) -> Result<(), Stop> {
        let unanswered = self.answers.iter().filter(|answer| answer.is_none()).count();
        let (expected, seen) = ("an answer to every message", || format!("{unanswered} without one"));
        cx.holds(unanswered == 0, Finding::NoAnswer, expected, seen, || socket.evidence())
    }

    /// Places of the messages that were refused for the limit.
    pub(super) fn refused(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.answers.len()).filter(|place| self.answers[*place].as_ref().is_some_and(is_refusal))
    }

    /// The last refusal.
    pub(super) fn last_refusal(&self) -> Option<&Received> {
        self.answers.iter().flatten().rev().find(|received| is_refusal(received))
    }
}

fn is_refusal(received: &Received) -> bool {
    received.error_code() == Some(ErrorCode::RateLimitExceeded)
}

/// Uses the limit up; the last refusal. As the means to an end.
///
/// # Errors
/// Inconclusive, blaming the target, when nothing is refused.
pub(super) async fn exhaust(cx: &Context, socket: &mut Socket) -> Result<Received, Stop> {
    cx.step("more messages than the limit lets through");
    let count = too_many(cx);
    let burst = send(cx, socket, count).await;
    let never = || {
        let what = format!("none of {count} messages at once was refused: see streaming/rate-limit-enforced");
        Inconclusive::new(Blame::Target, what).with(socket.evidence())
    };
    burst.last_refusal().cloned().ok_or_else(|| never().into())
}

/// After which time a refusal says to ask again, where it says so.
pub(super) fn told_retry(refusal: &Received) -> Option<Duration> {
    let told = refusal.message.as_ref().ok()?.field("retry_after_ms")?;
    Duration::try_from_secs_f64(told.as_f64()? / 1e3).ok()
}

/// The same where it must say so.
///
/// # Errors
/// Deviates with [`Finding::BadSchema`] when it does not.
pub(super) fn retry_after(cx: &Context, socket: &Socket, refusal: &Received) -> Result<Duration, Stop> {
    let after = told_retry(refusal);
    let told = || refusal.message.as_ref().ok().and_then(|message| message.field("retry_after_ms"));
    let seen = || format!("retry_after_ms {}", told().unwrap_or(&Value::Null));
    let expected = "RATE_LIMIT_EXCEEDED with retry_after_ms";
    cx.holds(after.is_some(), Finding::BadSchema, expected, seen, || socket.evidence())?;
    Ok(after.unwrap_or_default())
}
