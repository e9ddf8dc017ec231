//! Streams whose connection is lost again and again: made once, judged by five checks.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;

use super::away;
use super::drops::{Style, lose};
use super::stream::{self};
use super::tale::{Restore, Tale};
use crate::check::{Context, Flow, Lost, Scene, Session, ends_run};
use crate::model::{Blame, Effect, Inconclusive, Need, Stop, Trigger};
use crate::target::{Line, Login, Next, Socket};
use crate::wire::Message;

/// Two sessions of one user stream at the same time and lose their connections; a third one, the
/// witness, loses nothing.
pub(super) static FLOW: Flow = Flow::new("reconnection/interrupted-streams", |cx| Box::pin(act(cx)))
    .needs(&[Need::Trigger(Trigger::LongStream)])
    .effects(&[Effect::Create])
    .wait(|waits| stream::duration(waits.profile).unwrap_or_default());

/// What one session goes through.
struct Plan {
    name: &'static str,
    /// How its connections are lost, one after the other.
    styles: &'static [Style],
    /// Events that it takes before each drop, beside what is replayed to it.
    taken: RangeInclusive<u64>,
    /// Events that pass while it is away.
    missed: RangeInclusive<u64>,
}

/// Loses its connection in every way, at last twice in a row.
const OFTEN: Plan = Plan {
    name: "often",
    styles: &[Style::Close, Style::Reset, Style::HalfOpen, Style::Cut, Style::Cut],
    taken: 1..=3,
    missed: 1..=4,
};
/// Is away for long.
const LONG: Plan = Plan { name: "long", styles: &[Style::Reset], taken: 0..=0, missed: 50..=50 };

/// Most streams that a session begins at once.
const STREAMS: u64 = 5;
/// Sockets of one user that the two sessions and the witness need side by side, with those that the
/// target does not know to be gone.
const SOCKETS: u64 = 6;

/// What the witness has seen so far.
#[derive(Default)]
struct Progress {
    events: u64,
    ended: BTreeSet<String>,
}

async fn act(cx: &Context) -> Result<Scene, Stop> {
    let login = cx.login().await?;
    let mut witness = cx.session(&login.access).await?;
    let (tell, progress) = watch::channel(Progress::default());
    let told = {
        let often = interrupted(cx, &login, &OFTEN, progress.clone());
        let long = interrupted(cx, &login, &LONG, progress);
        let both = async {
            match cx.config().max_sockets_per_user >= SOCKETS {
                true => tokio::try_join!(often, long),
                false => Ok((often.await?, long.await?)),
            }
        };
        tokio::select! {
            told = both => told?,
            end = watch_runs(&mut witness.socket, &tell) => return Err(end),
        }
    };
    cx.step("the witness has seen everything");
    cx.alive(&mut witness.socket).await?;

    let mut scene = Scene::new();
    scene.socket("witness", &witness.socket);
    let mut tales = Vec::new();
    for (tale, lines) in [told.0, told.1] {
        for (part, line) in tale.parts.iter().zip(&lines) {
            scene.line(part, line);
        }
        tales.push(tale);
    }
    scene.fact("tales", serde_json::to_value(&tales).unwrap_or_default());
    witness.close().await;
    Ok(scene)
}

/// Tells what comes on the witness; ends only with its connection.
async fn watch_runs(witness: &mut Socket, tell: &watch::Sender<Progress>) -> Stop {
    loop {
        match witness.next(Duration::from_secs(1)).await {
            Next::Message(received) => {
                let Ok(message) = received.message else { continue };
                let Some(run) = message.run_id() else { continue };
                tell.send_modify(|progress| {
                    progress.events += 1;
                    if ends_run(&message.kind) {
                        progress.ended.insert(run.to_owned());
                    }
                });
            }
            Next::Pong(_) | Next::Silence => {}
            Next::Ended(end) => {
                let what = format!("the connection that nobody touched ended: {end}");
                return Inconclusive::new(Blame::Target, what).with(witness.evidence()).into();
            }
        }
    }
}

