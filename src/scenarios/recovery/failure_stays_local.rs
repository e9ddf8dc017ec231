use super::failure::{healthy, provoked};
use crate::check;
use crate::check::{Check, Context, ends_run, said};
use crate::model::{Effect, Group, Judgement, Need, NotVerified, Stop, Trigger};
use crate::profile::TriggerSpec;
use crate::check::PLAIN_PROMPT;
use crate::target::{Login, Socket};
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("recovery/failure-stays-local", run)
    .needs(&[Need::Trigger(Trigger::AgentFailure), Need::TwoUsers])
    .effects(&[Effect::Create])
    .group(Group::Breaker);

async fn run(cx: &Context) -> Judgement {
    let (login, neighbour) = (cx.login().await?, cx.second_login().await?);
    let (mut own, mut other) = (cx.session(&login.access).await?, cx.session(&neighbour.access).await?);
    let failing = cx.thread(&mut own.socket, "failing").await?;
    let (own_thread, other_thread) =
        (cx.thread(&mut own.socket, "whole").await?, cx.thread(&mut other.socket, "neighbour").await?);

    cx.step("runs of another agent and of another user");
    let begin = |thread: &str| lasting(cx).with("thread_id", thread);
    let others = cx.starts(&mut other.socket, begin(&other_thread)).await?;
    let owns = cx.starts(&mut own.socket, begin(&own_thread)).await?;
    cx.step("a run that fails at the same time");
    let error = provoked(cx, &mut own.socket, Trigger::AgentFailure, &failing).await?;
    cx.alive(&mut other.socket).await?;
    let over = ended(&own.socket, &owns) || ended(&other.socket, &others);

    cx.step("the other user's run");
    whole(cx, &mut other.socket, &neighbour, &other_thread, &others).await?;
    cx.step("the user's own run of another agent");
    whole(cx, &mut own.socket, &login, &own_thread, &owns).await?;
    let agent = lead(&own.socket, &owns);
    cx.step("the next run of the agent that failed");
    let next = healthy(cx, Trigger::AgentFailure)?.with("thread_id", failing);
    cx.whole_run(&mut own.socket, next).await?;
    own.close().await;
    other.close().await;
    if over {
        let what = "the other runs were over before the failure: set `triggers.long_stream`";
        return Err(NotVerified::NotProvoked(what.into()).into());
    }
    if agent.as_deref() == error.text("agent_name") {
        let what = "no other agent of the user is known than the one that fails: set \
                    `triggers.agent_failure.agent_name` to one that does not take plain messages";
        return Err(NotVerified::NotProvoked(what.into()).into());
    }
    cx.conforms()
}

/// What lasts longer than a failure, where the profile knows such a thing.
fn lasting(cx: &Context) -> Message {
    let content = match cx.profile().triggers.get(&Trigger::LongStream) {
        Some(TriggerSpec::Prompt { content, .. }) => content.as_str(),
        _ => PLAIN_PROMPT,
    };
    Message::new(Kind::UserMessage).with("content", content)
}

fn messages(socket: &Socket) -> impl Iterator<Item = &Message> {
    socket.seen().iter().filter_map(|received| received.message.as_ref().ok())
}

fn ended(socket: &Socket, run: &str) -> bool {
    messages(socket).any(|message| message.run_id() == Some(run) && ends_run(&message.kind))
}

/// The agent that begins a run.
fn lead(socket: &Socket, run: &str) -> Option<String> {
    let is_start = |message: &&Message| message.run_id() == Some(run) && message.kind == Kind::AgentStarted;
    messages(socket).find(is_start)?.text("agent_name").map(str::to_owned)
}

/// A run that must complete, and of which all that was said is kept.
async fn whole(cx: &Context, socket: &mut Socket, login: &Login, thread: &str, run: &str) -> Result<(), Stop> {
    cx.run_completes(socket, run).await?;
    let said = said(messages(socket), run);
    cx.kept(login, thread, run, &said).await
}
