use std::collections::BTreeSet;

use super::{expiry, refresh};
use crate::check;
use crate::check::{Check, Context, ends_run};
use crate::model::{Effect, Finding, Judgement, Need, Stop, Trigger};
use crate::target::{Response, Socket};
use crate::wire::{Endpoint, Kind, Message};

pub(super) static CHECK: Check = check!("handshake/refresh-keeps-connection", run)
    .needs(&[Need::Trigger(Trigger::LongStream)])
    .effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    cx.step("starting the long stream");
    let thread = cx.thread(socket, "long stream").await.map_err(|stop| cx.control_failed("a thread is created", stop))?;
    let created = cx.ask(socket, cx.prompt(Trigger::LongStream)?.with("thread_id", thread)).await?;
    let of_run = |message: &Message| message.run_id() == created.run_id();
    let first = |message: &Message| message.kind == Kind::PartialResult && of_run(message);
    let begun = cx.message_within(socket, cx.profile().thresholds.first_content, "partial_result", first).await;
    begun.map_err(|stop| cx.control_failed("the stream begins", stop))?;

    cx.step("token_refresh in mid-stream");
    let rotated = cx.target().refresh(cx.recorder(), &login).await?;
    let refreshed = cx.ask(socket, refresh::with(&rotated.access)).await?;
    expiry::told(cx, &refreshed, &rotated.access, || socket.evidence())?;

    cx.step("the stream after the refresh");
    let last = |message: &Message| of_run(message) && ends_run(&message.kind);
    let end = cx.message_within(socket, cx.profile().thresholds.run, "the run's end", last).await;
    let end = end.map_err(|stop| stop.within("thresholds.run_s"))?.kind;
    cx.holds(
        end == Kind::FinalReport,
        Finding::MissingEvent,
        "final_report",
        || end.to_string(),
        || socket.evidence(),
    )?;
    let said = said_once(cx, socket, of_run)?;

    cx.step("the history of the thread");
    let thread = created.thread_id().unwrap_or_default();
    let call = cx.call(Endpoint::ListMessages).path_param("id", thread).bearer(&rotated.access);
    let history = call.send().await?;
    cx.success(Endpoint::ListMessages, &history)?;
    let kept = answer_of_run(cx, &history, created.run_id());
    cx.same("the run's content", &Some(said), &kept, || history.evidence())?;
    session.close().await;
    cx.conforms()
}

/// The deltas of a run in which no agent began twice, on a socket that was welcomed once.
fn said_once(cx: &Context, socket: &Socket, of_run: impl Fn(&Message) -> bool) -> Result<String, Stop> {
    let (mut said, mut begun) = (String::new(), BTreeSet::new());
    for message in socket.seen().iter().filter_map(|received| received.message.as_ref().ok()) {
        let once = match message.kind {
            Kind::ConnectionEstablished => true,
            Kind::AgentStarted => of_run(message),
            _ => false,
        };
        let again = once && !begun.insert((message.kind.slug(), message.text("agent_name")));
        let seen = || format!("{} {}, a second time", message.kind, message.text("agent_name").unwrap_or_default());
        let expected = "one welcome, and each agent begins once";
        cx.holds(!again, Finding::Duplicated, expected, seen, || socket.evidence())?;
        if message.kind == Kind::PartialResult && of_run(message) {
            said.push_str(message.content().unwrap_or_default());
        }
    }
    Ok(said)
}

/// What the history holds as the run's one assistant message.
fn answer_of_run(cx: &Context, history: &Response, run: Option<&str>) -> Option<String> {
    let body = history.logical_body(cx.contract(), Endpoint::ListMessages)?;
    let text = |message: &serde_json::Value, pointer: &str| Some(message.pointer(pointer)?.as_str()?.to_owned());
    let mut of_run = body.get("messages")?.as_array()?.iter().filter(|message| {
        text(message, "/role").as_deref() == Some("assistant") && text(message, "/metadata/run_id").as_deref() == run
    });
    text(of_run.next()?, "/content").filter(|_| of_run.next().is_none())
}
