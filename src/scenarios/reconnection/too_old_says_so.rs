use std::collections::BTreeSet;
use std::time::Duration;

use super::{away, stream};
use crate::check;
use crate::check::{Check, Context, Session};
use crate::model::{Effect, Finding, Judgement, Need, NotVerified, Stop, Trigger};
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("reconnection/too-old-says-so", run)
    .needs(&[Need::Trigger(Trigger::LongStream)])
    .effects(&[Effect::Create])
    .wait(|waits| stream::duration(waits.profile).unwrap_or(Duration::ZERO));

async fn run(cx: &Context) -> Judgement {
    let keeps = cx.config().replay.events;
    let streams = keeps / stream::events_of_a_stream(cx) + 1;
    // Half of what the limit lets through.
    if streams > cx.config().rate_limit.messages / 2 {
        let what = format!("more than {keeps} events need {streams} long streams at once, more than half of the limit");
        return Err(NotVerified::NotProvoked(what).into());
    }
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let first = session.lost();
    let thread = away::thread(cx, &mut session).await?;
    cx.step(format!("{streams} long streams, for more than {keeps} events"));
    let mut runs = Vec::new();
    for _ in 0..streams {
        let started = stream::start(cx, &mut session.socket, &thread).await?;
        runs.push(started.run_id().unwrap_or_default().to_owned());
    }
    for run in &runs {
        stream::run_ends(cx, &mut session.socket, run).await.map_err(|stop| cx.control_failed("the streams end", stop))?;
    }
    let (line, old) = (session.socket.line().clone(), events(&session));
    session.leave().await;
    if old.len() as u64 <= keeps {
        let what = format!("{streams} long streams brought {} events, not more than {keeps}", old.len());
        return Err(NotVerified::NotProvoked(what).into());
    }

    cx.step("the session is restored from its first frame");
    let (mut session, restored) = cx.restored(cx.upgrade_with(&login.access), &first).await?;
    let resumed = restored.field("resumed") == Some(&true.into());
    cx.alive(&mut session.socket).await?;
    if resumed {
        let came: BTreeSet<_> = away::of_session(&session).filter_map(|message| message.message_id.clone()).collect();
        let missing = old.difference(&came).count();
        let seen = || format!("resumed: true, and {missing} of {} frames never came", old.len());
        let expected = "all frames since the first, or resumed: false";
        cx.holds(missing == 0, Finding::Lost, expected, seen, || line.evidence(12))?;
    } else {
        begun_anew(cx, &session, &restored)?;
    }
    session.close().await;
    cx.conforms()
}

/// The names of all frames but the first.
fn events(session: &Session) -> BTreeSet<String> {
    let messages = session.socket.seen().iter().skip(1).filter_map(|received| received.message.as_ref().ok());
    messages.filter_map(|message| message.message_id.clone()).collect()
}

/// `resumed: false` comes with the new session's name and a fresh `thread_loaded`.
fn begun_anew(cx: &Context, session: &Session, restored: &Message) -> Result<(), Stop> {
    let evidence = || session.socket.evidence();
    cx.same("connection_id", &session.welcome.connection_id(), &restored.connection_id(), evidence)?;
    let loaded = away::of_session(session).any(|message| message.kind == Kind::ThreadLoaded);
    let seen = || "resumed: false, and none before the next pong".into();
    cx.holds(loaded, Finding::MissingEvent, "thread_loaded", seen, evidence)
}
