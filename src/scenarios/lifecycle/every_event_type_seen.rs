use std::collections::BTreeSet;

use super::flows::{prompt, provoke, thread};
use crate::check;
use crate::check::{Check, Context, Session};
use crate::model::{Effect, Evidence, Finding, Group, Judgement, Need, Stop, Trigger};
use crate::profile::TriggerSpec;
use crate::target::Login;
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("lifecycle/every-event-type-seen", run)
    .should()
    .effects(&[Effect::Create])
    .group(Group::Breaker);

/// Causes that another effect or a long wait would be needed for, and the types they bring.
const ELSEWHERE: [(Kind, &str); 3] = [
    (Kind::StreamTerminated, "needs a login that ends: `streaming` and `auth-sync`"),
    (Kind::CircuitBreakerTriggered, "needs a breaker that opens: `recovery`"),
    (Kind::OauthCompleted, "needs an OAuth flow: `auth-sync`"),
];

/// Types that only a trigger brings, and the trigger.
const PROVOKED: [(Kind, Trigger); 5] = [
    (Kind::ToolExecuting, Trigger::ToolUse),
    (Kind::ToolCompleted, Trigger::ToolUse),
    (Kind::AgentError, Trigger::AgentFailure),
    (Kind::GracefulDegradation, Trigger::Degradation),
    (Kind::ServiceRecovered, Trigger::Degradation),
];

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let thread = thread(cx, &mut session.socket).await?;
    requests(cx, &mut session, &thread, &login).await?;
    for trigger in [None, Some(Trigger::ToolUse), Some(Trigger::AgentFailure), Some(Trigger::Degradation)] {
        provoke(cx, &mut session.socket, &thread, trigger).await?;
    }
    stopped(cx, &mut session, &thread).await?;

    let mut session = restored(cx, &login, session).await?;
    let seen = session.seen.clone();
    let due = |kind: &Kind| {
        let elsewhere = ELSEWHERE.iter().any(|(other, _)| other == kind);
        let lacks = |trigger| !cx.has(Need::Trigger(trigger));
        let unprovoked = PROVOKED.iter().any(|(other, trigger)| other == kind && lacks(*trigger));
        let unstopped = *kind == Kind::AgentStopped && lacks(Trigger::LongStream);
        !(elsewhere || unprovoked || unstopped)
    };
    cx.step("the types that came");
    let missing: Vec<_> = cx.contract().server_kinds().filter(|kind| due(kind) && !seen.contains(kind)).collect();
    let told = || missing.iter().map(Kind::to_string).collect::<Vec<_>>().join(", ") + " never came";
    let facts = ELSEWHERE.iter().map(|(kind, why)| format!("{kind}: {why}")).collect();
    let evidence = || Evidence { facts, ..session.session.socket.evidence() };
    let expected = "every type of the contract whose cause was given";
    cx.holds(missing.is_empty(), Finding::MissingEvent, expected, told, evidence)?;
    cx.alive(&mut session.session.socket).await?;
    session.session.close().await;
    cx.conforms()
}

/// A session, and the types that it and the one before it have seen.
struct Restored {
    session: Session,
    seen: BTreeSet<Kind>,
}

fn kinds(session: &Session) -> impl Iterator<Item = Kind> {
    let received = session.socket.seen().iter().filter_map(|received| received.kind().cloned());
    std::iter::once(session.welcome.kind.clone()).chain(received)
}

/// One request of every kind that needs no run.
async fn requests(cx: &Context, session: &mut Session, thread: &str, login: &Login) -> Result<(), Stop> {
    cx.step("one request of every kind");
    let about = |kind| Message::new(kind).with("thread_id", thread);
    let spare = cx.thread(&mut session.socket, "spare").await?;
    for request in [
        Message::new(Kind::Ping),
        Message::new(Kind::ListThreads),
        about(Kind::GetThreadHistory),
        about(Kind::RenameThread).with("title", cx.target().title("renamed")),
        Message::new(Kind::DeleteThread).with("thread_id", spare),
        Message::new(Kind::TokenRefresh).with("token", login.access.expose()),
        about(Kind::SwitchThread),
        Message::new(Kind::StopAgent).with("run_id", "no-such-run"),
    ] {
        cx.answer(&mut session.socket, request).await?;
    }
    Ok(())
}

async fn stopped(cx: &Context, session: &mut Session, thread: &str) -> Result<(), Stop> {
    let Some(TriggerSpec::Prompt { content, .. }) = cx.profile().triggers.get(&Trigger::LongStream) else {
        return Ok(());
    };
    cx.step("a run that is stopped");
    let started = cx.ask(&mut session.socket, prompt(content, thread)).await?;
    let stop = Message::new(Kind::StopAgent).with("run_id", started.run_id().unwrap_or_default());
    cx.answer(&mut session.socket, stop).await.map(drop)
}

/// The session is dropped and taken up again.
async fn restored(cx: &Context, login: &Login, lost: Session) -> Result<Restored, Stop> {
    cx.step("a session that is restored");
    let mut seen: BTreeSet<_> = kinds(&lost).collect();
    let mut session = cx.session(&login.access).await?;
    let last = lost.socket.seen().iter().rev().find_map(|received| received.message.as_ref().ok()?.message_id.clone());
    let restore = Message::new(Kind::SessionRestore)
        .with("connection_id", lost.welcome.connection_id().unwrap_or_default())
        .with("last_message_id", last.unwrap_or_default());
    lost.socket.reset().await;
    cx.answer(&mut session.socket, restore).await?;
    seen.extend(kinds(&session));
    Ok(Restored { session, seen })
}
