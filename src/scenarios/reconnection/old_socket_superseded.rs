use std::time::{Duration, Instant};

use super::away;
use crate::check;
use crate::check::{Check, Context, in_time};
use crate::model::{Blame, Effect, Finding, Inconclusive, Judgement};
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("reconnection/old-socket-superseded", run).effects(&[Effect::Create]);

/// A connection that is to end has ended after this (contract, section 5).
const END: Duration = Duration::from_secs(2);

async fn run(cx: &Context) -> Judgement {
    in_time(|| attempt(cx)).await
}

async fn attempt(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let link = cx.link().open().await?;
    let mut old = cx.open(cx.upgrade_with(&login.access).through(&link)).await?;
    let thread = away::thread(cx, &mut old).await?;
    let lost = old.lost();
    let mut new = cx.session(&login.access).await?;

    cx.step("nothing passes any more, and the session is restored on another connection");
    let stalled = Instant::now();
    link.stall();
    let restored = cx.restore(&mut new, &lost).await?;
    cx.resumed(&new, &restored, &lost)?;
    if stalled.elapsed() > cx.waits().heartbeat() {
        let what = "we were too slow: the old connection may have been given up as dead";
        return Err(Inconclusive::new(Blame::Harness, what).with(cx.evidence()).into());
    }
    cx.step("a message is posted after the restore");
    let posted = away::post(cx, &login.access, &thread).await?;
    let is_it = |message: &Message| message.kind == Kind::MessageCreated && message.text("id") == Some(posted.as_str());
    cx.message_where(&mut new.socket, "message_created on the restored session", is_it).await?;

    cx.step("the old connection passes again");
    link.resume();
    cx.ends(&mut old.socket, END, &[1001], false).await?;
    let after = old.socket.ended(END).await.map_or(0, |end| end.frames_after_close);
    let mut messages = old.socket.seen().iter().filter_map(|received| received.message.as_ref().ok());
    let nothing = after == 0 && !messages.any(is_it);
    let seen = || format!("{after} frames after its Close, or what was posted after the restore");
    let evidence = || old.socket.evidence();
    cx.holds(nothing, Finding::UnexpectedEvent, "nothing of the session after the restore", seen, evidence)?;
    cx.alive(&mut new.socket).await?;
    new.close().await;
    link.close().await;
    cx.conforms()
}
