use serde_json::Value;

use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Finding, Judgement};
use crate::wire::{Endpoint, Kind, Message};

pub(super) static CHECK: Check = check!("format/async-order-holds", run).effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let thread = cx.thread(socket, "numbered").await?;
    let thread = thread.as_str();

    // Half of what the limit lets through, so that no message is refused for being one too many.
    let count = 20.min(cx.config().rate_limit.messages / 2);
    cx.step(format!("{count} numbered messages at once on one socket"));
    socket.burst(count).await;
    let mut asked = Vec::new();
    for number in 1..=count {
        let id = cx.target().unique("message");
        let content = format!("Number {number}.");
        let message = Message::new(Kind::UserMessage).with("content", content.as_str()).with("thread_id", thread);
        socket.send(&message.id(id.as_str())).await;
        asked.push((id, content));
    }
    let mut acknowledged = Vec::new();
    while acknowledged.len() < asked.len() {
        let what = format!("answer {} of {count}", acknowledged.len() + 1);
        let is_answer = |message: &Message| asked.iter().any(|(id, _)| message.in_reply_to() == Some(id));
        let answer = cx.message_where(socket, &what, is_answer).await?;
        let content = answer.content().map_or_else(|| answer.kind.to_string(), str::to_owned);
        acknowledged.push(content);
    }
    let sent: Vec<_> = asked.into_iter().map(|(_, content)| content).collect();
    let evidence = || socket.evidence();
    cx.holds(
        acknowledged == sent,
        Finding::WrongOrder,
        "answers in the order of the messages",
        || acknowledged.join(" "),
        evidence,
    )?;

    cx.step("the history over REST");
    let call = cx.call(Endpoint::ListMessages).path_param("id", thread).query("limit", 100).bearer(&login.access);
    let answer = call.send().await?;
    cx.success(Endpoint::ListMessages, &answer)?;
    let page = answer.logical_body(cx.contract(), Endpoint::ListMessages).unwrap_or_default();
    let is_users = |message: &&Value| message.get("role").and_then(Value::as_str) == Some("user");
    let messages = page.get("messages").and_then(Value::as_array).into_iter().flatten().filter(is_users);
    let stored: Vec<_> =
        messages.filter_map(|message| message.get("content")?.as_str()).map(str::to_owned).collect();
    let is_whole = sent.iter().all(|content| stored.contains(content));
    cx.holds(is_whole, Finding::Lost, "every message stored", || stored.join(" "), || answer.evidence())?;
    let expected = "stored in the order in which they were sent, each once";
    cx.holds(stored == sent, Finding::WrongOrder, expected, || stored.join(" "), || answer.evidence())?;

    // Ends the runs, too.
    cx.ask(socket, Message::new(Kind::DeleteThread).with("thread_id", thread)).await?;
    session.close().await;
    cx.conforms()
}
