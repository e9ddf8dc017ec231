use serde_json::Value;

use super::away;
use crate::check;
use crate::check::{Check, Context, Lost};
use crate::model::{Effect, Finding, Judgement, Need, Stop};
use crate::target::{Login, Socket};
use crate::wire::{ErrorCode, Message};

pub(super) static CHECK: Check =
    check!("reconnection/foreign-session-refused", run).needs(&[Need::TwoUsers]).effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let (owner, stranger) = (cx.login().await?, cx.second_login().await?);
    let mut session = cx.session(&owner.access).await?;
    let thread = away::thread(cx, &mut session).await?;
    let lost = session.leave().await;
    let posted = away::post(cx, &owner.access, &thread).await?;

    cx.step("another user's session");
    let (foreign, socket) = asked(cx, &stranger, &lost).await?;
    cx.step("a session that does not exist");
    let unknown = Lost { connection_id: cx.target().unique("no-session"), ..lost.clone() };
    let (missing, _) = asked(cx, &stranger, &unknown).await?;
    cx.step("the two answers side by side");
    cx.same("the answer to a foreign session", &shape(&missing), &shape(&foreign), || socket.evidence())?;

    cx.step("control: the owner restores the session");
    let control = |stop| cx.control_failed("the owner restores the session", stop);
    let (mut session, restored) = cx.restored(cx.upgrade_with(&owner.access), &lost).await.map_err(control)?;
    cx.resumed(&session, &restored, &lost).map_err(control)?;
    away::replayed_once(cx, &mut session, &posted).await.map_err(control)?;
    session.close().await;
    cx.conforms()
}

/// Asks for a session that must be unknown, on a new connection that must go on and show nothing of it.
async fn asked(cx: &Context, login: &Login, lost: &Lost) -> Result<(Message, Socket), Stop> {
    let mut socket = cx.session(&login.access).await?.socket;
    let answer = cx.ask_refused(&mut socket, lost.request(), &[ErrorCode::SessionUnknown]).await?;
    cx.alive(&mut socket).await?;
    let mut of_thread = socket.seen().iter().filter_map(|received| received.message.as_ref().ok());
    let shown = of_thread.any(|message| message.thread_id().is_some());
    let seen = || "a message about a thread".into();
    cx.holds(!shown, Finding::ForeignData, "nothing of the session", seen, || socket.evidence())?;
    Ok((answer, socket))
}

/// Everything of an error but what names the request.
fn shape(error: &Message) -> Value {
    let told = error.payload.iter().filter(|(name, _)| *name != "in_reply_to");
    Value::Object(told.map(|(name, value)| (name.clone(), value.clone())).collect())
}
