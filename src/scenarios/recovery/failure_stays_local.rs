use super::failure::{healthy, window};
use crate::check;
use crate::check::{Check, Context, PLAIN_PROMPT, Session, ends_run, said};
use crate::model::{Effect, Finding, Group, Judgement, Need, NotVerified, Stop, Trigger};
use crate::profile::TriggerSpec;
use crate::target::{Login, Socket};
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("recovery/failure-stays-local", run)
    .needs(&[Need::Trigger(Trigger::AgentFailure), Need::TwoUsers])
    .effects(&[Effect::Create])
    .group(Group::Breaker);

/// So often a failure is tried to fall into runs that may be short; then into long ones, where the profile has them.
const ROUNDS: usize = 3;

/// A user, a session, and the thread of a run that must stay whole.
struct User {
    login: Login,
    session: Session,
    thread: String,
}

async fn run(cx: &Context) -> Judgement {
    let mut own = user(cx, cx.login().await?, "whole").await?;
    let mut other = user(cx, cx.second_login().await?, "neighbour").await?;
    let failing = cx.thread(&mut own.session.socket, "failing").await?;
    let long = match cx.profile().triggers.get(&Trigger::LongStream) {
        Some(TriggerSpec::Prompt { content, .. }) => Some(content.as_str()),
        _ => None,
    };
    let mut met = None;
    for content in std::iter::repeat_n(PLAIN_PROMPT, ROUNDS).chain(long) {
        met = round(cx, &mut own, &mut other, &failing, content).await?;
        if met.is_some() {
            break;
        }
    }
    own.session.close().await;
    other.session.close().await;
    let Some(Agents { failed, beside }) = met else {
        let what = "the other runs were over before the failure: set `triggers.long_stream`";
        return Err(NotVerified::NotProvoked(what.into()).into());
    };
    if failed == beside {
        let what = "no other agent of the user is known than the one that fails: set \
                    `triggers.agent_failure.agent_name` to one that does not take plain messages";
        return Err(NotVerified::NotProvoked(what.into()).into());
    }
    cx.conforms()
}

async fn user(cx: &Context, login: Login, what: &str) -> Result<User, Stop> {
    let mut session = cx.session(&login.access).await?;
    let thread = cx.thread(&mut session.socket, what).await?;
    Ok(User { login, session, thread })
}

/// The agent that failed, and the one that ran beside it.
struct Agents {
    failed: Option<String>,
    beside: Option<String>,
}

/// One failure while two other runs go on, which must come to their good end; `None` when they did not meet.
async fn round(
    cx: &Context,
    own: &mut User,
    other: &mut User,
    failing: &str,
    content: &str,
) -> Result<Option<Agents>, Stop> {
    cx.step("a run that is to fail begins");
    // All three at once, so that they meet.
    own.session.socket.burst(2).await;
    other.session.socket.burst(1).await;
    let socket = &mut own.session.socket;
    let request = cx.prompt(Trigger::AgentFailure)?.with("thread_id", failing);
    let failure = cx.starts(socket, request).await?;
    cx.step("runs of another user and of another agent begin beside it");
    let beside = |thread: &str| Message::new(Kind::UserMessage).with("content", content).with("thread_id", thread);
    let theirs = cx.starts(&mut other.session.socket, beside(&other.thread)).await?;
    let ours = cx.starts(socket, beside(&own.thread)).await?;

    cx.step("the failure");
    let is_end = |message: &Message| message.run_id() == Some(&failure) && ends_run(&message.kind);
    let error = cx.event(socket, window(cx.profile(), Trigger::AgentFailure), "agent_error", is_end).await;
    let error = error.map_err(|stop| cx.control_failed("the agent fails", stop))?;
    if error.kind != Kind::AgentError {
        let what = format!("the run of `triggers.agent_failure` ended with {}: correct the trigger", error.kind);
        return Err(NotVerified::NotProvoked(what).into());
    }

    cx.step("the other user's run");
    whole(cx, other, &theirs).await?;
    cx.step("the same user's run of another agent");
    whole(cx, own, &ours).await?;
    cx.step("the next run of the agent that failed");
    let next = healthy(cx, Trigger::AgentFailure)?.with("thread_id", failing);
    cx.whole_run(&mut own.session.socket, next).await?;

    let failed_at = when(&own.session.socket, &failure, ends_run);
    let meets = |socket: &Socket, run: &str| {
        let begins = |kind: &Kind| *kind == Kind::AgentStarted;
        when(socket, run, begins) < failed_at && failed_at < when(socket, run, ends_run)
    };
    let met = meets(&own.session.socket, &ours) && meets(&other.session.socket, &theirs);
    let beside = lead(&own.session.socket, &ours);
    Ok(met.then(|| Agents { failed: error.text("agent_name").map(str::to_owned), beside }))
}

fn messages(socket: &Socket) -> impl Iterator<Item = &Message> {
    socket.seen().iter().filter_map(|received| received.message.as_ref().ok())
}

/// When the first event of a run came that `is_it`.
fn when(socket: &Socket, run: &str, is_it: impl Fn(&Kind) -> bool) -> Option<std::time::Instant> {
    let is_it = |message: &Message| message.run_id() == Some(run) && is_it(&message.kind);
    socket.seen().iter().find(|received| received.message.as_ref().is_ok_and(is_it)).map(|received| received.at)
}

/// The agent that begins a run.
fn lead(socket: &Socket, run: &str) -> Option<String> {
    let is_start = |message: &&Message| message.run_id() == Some(run) && message.kind == Kind::AgentStarted;
    messages(socket).find(is_start)?.text("agent_name").map(str::to_owned)
}

/// A run that must complete, and of which all that was said is kept.
async fn whole(cx: &Context, user: &mut User, run: &str) -> Result<(), Stop> {
    let socket = &mut user.session.socket;
    cx.run_completes(socket, run).await?;
    if !cx.contract().declares_kind(&Kind::PartialResult) {
        return Ok(());
    }
    let said = said(messages(socket), run);
    cx.holds(!said.is_empty(), Finding::MissingEvent, "content", || "none".into(), || socket.evidence())?;
    cx.kept(&user.login, &user.thread, run, &said).await
}
