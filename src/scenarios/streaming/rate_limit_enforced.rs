use std::time::Duration;

use super::burst::{retry_after, send, too_many};
use crate::check;
use crate::check::{Check, Context, Waits};
use crate::model::{Blame, Effect, Finding, Group, Inconclusive, Judgement};

pub(super) static CHECK: Check =
    check!("streaming/rate-limit-enforced", run).effects(&[Effect::Quota]).group(Group::Quota).wait(window);

fn window(waits: &Waits<'_>) -> Duration {
    Duration::from_secs_f64(waits.config.rate_limit.window_s)
}

/// A burst must be over within this part of the window, so that next to nothing of the limit comes back meanwhile.
const PART: u32 = 4;

async fn run(cx: &Context) -> Judgement {
    let limit = cx.config().rate_limit.messages;
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let mut burst = None;
    for _ in 0..2 {
        cx.step("a silent window");
        cx.silent_window(&login).await;
        cx.step(format!("{} messages at once", too_many(cx)));
        let tried = send(cx, socket, too_many(cx)).await;
        let in_time = tried.took < window(&cx.waits()) / PART;
        burst = Some(tried);
        if in_time {
            break;
        }
    }
    let Some(burst) = burst.filter(|burst| burst.took < window(&cx.waits()) / PART) else {
        let what = format!(
            "{} messages were not answered within {:.1} s, a quarter of the limit's window",
            too_many(cx),
            window(&cx.waits()).as_secs_f64() / f64::from(PART)
        );
        return Err(Inconclusive::new(Blame::Environment, what).with(cx.evidence()).into());
    };
    let refused: Vec<_> = burst.refused().map(|place| place as u64 + 1).collect();
    let unanswered = burst.answers.iter().filter(|answer| answer.is_none()).count();
    cx.figure(format!(
        "{} of {} messages refused, the first is number {}, in {} ms",
        refused.len(),
        burst.answers.len(),
        refused.first().map_or("none".into(), u64::to_string),
        burst.took.as_millis()
    ));
    let (expected, seen) = ("an answer to every message", || format!("{unanswered} without one"));
    cx.holds(unanswered == 0, Finding::NoAnswer, expected, seen, || socket.evidence())?;
    let expected = format!("the first {limit} messages after a silent window pass");
    let seen = || format!("message {} was refused", refused[0]);
    let passed = refused.first().is_none_or(|first| *first > limit);
    cx.holds(passed, Finding::Refused, expected, seen, || socket.evidence())?;
    let (expected, seen) = (format!("RATE_LIMIT_EXCEEDED beyond {limit}"), || "every message passed".into());
    cx.holds(!refused.is_empty(), Finding::Accepted, expected, seen, || socket.evidence())?;
    if let Some(refusal) = burst.last_refusal() {
        retry_after(cx, socket, refusal)?;
    }
    cx.alive(socket).await?;
    session.close().await;
    cx.conforms()
}