/// One session, from its first run to the end of its last one, with the lines of its connections.
async fn interrupted(
    cx: &Context,
    login: &Login,
    plan: &Plan,
    mut progress: watch::Receiver<Progress>,
) -> Result<(Tale, Vec<Line>), Stop> {
    let name = plan.name;
    let mut rng = StdRng::seed_from_u64(cx.target().seed());
    let link = cx.link().open().await?;
    let connect = || cx.upgrade_with(&login.access).through(&link);
    let mut session = cx.open(connect()).await?;
    let thread = away::thread(cx, &mut session).await?;
    let mut tale = Tale { name: name.to_owned(), thread: thread.clone(), ..Tale::default() };
    let mut lines = vec![session.socket.line().clone()];
    tale.parts.push(format!("{name} 0"));
    let mut lost = Lost::default();
    // As many streams as bring the events that are to be missed.
    let streams = plan.missed.end().div_ceil(stream::events_of_a_stream(cx)).min(STREAMS);
    for _ in 0..streams {
        begin(cx, &mut session, &mut tale).await?;
    }
    let mut replayed = 0;
    for (number, style) in plan.styles.iter().enumerate() {
        cx.step(format!("a stream before {}", style.words()));
        let count = replayed + rng.random_range(plan.taken.clone());
        take(cx, &mut session.socket, tale.run(), count, &mut progress).await?;
        if progress.borrow().ended.contains(tale.run()) || is_over(&session.socket, tale.run()) {
            begin(cx, &mut session, &mut tale).await?;
        }
        cx.step(format!("{} while a run streams", style.words()));
        lose(cx, session, &link, *style, &mut rng, &mut lost).await;
        let due = progress.borrow().events + rng.random_range(plan.missed.clone());
        let over = |now: &Progress| now.events >= due || now.ended.contains(tale.run());
        until(cx, &mut progress, "events that the lost session misses", over).await?;

        cx.step(format!("the session is restored after {}", style.words()));
        let asked_s = cx.target().transcript().start().elapsed().as_secs_f64();
        let (new, restored) = cx.restored(connect(), &lost).await?;
        tale.restores.push(Restore { style: *style, lost: lost.clone(), run: tale.run().to_owned(), asked_s });
        tale.parts.push(format!("{name} {}", number + 1));
        lines.push(new.socket.line().clone());
        replayed = restored.field("replayed").and_then(serde_json::Value::as_u64).unwrap_or_default();
        session = new;
    }
    cx.step("the end of the interrupted runs");
    until(cx, &mut progress, "the end of the runs", |now| tale.runs.iter().all(|run| now.ended.contains(run))).await?;
    // What is sent on this socket comes in order: a pong ends it.
    cx.alive(&mut session.socket).await?;
    session.close().await;
    link.close().await;
    Ok((tale, lines))
}

/// Starts a run on the session's thread.
async fn begin(cx: &Context, session: &mut Session, tale: &mut Tale) -> Result<(), Stop> {
    let created = stream::start(cx, &mut session.socket, &tale.thread).await?;
    tale.runs.push(created.run_id().unwrap_or_default().to_owned());
    Ok(())
}

/// Whether the end of a run has come on this socket.
fn is_over(socket: &Socket, run: &str) -> bool {
    socket.seen().iter().filter_map(|received| received.message.as_ref().ok()).any(|message| is_last(message, run))
}

fn is_last(message: &Message, run: &str) -> bool {
    message.run_id() == Some(run) && ends_run(&message.kind)
}

/// Takes `count` messages about runs, or all to the end of `run`; which this socket is not told where the one before
/// it was.
async fn take(
    cx: &Context,
    socket: &mut Socket,
    run: &str,
    count: u64,
    progress: &mut watch::Receiver<Progress>,
) -> Result<(), Stop> {
    let of_a_run = |message: &Message| message.run_id().is_some();
    let within = cx.profile().thresholds.first_content;
    for _ in 0..count {
        if is_over(socket, run) {
            break;
        }
        let is_over_elsewhere = async { progress.wait_for(|now| now.ended.contains(run)).await.is_ok() };
        tokio::select! {
            biased;
            event = cx.message_within(socket, within, "an event of a run", of_a_run) => drop(event?),
            _ = is_over_elsewhere => return cx.alive(socket).await,
        }
    }
    Ok(())
}

/// Waits until the witness has seen enough.
async fn until(
    cx: &Context,
    progress: &mut watch::Receiver<Progress>,
    what: &str,
    enough: impl Fn(&Progress) -> bool,
) -> Result<(), Stop> {
    let within = cx.profile().thresholds.run;
    let seen = tokio::time::timeout(within, progress.wait_for(|now| enough(now))).await.is_ok_and(|seen| seen.is_ok());
    let missing = || format!("{what} did not come to a second socket within {} s", within.as_secs_f64());
    seen.then_some(()).ok_or_else(|| Inconclusive::new(Blame::Target, missing()).with(cx.evidence()).into())
}
