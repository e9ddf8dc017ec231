use super::ends::Ping;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, Need};
use crate::target::frame::{RawFrame, opcode};
use crate::wire::Kind;

pub(super) static CHECK: Check = check!("format/fragments-reassembled", run).needs(&[Need::Raw]);

const PARTS: usize = 5;

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    cx.step("control: the same message in one frame");
    cx.alive(socket).await?;

    cx.step("a ping message in five frames with a protocol ping between");
    let ping = Ping::new(cx);
    let octets = ping.text.as_bytes();
    for (number, part) in octets.chunks(octets.len().div_ceil(PARTS)).enumerate() {
        let code = if number == 0 { opcode::TEXT } else { opcode::CONTINUATION };
        let frame = RawFrame::new(code, part);
        socket.send_frame(if number + 1 < PARTS { frame.unfinished() } else { frame }).await;
        if number == 2 {
            socket.ping(ping.id.as_bytes()).await;
        }
    }
    let within = cx.profile().thresholds.reply;
    let echoed = socket.pong(ping.id.as_bytes(), within).await;
    let (expected, seen) = ("the protocol ping echoed in the midst of the message", || "no pong".to_owned());
    cx.holds(echoed.is_some(), Finding::NoAnswer, expected, seen, || socket.evidence())
        .map_err(|stop| stop.within("thresholds.reply_s"))?;
    let answer = cx.message_where(socket, "the answer", cx.answers(&ping.message())).await?;
    let seen = || answer.error_code().map_or_else(|| answer.kind.to_string(), |code| format!("error {code}"));
    cx.holds(answer.kind == Kind::Pong, Finding::Refused, "pong", seen, || socket.evidence())?;
    session.close().await;
    cx.conforms()
}
