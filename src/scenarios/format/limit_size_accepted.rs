use super::ends::Ping;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement};
use crate::wire::Kind;

pub(super) static CHECK: Check = check!("format/limit-size-accepted", run);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let limit = cx.config().max_message_bytes;
    cx.step(format!("a ping of exactly {limit} octets"));
    let ping = Ping::padded(cx, limit);
    socket.send_text(&ping.text).await;
    let answer = cx.message_where(socket, "the answer", cx.answers(&ping.message())).await?;
    let seen = || answer.error_code().map_or_else(|| answer.kind.to_string(), |code| format!("error {code}"));
    cx.holds(answer.kind == Kind::Pong, Finding::Refused, "pong", seen, || socket.evidence())?;
    session.close().await;
    cx.conforms()
}
