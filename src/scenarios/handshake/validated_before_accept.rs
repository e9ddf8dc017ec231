use std::time::Instant;

use crate::check;
use crate::check::{Admission, Check, Context, RefusalForm};
use crate::model::{Finding, Judgement, Need, Stop};
use crate::target::frame::RawFrame;
use crate::target::{Token, Upgrade, Upgraded};
use crate::wire::{ErrorCode, Kind, Message};

pub(super) static CHECK: Check = check!("handshake/validated-before-accept", run).smoke();

/// When the message is sent.
#[derive(Clone, Copy)]
enum At {
    /// As soon as there is a 101.
    Once,
    /// In one breath with the request, before the server can have asked anybody. No client may do
    /// so (RFC 6455, 4.1), and an intermediary may refuse it.
    First,
}

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let tampered = cx.tampered_token(&login.access)?;
    let times = if cx.has(Need::Raw) { &[At::Once, At::First][..] } else { &[At::Once] };
    for at in times.iter().copied() {
        welcomed_first(cx, &login.access, at).await?;
        for carrier in cx.contract().carriers() {
            let when = match at {
                At::Once => "and a ping behind the 101",
                At::First => "and a ping behind the request",
            };
            cx.step(format!("a tampered token in the {}, {when}", carrier.slug()));
            refused_first(cx, cx.upgrade().carrier(*carrier, &tampered), at).await?;
        }
        welcomed_first(cx, &login.access, at).await?;
    }
    cx.conforms()
}

async fn with_ping(cx: &Context, upgrade: Upgrade<'_>, at: At) -> Result<Admission, Stop> {
    let ping = Message::new(Kind::Ping);
    let upgraded = match at {
        At::Once => upgrade.open().await?,
        At::First => {
            let ping = RawFrame::text(&cx.contract().write(&ping, None).to_string());
            upgrade.first_frame(ping).broken().open().await?
        }
    };
    if let (At::Once, Upgraded::Switched(socket, _)) = (at, &upgraded) {
        socket.send(&ping).await;
    }
    cx.admission(upgraded).await
}

/// The control: a good token gets the welcome, then the answer.
async fn welcomed_first(cx: &Context, token: &Token, at: At) -> Result<(), Stop> {
    cx.step("control: a good token, and a ping");
    let admission = with_ping(cx, cx.upgrade_with(token), at).await?;
    let mut session = cx.welcomed(admission).map_err(|stop| cx.control_failed("a valid token is let in", stop))?;
    cx.shake_hands(&mut session.socket).await.map_err(|stop| cx.control_failed("the contract's handshake", stop))?;
    // It may have come before that was over.
    let answered = cx.told(&mut session.socket, "pong", |message| message.kind == Kind::Pong).await;
    session.close().await;
    answered.map(drop).map_err(|stop| cx.control_failed("the ping is answered", stop))
}

async fn refused_first(cx: &Context, upgrade: Upgrade<'_>, at: At) -> Result<(), Stop> {
    let (mut socket, first) = match with_ping(cx, upgrade, at).await? {
        Admission::Refused(refusal) => {
            let quiet = !matches!(&refusal.form, RefusalForm::Closed { others, .. } if !others.is_empty());
            let evidence = || refusal.evidence.clone();
            cx.holds(quiet, Finding::AnsweredBeforeAuth, "no frame but the error", || refusal.to_string(), evidence)?;
            return cx.is_refusal(&refusal, &[ErrorCode::TokenInvalid]);
        }
        Admission::Admitted(session) => (session.socket, Some(session.welcome.kind.to_string())),
        Admission::OtherFirst(socket, text) => (socket, Some(text)),
        Admission::Silent(socket) => (socket, None),
    };
    let (began, window) = (Instant::now(), cx.profile().thresholds.welcome);
    let refused_after_all = socket.ended(window).await.is_some();
    if !refused_after_all {
        cx.punctual(began, window)?;
    }
    let (finding, seen) = match first {
        Some(first) if refused_after_all => (Finding::AnsweredBeforeAuth, format!("before the refusal came {first}")),
        Some(first) => (Finding::Accepted, format!("let in: {first}")),
        None => (Finding::NoAnswer, "101, then neither error nor close".into()),
    };
    let stop = cx.deviation(finding, ["a refusal and no other frame"], seen, socket.evidence());
    Err(stop.within("thresholds.welcome_s"))
}
