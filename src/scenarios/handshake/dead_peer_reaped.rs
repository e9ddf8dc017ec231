use std::time::{Duration, Instant};

use crate::check;
use crate::check::{Check, Context, Session};
use crate::model::{Finding, Judgement, Need, Stop};
use crate::target::frame::{RawFrame, opcode};
use crate::target::End;

pub(super) static CHECK: Check =
    check!("handshake/dead-peer-reaped", run).needs(&[Need::Raw]).wait(|waits| waits.heartbeat() * 3 + TOLERANCE);

/// A ping may be so late (contract, section 5); so may the end of a peer that answers none.
const TOLERANCE: Duration = Duration::from_secs(1);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let (mut living, mut dead) = (cx.session(&login.access).await?, cx.session(&login.access).await?);
    let mut eager = cx.session(&login.access).await?;
    dead.socket.answer_pings(false);
    for payload in [&b""[..], b"nobody asked"] {
        eager.socket.send_frame(RawFrame::new(opcode::PONG, payload)).await;
    }
    // The intervals of both pass at the same time; judged when both have.
    let began = Instant::now();
    let (kept, dropped) = tokio::join!(watched(cx, &mut living, Duration::ZERO), watched(cx, &mut dead, TOLERANCE));

    if kept.pinged.is_none() || kept.end.is_some() || dropped.pinged.is_none() || dropped.end.is_none() {
        cx.punctual(began, cx.waits().heartbeat() + TOLERANCE)?;
    }

    cx.step("an idle socket that answers pings");
    pinged(cx, &living, kept.pinged)?;
    let seen = || kept.end.as_ref().map_or_else(String::new, |end| format!("the connection ended: {end}"));
    cx.holds(kept.end.is_none(), Finding::Closed, "open two intervals later", seen, || living.socket.evidence())?;
    cx.alive(&mut living.socket).await?;

    cx.step("a socket that answers no ping");
    pinged(cx, &dead, dropped.pinged)?;
    let seen = || "open two intervals later".into();
    cx.holds(dropped.end.is_some(), Finding::NotClosed, "the connection's end", seen, || dead.socket.evidence())?;
    cx.step("restoring its session");
    let lost = dead.lost();
    let (session, restored) = cx.restored(cx.upgrade_with(&login.access), &lost).await?;
    cx.resumed(&session, &restored, &lost)?;
    session.close().await;

    cx.step("a socket that sent pongs unasked");
    cx.alive(&mut eager.socket).await?;
    eager.close().await;
    living.close().await;
    cx.conforms()
}

/// What became of an idle socket.
struct Watched {
    pinged: Option<Instant>,
    /// Its end, if it came within two intervals after the ping.
    end: Option<End>,
}

async fn watched(cx: &Context, session: &mut Session, tolerance: Duration) -> Watched {
    let heartbeat = cx.waits().heartbeat();
    let pinged = session.socket.pinged(heartbeat + TOLERANCE).await;
    Watched { pinged, end: session.socket.ended(heartbeat * 2 + tolerance).await }
}

fn pinged(cx: &Context, session: &Session, pinged: Option<Instant>) -> Result<(), Stop> {
    let expected = format!("a ping within {} s", (cx.waits().heartbeat() + TOLERANCE).as_secs_f64());
    let evidence = || session.socket.evidence();
    cx.holds(pinged.is_some(), Finding::NoAnswer, expected, || "no ping".into(), evidence)
}
