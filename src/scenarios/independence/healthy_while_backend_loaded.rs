use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{join_all, try_join_all};
use tokio::sync::Notify;

use super::flow;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Blame, Effect, Evidence, Finding, Group, Inconclusive, Judgement, Stop};
use crate::target::{Login, Response};
use crate::wire::Endpoint;

pub(super) static CHECK: Check =
    check!("independence/healthy-while-backend-loaded", run).effects(&[Effect::Disrupt]).group(Group::Disrupt);

/// Requests that the backend serves at any moment of the load.
const SIDE_BY_SIDE: usize = 8;
/// Requests of the whole load: it ends by itself.
const LOAD: usize = 400;
/// Rounds of calls to the auth service, five calls each: fifteen in all.
const ROUNDS: usize = 3;
/// Below this no answer is called slow, and five times the unloaded time is none of our business.
const FLOOR: Duration = Duration::from_secs(1);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    cx.step("without load");
    let alone = round(cx, &login, cx.profile().limits.request).await?;
    let limit = FLOOR.max(median(&alone) * 5);
    let control = cx.call(Endpoint::WsConfig).send().await?;
    cx.status(&control, &[200]).map_err(|stop| cx.control_failed("the backend answers", stop))?;

    cx.step("while the backend is loaded");
    let begun = AtomicUsize::new(0);
    let first = Notify::new();
    let mut load = pin!(join_all((0..SIDE_BY_SIDE).map(|_| load(cx, &begun, &first))).fuse());
    tokio::select! {
        () = first.notified() => {}
        _ = load.as_mut() => {
            let what = "the backend served none of the load's requests";
            return Err(Inconclusive::new(Blame::Target, what).with(cx.evidence()).into());
        }
    }
    let loaded = tokio::select! {
        times = rounds(cx, &login, limit) => times?,
        // The load may be over first.
        never = async { load.await; pending().await } => never,
    };

    let expected = format!("a median of at most {:.1} s", limit.as_secs_f64());
    let seen = || format!("{:.3} s, without load {:.3} s", median(&loaded).as_secs_f64(), median(&alone).as_secs_f64());
    let times = |what: &str, times: &[Duration]| {
        let times: Vec<_> = times.iter().map(|time| format!("{:.3}", time.as_secs_f64())).collect();
        format!("{what}: {} s", times.join(" "))
    };
    let facts = vec![times("without load", &alone), times("with load", &loaded)];
    let evidence = || Evidence { entries: Vec::new(), facts };
    cx.holds(median(&loaded) <= limit, Finding::Late, expected, seen, evidence)?;
    cx.conforms()
}

/// One of those who keep the backend busy, until they have begun their share together.
async fn load(cx: &Context, begun: &AtomicUsize, first: &Notify) {
    while begun.fetch_add(1, Ordering::Relaxed) < LOAD {
        // A public read: what needs a token would load the auth service by right.
        if cx.call(Endpoint::WsConfig).send().await.is_ok_and(|answer| answer.status == 200) {
            first.notify_one();
        }
    }
}

/// The times of all rounds, or of the first ones where the median is over the limit whatever follows.
async fn rounds(cx: &Context, login: &Login, limit: Duration) -> Result<Vec<Duration>, Stop> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        // A call that takes twice the limit is slow enough, and is not waited for.
        times.extend(round(cx, login, limit * 2).await?);
        if times.iter().filter(|time| **time > limit).count() > ROUNDS * 5 / 2 {
            break;
        }
    }
    Ok(times)
}

/// Three looks at auth's health and two verifications, side by side: how long each took.
async fn round(cx: &Context, login: &Login, patience: Duration) -> Result<Vec<Duration>, Stop> {
    let endpoints =
        [Endpoint::AuthHealth, Endpoint::Verify, Endpoint::AuthHealth, Endpoint::Verify, Endpoint::AuthHealth];
    try_join_all(endpoints.map(|endpoint| async move {
        let call = cx.call(endpoint).bearer(&login.access).deadline(patience);
        match call.send().await {
            Ok(answer) => cx.success(endpoint, &answer).map(|()| Response::took(&answer)),
            Err(fault) if fault.blame() == Blame::Target => Ok(patience),
            Err(fault) => flow::must(cx, "an answer", Err(fault.into())),
        }
    }))
    .await
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
