use serde_json::{Value, json};

use super::content::{difference, samples};
use crate::check;
use crate::check::{Check, Context, Session};
use crate::model::{Effect, Evidence, Finding, Judgement, Stop};
use crate::target::Login;
use crate::wire::{Endpoint, ErrorCode, Kind, Message};

pub(super) static CHECK: Check = check!("format/content-field-maps", run).smoke().effects(&[Effect::Create]);

/// A message that was sent and taken.
struct Sent {
    step: String,
    id: String,
    content: String,
}

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut first = cx.session(&login.access).await?;
    let mut second = cx.session(&login.access).await?;
    let thread = cx.thread(&mut first.socket, "contents").await?;
    let thread = thread.as_str();

    let mut sent = Vec::new();
    for sample in samples() {
        cx.step(format!("{}, posted over REST", sample.name));
        sent.extend(posted(cx, &login, thread, sample.name, &sample.content).await?);
    }
    for sample in samples().into_iter().filter(|sample| sample.as_message) {
        cx.step(format!("{}, as user_message", sample.name));
        let message = Message::new(Kind::UserMessage).with("content", sample.content.as_str()).with("thread_id", thread);
        let created = cx.ask(&mut first.socket, message).await?;
        equal(cx, &sample.content, created.content(), || first.socket.evidence())?;
        let id = created.text("id").unwrap_or_default().to_owned();
        sent.push(Sent { step: cx.doing(), id, content: sample.content });
    }

    for (session, which) in [(&mut first, "own"), (&mut second, "second")] {
        announced(cx, session, which, &sent).await?;
    }
    stored(cx, &login, thread, &sent).await?;
    cx.ask(&mut first.socket, Message::new(Kind::DeleteThread).with("thread_id", thread)).await?;
    first.close().await;
    second.close().await;
    cx.conforms()
}

/// `None` when the content is one that may be refused whole, and was.
async fn posted(
    cx: &Context,
    login: &Login,
    thread: &str,
    name: &str,
    content: &str,
) -> Result<Option<Sent>, Stop> {
    let call = cx.call(Endpoint::PostMessage).path_param("id", thread).bearer(&login.access);
    let answer = call.json(&json!({"content": content})).send().await?;
    if content.contains('\0') && answer.status == 422 {
        cx.http_refused(&answer, &[422], &[ErrorCode::InvalidRequest, ErrorCode::InvalidMessage])?;
        return Ok(None);
    }
    cx.success(Endpoint::PostMessage, &answer)?;
    let body = answer.logical_body(cx.contract(), Endpoint::PostMessage).unwrap_or_default();
    equal(cx, content, text(&body, "content"), || answer.evidence())?;
    let id = text(&body, "id").unwrap_or_default().to_owned();
    Ok(Some(Sent { step: format!("{name}, posted over REST"), id, content: content.to_owned() }))
}

/// Each message was announced on this socket, content unchanged.
async fn announced(cx: &Context, session: &mut Session, which: &str, sent: &[Sent]) -> Result<(), Stop> {
    for Sent { step, id, content } in sent {
        cx.step(format!("{step}: message_created on the {which} socket"));
        let is_it = |message: &Message| message.kind == Kind::MessageCreated && message.text("id") == Some(id);
        let seen = session.socket.seen().iter().find_map(|received| received.message.clone().ok().filter(is_it));
        let created = match seen {
            Some(created) => created,
            None => cx.message_where(&mut session.socket, "message_created", is_it).await?,
        };
        equal(cx, content, created.content(), || session.socket.evidence())?;
    }
    Ok(())
}

/// Each message is in the history over REST, content unchanged.
async fn stored(cx: &Context, login: &Login, thread: &str, sent: &[Sent]) -> Result<(), Stop> {
    let call = cx.call(Endpoint::ListMessages).path_param("id", thread).query("limit", 100);
    let answer = call.bearer(&login.access).send().await?;
    cx.success(Endpoint::ListMessages, &answer)?;
    let page = answer.logical_body(cx.contract(), Endpoint::ListMessages).unwrap_or_default();
    let messages = page.get("messages").and_then(Value::as_array).cloned().unwrap_or_default();
    for Sent { step, id, content } in sent {
        cx.step(format!("{step}: history over REST"));
        let stored = messages.iter().find(|message| text(message, "id") == Some(id));
        equal(cx, content, stored.and_then(|message| text(message, "content")), || answer.evidence())?;
    }
    Ok(())
}

fn text<'v>(object: &'v Value, field: &str) -> Option<&'v str> {
    object.get(field)?.as_str()
}

fn equal(cx: &Context, sent: &str, seen: Option<&str>, evidence: impl FnOnce() -> Evidence) -> Result<(), Stop> {
    let expected = "`content` character for character as it was sent";
    cx.holds(seen == Some(sent), Finding::WrongValue, expected, || difference(sent, seen), evidence)
}
