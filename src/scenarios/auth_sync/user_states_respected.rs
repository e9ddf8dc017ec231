use serde_json::{Value, json};

use super::surfaces::{self, Surface};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Judgement, Need, NotVerified, Stop};
use crate::profile::PasswordUser;
use crate::target::{Login, Socket};
use crate::wire::{Endpoint, ErrorCode, Kind, Message};

// The users of `users.states` belong to this check alone: no other takes one of them.
pub(super) static CHECK: Check =
    check!("auth-sync/user-states-respected", run).needs(&[Need::States]).effects(&[Effect::Create]);

/// What a user in a state may do.
enum Due {
    /// Everything a user may.
    In,
    /// Reads, and no write.
    Reads,
    /// No token, but one of these statuses.
    NoToken(&'static [u16]),
    /// A token that is refused with this code.
    Dead(ErrorCode),
}

const STATES: [(&str, Due); 10] = [
    ("active", Due::In),
    ("second-active", Due::In),
    ("admin", Due::In),
    ("read-only", Due::Reads),
    ("disabled", Due::NoToken(&[403])),
    ("unverified", Due::NoToken(&[403])),
    ("oauth-only", Due::NoToken(&[401])),
    ("rate-limited", Due::NoToken(&[429])),
    ("expired-session", Due::Dead(ErrorCode::TokenExpired)),
    ("revoked-session", Due::Dead(ErrorCode::TokenRevoked)),
];

async fn run(cx: &Context) -> Judgement {
    let known = &cx.profile().users.states;
    let mut judged = 0;
    for (state, due) in &STATES {
        let Some(user) = known.get(*state) else { continue };
        judged += 1;
        match due {
            Due::In => let_in(cx, state, user).await?,
            Due::Reads => reads_only(cx, state, user).await?,
            Due::NoToken(statuses) => no_token(cx, state, user, statuses).await?,
            Due::Dead(code) => dead(cx, state, user, code).await?,
        }
    }
    if judged == 0 {
        let names = STATES.map(|(state, _)| state).join(", ");
        return Err(NotVerified::NotProvoked(format!("`users.states` names none of {names}")).into());
    }
    cx.conforms()
}

async fn login(cx: &Context, state: &str, user: &PasswordUser) -> Result<Login, Stop> {
    cx.step(format!("login of the user that is {state}"));
    let body = json!({"email": user.email, "password": user.password.expose()});
    let answer = cx.call(Endpoint::Login).json(&body).send().await?;
    cx.success(Endpoint::Login, &answer)?;
    cx.target().token_set(Endpoint::Login, answer, Some(user.email.clone()))
}

async fn let_in(cx: &Context, state: &str, user: &PasswordUser) -> Result<(), Stop> {
    surfaces::same_user(cx, &login(cx, state, user).await?).await
}

async fn reads_only(cx: &Context, state: &str, user: &PasswordUser) -> Result<(), Stop> {
    let login = login(cx, state, user).await?;
    surfaces::same_user(cx, &login).await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    cx.step(format!("{state}: reading over REST"));
    let answer = cx.call(Endpoint::ListThreads).bearer(&login.access).send().await?;
    cx.success(Endpoint::ListThreads, &answer)?;
    cx.step(format!("{state}: writing over REST"));
    let call = cx.call(Endpoint::CreateThread).bearer(&login.access);
    // No token is refused here, so the code may stay untold.
    cx.status(&call.json(&json!({"title": cx.target().title("refused")})).send().await?, &[403])?;

    cx.step(format!("{state}: reading over the socket"));
    let before = threads(cx, socket).await?;
    for request in [
        Message::new(Kind::CreateThread).with("title", cx.target().title("refused")),
        Message::new(Kind::UserMessage).with("content", "This must not run."),
    ] {
        cx.step(format!("{state}: {} over the socket", request.kind));
        cx.ask_refused(socket, request, &[ErrorCode::PermissionDenied]).await?;
    }
    cx.step(format!("{state}: after the refusals"));
    let after = threads(cx, socket).await?;
    cx.same("threads", &before, &after, || socket.evidence())?;
    session.close().await;
    Ok(())
}

/// How many threads the newest page of the list holds.
async fn threads(cx: &Context, socket: &mut Socket) -> Result<usize, Stop> {
    let list = cx.ask(socket, Message::new(Kind::ListThreads).with("limit", 100)).await?;
    Ok(list.field("threads").and_then(Value::as_array).map_or(0, Vec::len))
}

async fn no_token(cx: &Context, state: &str, user: &PasswordUser, statuses: &[u16]) -> Result<(), Stop> {
    cx.step(format!("login of the user that is {state}"));
    let body = json!({"email": user.email, "password": user.password.expose()});
    let call = cx.call(Endpoint::Login).json(&body).may_be_throttled();
    cx.status(&call.send().await?, statuses)
}

async fn dead(cx: &Context, state: &str, user: &PasswordUser, code: &ErrorCode) -> Result<(), Stop> {
    let login = login(cx, state, user).await?;
    for surface in Surface::all(cx) {
        cx.step(format!("the token of the user that is {state}, at `{surface}`"));
        let told = surfaces::show(cx, surface, &login.access, false).await?;
        let right = told.verdict.refuses_with(code);
        cx.holds(right, told.verdict.finding(), code.to_string(), || told.verdict.to_string(), || told.evidence.clone())?;
    }
    Ok(())
}
