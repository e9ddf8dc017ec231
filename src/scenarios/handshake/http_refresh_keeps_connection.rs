use std::time::Instant;

use crate::check;
use crate::check::{Check, Context};
use crate::model::Judgement;

pub(super) static CHECK: Check = check!("handshake/http-refresh-keeps-connection", run).wait(|waits| waits.recheck());

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    cx.step("rotating at /auth/refresh");
    let rotated = cx.target().refresh(cx.recorder(), &login).await?;

    // By then the backend has asked about the socket's token at least once more.
    cx.step("watching the socket after the rotation");
    cx.outlasts(socket, Instant::now() + cx.waits().recheck()).await?;
    cx.alive(socket).await?;

    cx.step("the rotated token");
    cx.session(&rotated.access).await?.close().await;
    session.close().await;
    cx.conforms()
}
