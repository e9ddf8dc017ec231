use super::refresh;
use crate::check;
use crate::check::{Check, Context};
use crate::model::Judgement;
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("handshake/bad-refresh-leaves-session", run);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    refresh::works(cx, socket, &login.access).await?;

    let tampered = cx.tampered_token(&login.access)?;
    let bad = [("a tampered token", Some(&tampered)), ("a refresh token", login.refresh.as_ref())];
    for (step, token) in bad.into_iter().filter_map(|(step, token)| Some((step, token?))) {
        cx.step(step);
        cx.ask_refused(socket, refresh::with(token), &[ErrorCode::TokenInvalid]).await?;
        cx.step(format!("ping after {step}"));
        cx.alive(socket).await?;
    }
    refresh::works(cx, socket, &login.access).await?;
    session.close().await;
    cx.conforms()
}
