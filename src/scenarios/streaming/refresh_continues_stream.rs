use std::time::{Duration, Instant};

use super::stream::{BEFORE_END, events, lasts, ready};
use crate::check;
use crate::check::{Check, Context, in_time};
use crate::model::{Effect, Judgement, Need, NotVerified, Trigger};
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("streaming/refresh-continues-stream", run)
    .needs(&[Need::Short, Need::Trigger(Trigger::LongStream)])
    .effects(&[Effect::Create])
    .wait(|waits| waits.short_token() + waits.recheck());

/// So long after the time at which a stream that was not continued has ended at the latest.
const BEYOND: Duration = Duration::from_millis(50);

async fn run(cx: &Context) -> Judgement {
    in_time(|| attempt(cx)).await
}

async fn attempt(cx: &Context) -> Judgement {
    // What the formula has beyond leeway and recheck is the target's time to close; the stream need not outlast it.
    let recheck = Duration::from_secs_f64(cx.config().clock_leeway_s + cx.config().auth_recheck_s);
    let lasts = lasts(cx.profile());
    if lasts < recheck + BEYOND + BEFORE_END {
        let what = format!(
            "the long stream must outlast a token's end by leeway and recheck: let it last {:.1} s, and say so in \
             `triggers.long_stream.min_duration_s`",
            (recheck + BEYOND + BEFORE_END).as_secs_f64()
        );
        return Err(NotVerified::NotProvoked(what).into());
    }
    let new = cx.login().await?;
    let old = cx.short_login(Duration::ZERO).await?;
    let mut streaming = ready(cx, &old.access, "refreshed").await?;
    let beyond = cx.end_of(&old.access).await? + recheck + BEYOND;
    cx.step("a stream that outlasts its first token");
    if let Some(begin) = beyond.checked_sub(lasts) {
        // Not a wait for something to happen: the token's end is this point in time.
        tokio::time::sleep_until(begin.into()).await;
    }
    streaming.begin_before(cx, &old.access).await?;
    cx.step("token_refresh in mid-stream");
    let socket = &mut streaming.session.socket;
    cx.ask(socket, Message::new(Kind::TokenRefresh).with("token", new.access.expose())).await?;
    cx.still_before(&old.access).await?;

    cx.step("the stream past its first token's end");
    cx.run_completes(socket, &streaming.run).await?;
    let ended = Instant::now();
    cx.alive(socket).await?;
    let deltas = events(socket, &streaming.run).filter(|event| event.kind == Kind::PartialResult).count();
    let past = ended.saturating_duration_since(beyond);
    cx.figure(format!("{deltas} partial_result, the last event {} ms past the bound", past.as_millis()));
    if ended < beyond {
        let what = "the long stream was over before its first token: correct `triggers.long_stream.min_duration_s`";
        return Err(NotVerified::NotProvoked(what.into()).into());
    }
    streaming.session.close().await;
    cx.conforms()
}
