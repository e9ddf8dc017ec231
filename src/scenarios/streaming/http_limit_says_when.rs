use std::time::{Duration, Instant};

use super::burst::{exhaust, told_retry};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Blame, Effect, Finding, Group, Inconclusive, Judgement, Stop};
use crate::target::{Response, Socket, Token};
use crate::wire::Endpoint;

pub(super) static CHECK: Check =
    check!("streaming/http-limit-says-when", run).should().effects(&[Effect::Quota]).group(Group::Quota);

/// How often the limit is used up before it is said that it fills faster than we can ask.
const TRIES: u32 = 3;

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let answer = limited(cx, &mut session.socket, &login.access).await?;
    let after = answer.retry_after();
    let seen = || answer.header("retry-after").map_or_else(|| "none".into(), |it| format!("Retry-After: {it}"));
    let expected = "Retry-After with whole seconds";
    cx.holds(after.is_some(), Finding::WrongHeader, expected, seen, || answer.evidence())?;
    session.close().await;
    cx.conforms()
}

/// The answer over REST to a user whose limit is used up.
async fn limited(cx: &Context, socket: &mut Socket, token: &Token) -> Result<Response, Stop> {
    for _ in 0..TRIES {
        let began = Instant::now();
        let refusal = exhaust(cx, socket).await?;
        // What does not say when it has room again has none before its window is over.
        let window = Duration::from_secs_f64(cx.config().rate_limit.window_s);
        let full = told_retry(&refusal).unwrap_or(window);
        cx.step("a list over REST when the user's limit is used up");
        let answer = cx.call(Endpoint::ListThreads).query("limit", 1).bearer(token).send().await?;
        // Where the limit fills drop by drop, there may be room for one again.
        if answer.status == 429 || began.elapsed() < full {
            cx.status(&answer, &[429])?;
            return Ok(answer);
        }
    }
    let what = format!("{TRIES} times the limit had room again before REST could be asked");
    Err(Inconclusive::new(Blame::Environment, what).with(cx.evidence()).into())
}
