use super::burst::exhaust;
use super::stream::{events, ready};
use crate::check;
use crate::check::{Check, Context, ends_run};
use crate::model::{Effect, Finding, Group, Judgement, Need, NotVerified, Trigger};
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("streaming/throttle-keeps-connection", run)
    .needs(&[Need::Trigger(Trigger::LongStream)])
    .effects(&[Effect::Create, Effect::Quota])
    .group(Group::Quota);

/// Content that must still come after the limit was told.
const FURTHER: usize = 3;

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut streaming = ready(cx, &login.access, "throttled").await?;
    cx.step("a stream begins");
    streaming.flow(cx).await?;
    let (socket, run) = (&mut streaming.session.socket, streaming.run.as_str());
    exhaust(cx, socket).await?;

    cx.step("the connection after the refusal");
    cx.alive(socket).await?;
    if events(socket, run).any(|event| event.kind == Kind::FinalReport) {
        let what = "the stream was over before the limit was used up: let `triggers.long_stream` last longer";
        return Err(NotVerified::NotProvoked(what.into()).into());
    }
    cx.step("the stream after the refusal");
    for _ in 0..FURTHER {
        let is_next = |it: &Message| {
            it.run_id() == Some(run) && (it.kind == Kind::PartialResult || ends_run(&it.kind))
        };
        if events(socket, run).any(|event| ends_run(&event.kind)) {
            break;
        }
        cx.message_within(socket, cx.profile().thresholds.first_content, "partial_result of the stream", is_next).await?;
    }
    let end = events(socket, run).find(|event| ends_run(&event.kind)).map(|event| event.kind.clone());
    let goes_on = end.as_ref().is_none_or(|end| *end == Kind::FinalReport);
    let seen = || end.as_ref().map_or_else(String::new, Kind::to_string);
    cx.holds(goes_on, Finding::MissingEvent, "further partial_result of the stream", seen, || socket.evidence())?;
    if end.is_none() {
        // It has shown that it lives; nobody needs the rest.
        cx.ask(socket, Message::new(Kind::StopAgent).with("run_id", run)).await?;
    }
    streaming.session.close().await;
    cx.conforms()
}
