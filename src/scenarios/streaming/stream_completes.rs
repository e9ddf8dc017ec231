use std::collections::BTreeSet;

use crate::check;
use crate::check::{Check, Context, PLAIN_PROMPT};
use crate::model::{Effect, Finding, Judgement};
use crate::wire::{Kind, Message};

use super::stream::events;

pub(super) static CHECK: Check =
    check!("streaming/stream-completes", run).effects(&[Effect::Create]).smoke().required();

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let thread = cx.thread(socket, "stream").await?;
    cx.step("a stream to its end");
    let request = Message::new(Kind::UserMessage).with("content", PLAIN_PROMPT).with("thread_id", thread);
    let run = cx.whole_run(socket, request).await?;

    let events: Vec<_> = events(socket, &run).collect();
    let named = |kind: &Kind| -> BTreeSet<&str> {
        events.iter().filter(|it| it.kind == *kind).filter_map(|it| it.text("agent_name")).collect()
    };
    cx.step("the end of each agent");
    let (started, completed) = (named(&Kind::AgentStarted), named(&Kind::AgentCompleted));
    let told = |agents: &BTreeSet<&str>| agents.iter().copied().collect::<Vec<_>>().join(", ");
    let (expected, seen) = (format!("agent_completed of {}", told(&started)), || format!("of {}", told(&completed)));
    cx.holds(started == completed, Finding::MissingEvent, expected, seen, || socket.evidence())?;
    cx.step("is_complete of each agent's last partial_result");
    let mut streamed = 0;
    for agent in &started {
        let own = events.iter().filter(|it| it.kind == Kind::PartialResult && it.text("agent_name") == Some(agent));
        let marks: Vec<_> = own.map(|it| it.field("is_complete") == Some(&true.into())).collect();
        let Some((last, before)) = marks.split_last() else { continue };
        streamed += 1;
        let right = *last && !before.contains(&true);
        let (expected, seen) = ("is_complete true on the last one only", || format!("is_complete {marks:?} of {agent}"));
        cx.holds(right, Finding::WrongValue, expected, seen, || socket.evidence())?;
    }
    let none = || "none in the whole run".into();
    cx.holds(streamed > 0, Finding::MissingEvent, "partial_result", none, || socket.evidence())?;
    session.close().await;
    cx.conforms()
}
