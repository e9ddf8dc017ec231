use std::time::{Duration, Instant};

use serde_json::Value;

use super::{away, stream};
use crate::check;
use crate::check::{Check, Context, ends_run};
use crate::model::{Effect, Finding, Judgement, Need, Stop, Trigger};
use crate::target::{Login, Received};
use crate::wire::{Endpoint, Kind, Message};

pub(super) static CHECK: Check = check!("reconnection/run-survives-disconnect", run)
    .needs(&[Need::Trigger(Trigger::LongStream)])
    .effects(&[Effect::Create])
    .wait(|waits| stream::duration(waits.profile).unwrap_or(Duration::ZERO));

/// Between two looks at the thread; a single read counts against no limit.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let thread = away::thread(cx, &mut session).await?;
    let started = stream::start(cx, &mut session.socket, &thread).await?;
    let run = started.run_id().unwrap_or_default();
    stream::first_content(cx, &mut session.socket, run).await?;

    cx.step("the user's only connection is closed in mid-stream");
    let of_run = |message: &&Message| message.run_id() == Some(run) && message.kind == Kind::PartialResult;
    session.socket.close(1000, "").await;
    session.socket.ended(Duration::from_secs(2)).await;
    let lost = session.lost();
    let before = session.socket.seen().iter().filter_map(message).filter(of_run).filter_map(Message::content);
    let mut content: String = before.collect();
    cx.step("the run ends without a socket");
    let stored = result(cx, &login, &thread, run).await?;

    cx.step("the session is restored after the run's end");
    let (mut session, _) = cx.restored(cx.upgrade_with(&login.access), &lost).await?;
    cx.alive(&mut session.socket).await?;
    let is_end = |message: &&Message| message.run_id() == Some(run) && ends_run(&message.kind);
    let end = away::of_session(&session).find(is_end).map(|message| message.kind.clone());
    let seen = || end.as_ref().map_or_else(|| "no end of the run".into(), |kind| format!("{kind}"));
    let completed = end == Some(Kind::FinalReport);
    cx.holds(completed, Finding::MissingEvent, "final_report", seen, || session.socket.evidence())?;
    content.extend(away::of_session(&session).filter(of_run).filter_map(Message::content));
    cx.same("the history's content", &content, &stored, || session.socket.evidence())?;
    session.close().await;
    cx.conforms()
}

fn message(received: &Received) -> Option<&Message> {
    received.message.as_ref().ok()
}

/// The content of the run's one message in the history, as soon as there is one.
async fn result(cx: &Context, login: &Login, thread: &str, run: &str) -> Result<String, Stop> {
    let call = |endpoint| cx.call(endpoint).path_param("id", thread).bearer(&login.access);
    let within = cx.profile().thresholds.run;
    let deadline = Instant::now() + within;
    loop {
        let answer = call(Endpoint::GetThread).send().await?;
        cx.success(Endpoint::GetThread, &answer)?;
        let body = answer.logical_body(cx.contract(), Endpoint::GetThread).unwrap_or_default();
        if body.get("message_count").and_then(Value::as_u64).is_some_and(|count| count > 1) {
            break;
        }
        let expected = format!("an answer in the history within {} s", within.as_secs_f64());
        let seen = || "the user's message alone".into();
        cx.holds(Instant::now() < deadline, Finding::Lost, expected, seen, || answer.evidence())?;
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let answer = call(Endpoint::ListMessages).send().await?;
    cx.success(Endpoint::ListMessages, &answer)?;
    let body = answer.logical_body(cx.contract(), Endpoint::ListMessages).unwrap_or_default();
    let messages = body.get("messages").and_then(Value::as_array).cloned().unwrap_or_default();
    let stored = messages.iter().find(|message| message.pointer("/metadata/run_id").is_some_and(|it| it == run));
    let seen = || format!("{} messages, none of them the run's", messages.len());
    cx.holds(stored.is_some(), Finding::Lost, "the run's message in the history", seen, || answer.evidence())?;
    Ok(stored.and_then(|message| message["content"].as_str()).unwrap_or_default().to_owned())
}
