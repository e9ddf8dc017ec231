use std::time::Duration;

use crate::check;
use crate::check::{Admission, Check, Context, RefusalForm};
use crate::model::{Finding, Judgement, Stop};
use crate::target::frame::RawFrame;
use crate::target::{Socket, Token, Upgrade};
use crate::wire::{ErrorCode, Kind, Message};

pub(super) static CHECK: Check = check!("handshake/validated-before-accept", run).smoke();

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let tampered = cx.tampered_token(&login.access)?;
    welcomed_first(cx, &login.access).await?;
    for carrier in cx.contract().carriers() {
        cx.step(format!("a tampered token in the {}, and a ping at once", carrier.slug()));
        refused_first(cx, with_ping(cx, cx.upgrade().carrier(*carrier, &tampered))).await?;
    }
    welcomed_first(cx, &login.access).await?;
    cx.conforms()
}

/// With a message in the same breath: it is there before the server can have asked anybody.
fn with_ping<'a>(cx: &Context, upgrade: Upgrade<'a>) -> Upgrade<'a> {
    upgrade.first_frame(RawFrame::text(&cx.contract().write(&Message::new(Kind::Ping), None).to_string()))
}

/// The control: a good token gets the welcome, then the answer.
async fn welcomed_first(cx: &Context, token: &Token) -> Result<(), Stop> {
    cx.step("control: a good token, and a ping at once");
    let mut session = cx.open(with_ping(cx, cx.upgrade_with(token))).await?;
    let answered = cx.message(&mut session.socket, &Kind::Pong).await;
    session.close().await;
    answered.map(drop).map_err(|stop| cx.control_failed("a ping that comes with the upgrade is answered", stop))
}

async fn refused_first(cx: &Context, upgrade: Upgrade<'_>) -> Result<(), Stop> {
    let (mut socket, first) = match cx.try_upgrade(upgrade).await? {
        Admission::Refused(refusal) => {
            let quiet = !matches!(&refusal.form, RefusalForm::Closed { others, .. } if !others.is_empty());
            let evidence = || refusal.evidence.clone();
            cx.holds(quiet, Finding::AnsweredBeforeAuth, "no frame but the error", || refusal.to_string(), evidence)?;
            return cx.is_refusal(&refusal, &[ErrorCode::TokenInvalid]);
        }
        Admission::Admitted(session) => (session.socket, session.welcome.kind.to_string()),
        Admission::OtherFirst(socket, text) => (socket, text),
        Admission::Silent(socket) => (socket, "nothing".into()),
    };
    let (finding, seen) = match ends(&mut socket, cx.profile().thresholds.welcome).await {
        true => (Finding::AnsweredBeforeAuth, format!("before the refusal came {first}")),
        false if first == "nothing" => (Finding::NoAnswer, "101, then neither error nor close".into()),
        false => (Finding::Accepted, format!("let in: {first}")),
    };
    Err(cx.deviation(finding, ["a refusal and no other frame"], seen, socket.evidence()))
}

/// Whether a refusal follows after all.
async fn ends(socket: &mut Socket, within: Duration) -> bool {
    socket.ended(within).await.is_some()
}
