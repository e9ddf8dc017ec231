use serde_json::Value;

use super::{away, stream};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Finding, Judgement, Stop};
use crate::target::{Login, Socket};
use crate::wire::{Endpoint, Kind, Message};

pub(super) static CHECK: Check = check!("reconnection/duplicate-send-processed-once", run).effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let thread = away::thread(cx, &mut session).await?;
    let content = cx.target().unique("sent-three-times");
    let request = |kind| Message::new(kind).id(cx.target().unique("once"));
    let about = |kind| request(kind).with("thread_id", thread.as_str()).with("content", content.as_str());
    let create = request(Kind::CreateThread).with("title", cx.target().title("created once"));
    let requests = [about(Kind::UserMessage), about(Kind::StartAgent), create];

    let mut first = Vec::new();
    for request in &requests {
        cx.step(format!("{} for the first time", request.kind));
        first.push(cx.ask(&mut session.socket, request.clone()).await?);
    }
    let mut again = cx.session(&login.access).await?;
    for (request, first) in requests.iter().zip(&first) {
        cx.step(format!("{} again, on the same socket", request.kind));
        answered_alike(cx, &mut session.socket, request, first).await?;
        cx.step(format!("{} again, on another socket", request.kind));
        answered_alike(cx, &mut again.socket, request, first).await?;
    }

    cx.step("a further run, as the marker behind everything");
    let marker = about(Kind::UserMessage).with("content", cx.target().unique("marker"));
    let marker = cx.ask(&mut again.socket, marker).await?;
    stream::run_ends(cx, &mut again.socket, marker.run_id().unwrap_or_default()).await?;
    cx.alive(&mut session.socket).await?;
    let asked: Vec<_> = first.iter().chain([&marker]).filter_map(Message::run_id).collect();
    let begun = session.socket.seen().iter().filter_map(|received| received.message.as_ref().ok());
    let other = begun.filter(|it| it.kind == Kind::AgentStarted).find(|it| it.run_id().is_none_or(|run| !asked.contains(&run)));
    let seen = || format!("another run began: {}", other.and_then(Message::run_id).unwrap_or("without a name"));
    let expected = "one run for each message_id";
    cx.holds(other.is_none(), Finding::Duplicated, expected, seen, || session.socket.evidence())?;
    stored_once(cx, &login, &thread, &content, 2).await?;
    again.close().await;
    session.close().await;
    cx.conforms()
}

/// The same request again must be answered with the same ids.
async fn answered_alike(cx: &Context, socket: &mut Socket, request: &Message, first: &Message) -> Result<(), Stop> {
    let answer = cx.ask(socket, request.clone()).await?;
    let ids = |message: &Message| ["id", "run_id", "thread_id"].map(|name| message.text(name).map(str::to_owned));
    let (due, seen) = (ids(first), ids(&answer));
    cx.holds(due == seen, Finding::Duplicated, format!("the same ids {due:?}"), || format!("{seen:?}"), || socket.evidence())
}

/// The history must hold `content` as often as it was asked for with another `message_id`.
async fn stored_once(cx: &Context, login: &Login, thread: &str, content: &str, due: usize) -> Result<(), Stop> {
    cx.step("the history of the thread");
    let call = cx.call(Endpoint::ListMessages).path_param("id", thread).query("limit", 100).bearer(&login.access);
    let answer = call.send().await?;
    cx.success(Endpoint::ListMessages, &answer)?;
    let body = answer.logical_body(cx.contract(), Endpoint::ListMessages).unwrap_or_default();
    let messages = body.get("messages").and_then(Value::as_array).cloned().unwrap_or_default();
    let count = messages.iter().filter(|message| message["content"] == content && message["role"] == "user").count();
    let finding = if count < due { Finding::Lost } else { Finding::Duplicated };
    let expected = format!("{due} messages, one for each message_id");
    cx.holds(count == due, finding, expected, || format!("{count}"), || answer.evidence())
}
