use std::time::Instant;

use super::stream::{Streaming, events, middle_at, ready, short_lived, staying, terminated};
use crate::check;
use crate::check::{Check, Context, in_time, said};
use crate::model::{Effect, Finding, Judgement, Need, Stop, Trigger};
use crate::target::Login;
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("streaming/other-streams-unaffected", run)
    .needs(&[Need::Short, Need::TwoUsers, Need::Trigger(Trigger::LongStream)])
    .effects(&[Effect::Create])
    .wait(|waits| waits.short_token() + waits.recheck());

async fn run(cx: &Context) -> Judgement {
    in_time(|| attempt(cx)).await
}

async fn attempt(cx: &Context) -> Judgement {
    let neighbour = cx.second_login().await?;
    let (login, mut sibling) = staying(cx, "sibling").await?;
    let mut other = ready(cx, &neighbour.access, "neighbour").await?;
    let (_, mut ending, end) = short_lived(cx, "expiring").await?;
    cx.step("three streams, and the token of one that ends");
    middle_at(cx, end).await;
    ending.begin_before(cx, end).await?;
    sibling.begin_before(cx, end).await?;
    other.begin_before(cx, end).await?;
    let left = (end + cx.waits().recheck()).saturating_duration_since(Instant::now());
    cx.thrown_out(&mut ending.session.socket, left, &ErrorCode::TokenExpired).await?;
    terminated(cx, &ending.session.socket, &ending.run, &ErrorCode::TokenExpired)?;

    cx.step("the neighbour's stream");
    whole(cx, &mut other, &neighbour).await?;
    cx.step("the stream of the user's other session");
    whole(cx, &mut sibling, &login).await?;
    cx.step("the other session is told of the stream that ended");
    cx.alive(&mut sibling.session.socket).await?;
    terminated(cx, &sibling.session.socket, &ending.run, &ErrorCode::TokenExpired)?;
    let foreign = events(&other.session.socket, &ending.run).next().is_some();
    let (expected, seen) = ("nothing of it for the neighbour", || "events of the run".into());
    cx.holds(!foreign, Finding::ForeignData, expected, seen, || other.session.socket.evidence())?;
    other.session.close().await;
    sibling.session.close().await;
    cx.conforms()
}

/// A stream that goes on to its good end, with all that was said.
async fn whole(cx: &Context, streaming: &mut Streaming, login: &Login) -> Result<(), Stop> {
    let socket = &mut streaming.session.socket;
    cx.run_completes(socket, &streaming.run).await?;
    let said = said(events(socket, &streaming.run), &streaming.run);
    cx.kept(login, &streaming.thread, &streaming.run, &said).await
}
