use super::refresh;
use crate::check;
use crate::check::{Check, Context};
use crate::model::Judgement;
use crate::wire::ErrorCode;

pub(super) static CHECK: Check = check!("handshake/bad-refresh-leaves-session", run);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut socket = cx.session(&login.access).await?.socket;
    refresh::works(cx, &mut socket, &login.access).await?;

    let tampered = cx.tampered_token(&login.access)?;
    let bad = [("a tampered token", Some(&tampered)), ("a refresh token", login.refresh.as_ref())];
    for (step, token) in bad.into_iter().filter_map(|(step, token)| Some((step, token?))) {
        cx.step(step);
        cx.ask_refused(&mut socket, refresh::with(token), &[ErrorCode::TokenInvalid]).await?;
        cx.step(format!("ping after {step}"));
        cx.alive(&mut socket).await?;
    }
    refresh::works(cx, &mut socket, &login.access).await?;
    socket.close_quietly().await;
    cx.conforms()
}
