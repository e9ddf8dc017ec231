use std::time::{Duration, Instant};

use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, Stop};
use crate::target::frame::RawFrame;
use crate::target::{Socket, Transport};

pub(super) static CHECK: Check = check!("handshake/close-is-clean", run);

/// TCP ends within this time (contract, section 5).
const END: Duration = Duration::from_secs(2);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let closes = [
        ("a Close with code 1000", RawFrame::close(Some(1000), "done")),
        ("an empty Close", RawFrame::close(None, "")),
    ];
    for (step, close) in closes {
        let mut socket = cx.session(&login.access).await?.socket;
        cx.step(step);
        socket.send_frame(close).await;
        answered(cx, &mut socket).await?;
    }
    cx.conforms()
}

/// A Close frame, nothing after it, and the end of TCP.
async fn answered(cx: &Context, socket: &mut Socket) -> Result<(), Stop> {
    let began = Instant::now();
    let ended = socket.ended(END).await;
    if ended.as_ref().is_none_or(|end| end.tcp == Transport::Open) {
        cx.punctual(began, END)?;
    }
    let Some(end) = ended else {
        let seen = format!("no Close within {} s", END.as_secs_f64());
        return Err(cx.deviation(Finding::NotClosed, ["a Close in answer"], seen, socket.evidence()));
    };
    let evidence = || socket.evidence();
    let code = end.close.as_ref().and_then(|(code, _)| *code);
    let right = code.is_some_and(|code| cx.contract().allows_close_code(code));
    let seen = || format!("the connection ended: {end}");
    cx.holds(right, Finding::WrongClose, "Close with a code that may stand on the wire", seen, evidence)?;
    let seen = || format!("{} frames after its Close", end.frames_after_close);
    cx.holds(end.frames_after_close == 0, Finding::UnexpectedEvent, "nothing after Close", seen, evidence)?;
    let expected = format!("the end of TCP within {} s", END.as_secs_f64());
    cx.holds(end.tcp != Transport::Open, Finding::NotClosed, expected, || "TCP still open".into(), evidence)
}
