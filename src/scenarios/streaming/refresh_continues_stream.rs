use std::time::{Duration, Instant};

use super::stream::{BEFORE_END, events, in_life, lasts, short_lived};
use crate::check;
use crate::check::{Check, Context, in_time};
use crate::model::{Effect, Judgement, Need, NotVerified, Trigger};
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("streaming/refresh-continues-stream", run)
    .needs(&[Need::Short, Need::Trigger(Trigger::LongStream)])
    .effects(&[Effect::Create])
    .wait(|waits| waits.short_token() + waits.recheck());

async fn run(cx: &Context) -> Judgement {
    in_time(|| attempt(cx)).await
}

async fn attempt(cx: &Context) -> Judgement {
    // What the formula has beyond leeway and recheck is the target's time to close; the stream need not outlast it.
    let recheck = Duration::from_secs_f64(cx.config().clock_leeway_s + cx.config().auth_recheck_s);
    let lasts = lasts(cx.profile());
    if lasts < recheck + BEFORE_END {
        let what = format!(
            "the long stream must outlast a token's end by leeway and recheck: let it last {:.1} s, and say so in \
             `triggers.long_stream.min_duration_s`",
            (recheck + BEFORE_END).as_secs_f64()
        );
        return Err(NotVerified::NotProvoked(what).into());
    }
    let new = cx.login().await?;
    let (_, mut streaming, end) = short_lived(cx, "refreshed").await?;
    // A stream that was not continued has ended by then at the latest.
    let beyond = end + recheck;
    cx.step("a stream that outlasts its first token");
    if let Some(begin) = beyond.checked_sub(lasts) {
        // Not a wait for something to happen: the token's end is this point in time.
        tokio::time::sleep_until(begin.into()).await;
    }
    // One right behind the other: the time between the two is all that there is.
    let (socket, id) = (&mut streaming.session.socket, cx.target().unique("refreshed"));
    let request = cx.prompt(Trigger::LongStream)?.with("thread_id", streaming.thread.as_str());
    socket.send(&request.id(id.as_str())).await;
    cx.step("token_refresh when the stream has been asked for");
    let refreshed = cx.ask(socket, Message::new(Kind::TokenRefresh).with("token", new.access.expose())).await;
    in_life(cx, end, refreshed)?;
    cx.still_before_end(end)?;
    let is_answer = |message: &Message| message.in_reply_to() == Some(&id);
    let begun = cx.event(socket, cx.profile().thresholds.reply, "message_created", is_answer).await?;
    let run = begun.run_id().unwrap_or_default();

    cx.step("the stream past its first token's end");
    cx.run_completes(socket, run).await?;
    let ended = Instant::now();
    cx.alive(socket).await?;
    let deltas = events(socket, run).filter(|event| event.kind == Kind::PartialResult).count();
    let past = ended.saturating_duration_since(beyond);
    cx.figure(format!("{deltas} partial_result, the last event {} ms past the bound", past.as_millis()));
    if ended < beyond {
        let what = "the long stream was over before its first token: correct `triggers.long_stream.min_duration_s`";
        return Err(NotVerified::NotProvoked(what.into()).into());
    }
    streaming.session.close().await;
    cx.conforms()
}
