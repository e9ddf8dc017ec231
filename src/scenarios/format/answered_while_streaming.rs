use std::time::Duration;

use super::requests::{Due, is_due};
use crate::check;
use crate::check::{Check, Context, ends_run};
use crate::model::{Blame, Effect, Finding, Inconclusive, Judgement, Need, NotVerified, Stop, Trigger};
use crate::profile::TriggerSpec;
use crate::target::{Next, Socket};
use crate::wire::{ErrorCode, Kind, Message};

pub(super) static CHECK: Check = check!("format/answered-while-streaming", run)
    .needs(&[Need::Trigger(Trigger::LongStream)])
    .effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let TriggerSpec::Prompt { content, min_duration, .. } = cx.trigger(Trigger::LongStream)? else {
        return Err(NotVerified::Lacks(Need::Trigger(Trigger::LongStream)).into());
    };
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let thread = |what: &str| Message::new(Kind::CreateThread).with("title", cx.target().title(what));
    let spare = cx.ask(socket, thread("spare")).await?;
    let created = cx.ask(socket, thread("streaming")).await?;
    let id = created.thread_id().unwrap_or_default();
    let about = |kind: Kind| Message::new(kind).with("thread_id", id);

    cx.step("a long stream begins");
    let started = cx.ask(socket, about(Kind::UserMessage).with("content", content.as_str())).await?;
    let run = started.run_id().unwrap_or_default();
    let progress = cx.contract().progress();
    let is_content = |message: &Message| message.run_id() == Some(run) && message.kind == progress;
    let first_content = cx.profile().thresholds.first_content;
    cx.message_within(socket, first_content, "the stream's first content", is_content)
        .await
        .map_err(|stop| stop.within("thresholds.first_content_s"))?;

    let restore = Message::new(Kind::SessionRestore).with("connection_id", session.welcome.connection_id().unwrap_or_default());
    let unknown_run = [ErrorCode::RunNotFound];
    let requests = [
        (Message::new(Kind::Ping), Due::Answer),
        (Message::new(Kind::ListThreads), Due::Answer),
        (about(Kind::GetThreadHistory), Due::Answer),
        (about(Kind::SwitchThread), Due::Answer),
        (about(Kind::RenameThread).with("title", cx.target().title("renamed while streaming")), Due::Answer),
        (thread("created while streaming"), Due::Answer),
        (about(Kind::UserMessage).with("content", "Say hello."), Due::Answer),
        (about(Kind::StartAgent).with("content", "Say hello."), Due::Answer),
        (Message::new(Kind::StopAgent).with("run_id", "no-such-run"), Due::Error(&unknown_run)),
        (Message::new(Kind::DeleteThread).with("thread_id", spare.thread_id().unwrap_or_default()), Due::Answer),
        (Message::new(Kind::TokenRefresh).with("token", login.access.expose()), Due::Answer),
        // Not the first message of its connection any more.
        (restore.with("last_sequence", 1), Due::Error(&[ErrorCode::InvalidMessage])),
    ];
    cx.step("every kind of request while it streams");
    let enough = min_duration.unwrap_or(cx.profile().thresholds.reply) / 2;
    answered_before(cx, socket, run, enough, &requests).await?;
    cx.step("the stream is stopped");
    cx.ask(socket, about(Kind::DeleteThread)).await?;
    session.close().await;
    cx.conforms()
}

/// Sends all requests and takes their answers, each before the end of `run`. Where the run leaves
/// them less time than `enough`, nothing was learnt.
async fn answered_before(
    cx: &Context,
    socket: &mut Socket,
    run: &str,
    enough: Duration,
    requests: &[(Message, Due<'_>)],
) -> Result<(), Stop> {
    // All at once: what waits for its turn might miss the run.
    socket.burst(requests.len() as u64).await;
    let began = tokio::time::Instant::now();
    let mut open = Vec::new();
    for (request, due) in requests {
        let id = cx.target().unique(request.kind.slug());
        socket.send(&request.clone().id(id.as_str())).await;
        open.push((id, &request.kind, *due));
    }
    let reply = cx.profile().thresholds.reply;
    while let Some((_, first, _)) = open.first() {
        let waiting_for = format!("the answer to {first} while the run streams");
        let message = match socket.next(reply.saturating_sub(began.elapsed())).await {
            Next::Message(received) => received.message,
            Next::Pong(_) => continue,
            Next::Ended(end) => {
                let seen = format!("the connection ended: {end}");
                return Err(cx.deviation(Finding::Closed, [waiting_for], seen, socket.evidence()));
            }
            Next::Silence => {
                cx.punctual(began.into_std(), reply)?;
                return Err(cx.deviation(Finding::NoAnswer, [waiting_for], "nothing of the kind", socket.evidence()));
            }
        };
        let Ok(message) = message else { continue };
        if message.run_id() == Some(run) && ends_run(&message.kind) {
            if began.elapsed() < enough {
                let what = "the stream ended too soon to tell whether it held answers up";
                return Err(Inconclusive::new(Blame::Target, what).with(socket.evidence()).into());
            }
            cx.punctual(began.into_std(), began.elapsed())?;
            let seen = format!("{} ended the run first", message.kind);
            return Err(cx.deviation(Finding::Late, [waiting_for], seen, socket.evidence()));
        }
        if let Some(place) = open.iter().position(|(id, _, _)| message.in_reply_to() == Some(id)) {
            let (_, kind, due) = open.remove(place);
            is_due(cx, socket, kind, &message, due)?;
        }
    }
    Ok(())
}
