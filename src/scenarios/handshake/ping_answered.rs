use std::time::Instant;

use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, Stop};
use crate::target::{Next, Socket};

pub(super) static CHECK: Check = check!("handshake/ping-answered", run).smoke();

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    // Nothing, octets that are no text, and the most that a control frame may hold.
    for payload in [&[][..], &[0xff, 0x00, 0xfe], &[b'p'; 125]] {
        cx.step(format!("a protocol ping with {} octets", payload.len()));
        socket.ping(payload).await;
        echoed(cx, socket, payload).await?;
    }
    cx.step("the message ping");
    cx.alive(socket).await?;
    session.close().await;
    cx.conforms()
}

/// The next pong, which must bear the ping's payload.
async fn echoed(cx: &Context, socket: &mut Socket, payload: &[u8]) -> Result<(), Stop> {
    let within = cx.profile().thresholds.reply;
    let expected = format!("a pong with {} octets within {} s", payload.len(), within.as_secs_f64());
    let began = Instant::now();
    let deadline = began + within;
    let (finding, seen) = loop {
        match socket.next(deadline.saturating_duration_since(Instant::now())).await {
            Next::Message(_) => {}
            Next::Pong(echo) => {
                let seen = || format!("a pong with {} octets", echo.len());
                return cx.holds(echo == payload, Finding::WrongValue, expected, seen, || socket.evidence());
            }
            Next::Ended(end) => break (Finding::Closed, format!("the connection ended: {end}")),
            Next::Silence => {
                cx.punctual(began, within)?;
                break (Finding::NoAnswer, "no pong".to_owned());
            }
        }
    };
    Err(cx.deviation(finding, [expected], seen, socket.evidence()))
}
