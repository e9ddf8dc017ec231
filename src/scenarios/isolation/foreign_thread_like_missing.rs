use serde_json::{Value, json};

use super::likeness::{difference, of_message, of_response};
use crate::check;
use crate::check::work::{about, messages, perhaps_long_stream, run_ends, streams};
use crate::check::{Check, Context, PLAIN_PROMPT, Rest, absent, text};
use crate::model::{Effect, Evidence, Finding, Judgement, Need, Stop};
use crate::target::{Response, Socket};
use crate::wire::{Endpoint, ErrorCode, Kind, Message};

pub(super) static CHECK: Check = check!("isolation/foreign-thread-like-missing", run)
    .smoke()
    .needs(&[Need::TwoUsers])
    .effects(&[Effect::Create]);

/// What is asked about a thread over REST.
const CALLS: [Endpoint; 5] =
    [Endpoint::GetThread, Endpoint::ListMessages, Endpoint::UpdateThread, Endpoint::PostMessage, Endpoint::DeleteThread];
/// The same on the socket.
const REQUESTS: [Kind; 6] = [
    Kind::SwitchThread,
    Kind::GetThreadHistory,
    Kind::RenameThread,
    Kind::UserMessage,
    Kind::StartAgent,
    Kind::DeleteThread,
];

async fn run(cx: &Context) -> Judgement {
    let (owner, stranger) = (cx.login().await?, cx.second_login().await?);
    let (rest, foreign_rest) = (cx.rest(&owner), cx.rest(&stranger));
    let (mut session, mut strange) = (cx.session(&owner.access).await?, cx.session(&stranger.access).await?);
    cx.step("a thread of one user");
    let thread = cx.thread(&mut session.socket, "private").await?;
    rest.post(&thread, &cx.target().unique("private")).await?;
    let before = rest.thread(&thread).await?.0;

    for endpoint in CALLS {
        cx.step(format!("REST of another user: {}", endpoint.slug()));
        over_rest(cx, &foreign_rest, endpoint, &thread).await?;
    }
    for kind in REQUESTS {
        cx.step(format!("the socket of another user: {kind}"));
        let content = cx.target().unique("intruded");
        let request = |id: &str| match kind {
            Kind::RenameThread => about(kind.clone(), id).with("title", content.as_str()),
            Kind::UserMessage | Kind::StartAgent => about(kind.clone(), id).with("content", PLAIN_PROMPT),
            _ => about(kind.clone(), id),
        };
        over_socket(cx, &mut strange.socket, request, &thread, ErrorCode::ThreadNotFound).await?;
    }
    if let Some(request) = perhaps_long_stream(cx) {
        stopped_by_nobody_else(cx, &mut session.socket, &mut strange.socket, request).await?;
    }
    unchanged(cx, &rest, &thread, &before).await?;
    session.close().await;
    strange.close().await;
    cx.conforms()
}

/// The answer about a foreign thread is the one about threads that do not exist.
async fn over_rest(cx: &Context, rest: &Rest<'_>, endpoint: Endpoint, thread: &str) -> Result<(), Stop> {
    let title = cx.target().title("intruded");
    let ask = async |id: &str| -> Result<Response, Stop> {
        let call = rest.call(endpoint, id);
        let call = match endpoint {
            Endpoint::UpdateThread => call.json(&json!({"title": title})),
            Endpoint::PostMessage => call.json(&json!({"content": title})),
            _ => call,
        };
        Ok(call.send().await?)
    };
    let mut missing = Vec::new();
    for id in [absent(thread), absent(&absent(thread))] {
        let answer = ask(&id).await?;
        cx.status(&answer, &[404]).map_err(|stop| cx.control_failed("a missing thread is refused", stop))?;
        missing.push(of_response(&answer, &id));
    }
    let answer = ask(thread).await?;
    cx.status(&answer, &[404])?;
    like(cx, &missing, &of_response(&answer, thread), || answer.evidence())
}

/// The same on the socket, about anything that has an id.
async fn over_socket(
    cx: &Context,
    socket: &mut Socket,
    request: impl Fn(&str) -> Message,
    id: &str,
    code: ErrorCode,
) -> Result<(), Stop> {
    let codes = [code];
    let mut missing = Vec::new();
    for absent in [absent(id), absent(&absent(id))] {
        let control = |stop| cx.control_failed("what is missing is refused", stop);
        let answer = cx.ask_refused(socket, request(&absent), &codes).await.map_err(control)?;
        missing.push(of_message(&answer, &absent));
    }
    let answer = cx.ask_refused(socket, request(id), &codes).await?;
    like(cx, &missing, &of_message(&answer, id), || socket.evidence())
}

fn like(cx: &Context, missing: &[Value], foreign: &Value, evidence: impl FnOnce() -> Evidence) -> Result<(), Stop> {
    let [one, other] = missing else { return Ok(()) };
    let found = difference([one, other], foreign);
    let seen = || found.clone().unwrap_or_default();
    cx.holds(found.is_none(), Finding::WrongValue, "the answer to what does not exist", seen, evidence)
}

/// A run goes on whoever else wants to stop it, until its owner does.
async fn stopped_by_nobody_else(cx: &Context, socket: &mut Socket, strange: &mut Socket, request: Message) -> Result<(), Stop> {
    cx.step("the socket of another user: stop_agent");
    let thread = cx.thread(socket, "running").await?;
    let started = streams(cx, socket, request.with("thread_id", thread)).await?;
    let run = started.run_id().unwrap_or_default().to_owned();
    let request = |id: &str| Message::new(Kind::StopAgent).with("run_id", id);
    over_socket(cx, strange, request, &run, ErrorCode::RunNotFound).await?;
    cx.step("the owner stops the run");
    let id = cx.target().unique("stop");
    let named = cx.contract().answers_bear_ids();
    if !named {
        // Then only the order tells whose end it is.
        cx.alive(socket).await?;
    }
    let before = socket.seen().len();
    socket.send(&request(&run).id(id.as_str())).await;
    run_ends(cx, socket, &run, cx.profile().thresholds.stop + cx.profile().thresholds.reply).await?;
    // It may have come to its own end before.
    let is_foreign = |it: &&Message| {
        let is_own = !named || it.in_reply_to() == Some(&id);
        it.kind == Kind::AgentStopped && it.run_id() == Some(&run) && !is_own
    };
    let stopped = |it: &&Message| it.kind == Kind::AgentStopped && it.run_id() == Some(&run);
    let early = socket.seen()[..before].iter().filter_map(|received| received.message.as_ref().ok()).find(stopped);
    let foreign = early.or_else(|| messages(socket).find(is_foreign));
    let seen = || format!("agent_stopped that answers {:?}", foreign.and_then(Message::in_reply_to));
    cx.holds(foreign.is_none(), Finding::UnexpectedEvent, "no end but its own, or by its owner", seen, || socket.evidence())
}

/// The owner sees the thread as it was.
async fn unchanged(cx: &Context, rest: &Rest<'_>, thread: &str, before: &Value) -> Result<(), Stop> {
    cx.step("the thread of its owner, afterwards");
    let (after, answer) = rest.thread(thread).await?;
    cx.same("title", &text(before, "title"), &text(&after, "title"), || answer.evidence())?;
    let count = |thread: &Value| thread.get("message_count").cloned().unwrap_or_default();
    cx.same_json("message_count", &count(before), &count(&after), || answer.evidence())
}
