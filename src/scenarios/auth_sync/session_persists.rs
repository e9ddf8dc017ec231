use serde_json::{Value, json};

use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Judgement, Stop};
use crate::target::{Response, Token};
use crate::wire::{Endpoint, Kind, Message};

pub(super) static CHECK: Check = check!("auth-sync/session-persists", run).effects(&[Effect::Create]);

/// What belongs to a user, as one token shows it.
struct Belongings {
    profile: Value,
    thread: Value,
    history: Value,
}

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    cx.step("a thread with a message");
    let call = cx.call(Endpoint::CreateThread).json(&json!({"title": cx.target().title("session")}));
    let thread = body(cx, Endpoint::CreateThread, &call.bearer(&login.access).send().await?)?;
    let thread = thread.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let call = cx.call(Endpoint::PostMessage).path_param("id", &thread).bearer(&login.access);
    let content = cx.target().unique("message");
    body(cx, Endpoint::PostMessage, &call.json(&json!({"content": content})).send().await?)?;

    let first = belongings(cx, "the first login", &login.access, &thread, None).await?;
    let second = cx.login().await?;
    belongings(cx, "a second login", &second.access, &thread, Some(&first)).await?;
    cx.step("a new socket");
    let mut session = cx.session(&second.access).await?;
    cx.welcomes(&session, first.profile.get("user_id").and_then(Value::as_str).unwrap_or_default())?;
    let request = Message::new(Kind::GetThreadHistory).with("thread_id", thread.as_str());
    let told = cx.ask(&mut session.socket, request).await?;
    let ids = ids(told.field("messages"));
    cx.same("messages of the history", &self::ids(first.history.get("messages")), &ids, || session.socket.evidence())?;
    session.close().await;
    if login.refresh.is_some() {
        cx.step("refresh");
        let renewed = cx.target().refresh(cx.recorder(), &login).await?;
        belongings(cx, "the refreshed token", &renewed.access, &thread, Some(&first)).await?;
    }
    cx.step("the thread is removed");
    let call = cx.call(Endpoint::DeleteThread).path_param("id", &thread).bearer(&login.access);
    cx.status(&call.send().await?, cx.contract().success(Endpoint::DeleteThread))?;
    cx.conforms()
}

/// Profile, thread and history as `token` shows them; equal to those that are known.
async fn belongings(
    cx: &Context,
    whose: &str,
    token: &Token,
    thread: &str,
    known: Option<&Belongings>,
) -> Result<Belongings, Stop> {
    cx.step(format!("the profile with {whose}"));
    let answer = cx.call(Endpoint::UserProfile).bearer(token).send().await?;
    let profile = body(cx, Endpoint::UserProfile, &answer)?;
    cx.same_json("profile", known.map_or(&profile, |known| &known.profile), &profile, || answer.evidence())?;

    cx.step(format!("the list of threads with {whose}"));
    let answer = cx.call(Endpoint::ListThreads).query("limit", 100).bearer(token).send().await?;
    let list = body(cx, Endpoint::ListThreads, &answer)?;
    let is_it = |listed: &&Value| listed.get("id").and_then(Value::as_str) == Some(thread);
    let listed = list.as_array().and_then(|list| list.iter().find(is_it)).cloned().unwrap_or_default();
    let wanted = known.map_or(Value::from(thread), |known| known.thread.clone());
    let seen = if known.is_some() { listed.clone() } else { listed.get("id").cloned().unwrap_or_default() };
    cx.same_json("thread", &wanted, &seen, || answer.evidence())?;

    cx.step(format!("the history with {whose}"));
    let call = cx.call(Endpoint::ListMessages).path_param("id", thread).bearer(token);
    let answer = call.send().await?;
    let history = body(cx, Endpoint::ListMessages, &answer)?;
    cx.same_json("history", known.map_or(&history, |known| &known.history), &history, || answer.evidence())?;
    Ok(Belongings { profile, thread: listed, history })
}

fn body(cx: &Context, endpoint: Endpoint, answer: &Response) -> Result<Value, Stop> {
    cx.success(endpoint, answer)?;
    Ok(answer.logical_body(cx.contract(), endpoint).unwrap_or_default())
}

fn ids(messages: Option<&Value>) -> Vec<String> {
    let messages = messages.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    messages.iter().filter_map(|message| message.get("id")?.as_str().map(str::to_owned)).collect()
}
