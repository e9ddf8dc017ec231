use super::estate::{Estate, nothing_foreign};
use crate::check;
use crate::check::work::{about, listed, stop};
use crate::check::{Check, Context, PLAIN_PROMPT, text};
use crate::model::{Effect, Finding, Judgement, Need, Stop};
use crate::target::Login;
use crate::wire::{Endpoint, Kind, Message};

pub(super) static CHECK: Check =
    check!("isolation/reused-connection-carries-nothing", run).needs(&[Need::TwoUsers]).effects(&[Effect::Create]);

/// Turns of the two users on one HTTP connection.
const TURNS: usize = 3;

async fn run(cx: &Context) -> Judgement {
    let (first, second) = (cx.login().await?, cx.second_login().await?);
    for turn in 1..=TURNS {
        for (name, login) in [("one", &first), ("the other", &second)] {
            cx.step(format!("HTTP, turn {turn}: the profile of {name}"));
            profile(cx, login).await?;
        }
    }
    cx.step("a session of one user, with a current thread, is closed");
    let mut estate = Estate::of(cx, &first);
    let mut session = cx.session(&first.access).await?;
    estate.id(session.welcome.connection_id().unwrap_or_default());
    let thread = cx.thread(&mut session.socket, "left behind").await?;
    estate.id(&thread);
    session.leave().await;

    cx.step("a session of another user begins right after it");
    let mut session = cx.session(&second.access).await?;
    cx.welcomes(&session, &second.user_id)?;
    let socket = &mut session.socket;
    listed(cx, socket).await?;
    cx.step("its first message names no thread");
    let started = cx.ask(socket, Message::new(Kind::UserMessage).with("content", PLAIN_PROMPT)).await?;
    nothing_foreign(cx, socket, [&estate])?;
    stop(cx, socket, started.run_id().unwrap_or_default()).await?;
    let own = started.thread_id().unwrap_or_default();
    cx.ask(socket, about(Kind::RenameThread, own).with("title", cx.target().title("by a message"))).await?;
    nothing_foreign(cx, socket, [&estate])?;
    session.close().await;
    cx.conforms()
}

async fn profile(cx: &Context, login: &Login) -> Result<(), Stop> {
    if cx.contract().endpoint(Endpoint::UserProfile).is_none() {
        return Ok(());
    }
    let answer = cx.call(Endpoint::UserProfile).bearer(&login.access).send().await?;
    cx.success(Endpoint::UserProfile, &answer)?;
    let body = answer.logical_body(cx.contract(), Endpoint::UserProfile).unwrap_or_default();
    let told = text(&body, "user_id");
    let seen = || format!("user_id {told}");
    let expected = format!("user_id {}", login.user_id);
    cx.holds(told == login.user_id, Finding::ForeignData, expected, seen, || answer.evidence())
}
