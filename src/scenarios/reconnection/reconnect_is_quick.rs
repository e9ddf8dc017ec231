use std::time::{Duration, Instant};

use super::away;
use crate::check;
use crate::check::{Check, Context, Lost};
use crate::model::{Effect, Finding, Group, Judgement, Stop};
use crate::target::{Login, Received};
use crate::wire::Kind;

pub(super) static CHECK: Check =
    check!("reconnection/reconnect-is-quick", run).should().effects(&[Effect::Create]).group(Group::Timing);

/// How often it is measured.
const TIMES: usize = 10;
/// Two of ten over the window put the 95th percentile over it: the rest would not change that.
const DECIDED: usize = 2;
/// Round trips from nothing to the first replayed frame: TCP, TLS (two), upgrade, restore.
const TRIPS: u32 = 5;

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let thread = away::thread(cx, &mut session).await?;
    let trip = session.socket.rtt().await.unwrap_or_default();
    let window = cx.profile().thresholds.restore + trip * TRIPS;
    let mut lost = session.leave().await;
    let mut took = Vec::new();
    for number in 1..=TIMES {
        cx.step(format!("restore {number} of {TIMES}"));
        let posted = away::post(cx, &login.access, &thread).await?;
        took.push(restore(cx, &login, &mut lost, &posted, window * 2).await?);
        if took.iter().filter(|time| **time > window).count() >= DECIDED {
            break;
        }
    }
    let figures = took.iter().map(|time| format!("{} ms", time.as_millis())).collect::<Vec<_>>().join(", ");
    let p95 = p95(&mut took);
    let expected = format!("the first replayed frame within {} ms, 95 % of the time", window.as_millis());
    cx.figure(format!("first replayed frame after {figures} (window {} ms)", window.as_millis()));
    let seen = || format!("{} ms, of {figures}", p95.as_millis());
    cx.step("from connecting to the first replayed frame");
    cx.holds(p95 <= window, Finding::Late, expected, seen, || cx.evidence())?;
    cx.conforms()
}

/// From connecting to the first replayed frame; `most` where it takes longer.
async fn restore(
    cx: &Context,
    login: &Login,
    lost: &mut Lost,
    posted: &str,
    most: Duration,
) -> Result<Duration, Stop> {
    let (began, waited) = (Instant::now(), cx.recorder().manners().waited());
    let mut session = cx.session(&login.access).await?;
    session.socket.send(&lost.request()).await;
    let is_it = |received: &Received| {
        let message = received.message.as_ref().ok();
        message.is_some_and(|it| it.kind == Kind::MessageCreated && it.text("id") == Some(posted))
    };
    let replayed = session.socket.wait_for(is_it, "the first replayed frame", most).await;
    // A place that the last connection may still hold is waited for: that time is ours.
    let ours = cx.recorder().manners().waited() - waited;
    let took = replayed.map_or(most, |received| received.at.saturating_duration_since(began).saturating_sub(ours));
    session.socket.close(1000, "").await;
    session.socket.ended(Duration::from_secs(2)).await;
    lost.see(session.socket.seen());
    Ok(took)
}

/// The 95th percentile, between its neighbours.
fn p95(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    let rank = 0.95 * (times.len() - 1) as f64;
    let (below, above) = (times[rank.floor() as usize], times[rank.ceil() as usize]);
    below + (above - below).mul_f64(rank.fract())
}
