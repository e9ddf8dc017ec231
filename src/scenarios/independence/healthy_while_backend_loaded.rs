use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};

use super::flow;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Blame, Effect, Finding, Group, Inconclusive, Judgement, Stop};
use crate::target::{Login, Response};
use crate::wire::Endpoint;

pub(super) static CHECK: Check = check!("independence/healthy-while-backend-loaded", run)
    .effects(&[Effect::Disrupt])
    .group(Group::Disrupt);

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
    let alone = median(round(cx, &login, cx.profile().limits.request).await?);
    let limit = FLOOR.max(alone * 5);

    cx.step("while the backend is loaded");
    let served = AtomicUsize::new(0);
    let begun = AtomicUsize::new(0);
    let load = join_all((0..SIDE_BY_SIDE).map(|_| async {
        while begun.fetch_add(1, Ordering::Relaxed) < LOAD {
            // Public reads: what needs a token would load the auth service by right.
            let answers = cx.call(Endpoint::WsConfig).send().await.is_ok_and(|answer| answer.status == 200);
            served.fetch_add(usize::from(answers), Ordering::Relaxed);
        }
    }));
    let calls = async {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            // A call that takes longer than twice the limit counts as such, and is not waited for.
            times.extend(round(cx, &login, limit * 2).await?);
            if times.iter().filter(|time| **time > limit).count() > ROUNDS * 5 / 2 {
                break;
            }
        }
        Ok::<_, Stop>(times)
    };
    let times = tokio::select! {
        // The load may be over first; the calls never are without an answer.
        biased;
        times = calls => times?,
        _ = async { load.await; std::future::pending::<()>().await } => Vec::new(),
    };
    if served.load(Ordering::Relaxed) == 0 {
        let what = "the backend served none of the load's requests";
        return Err(Inconclusive::new(Blame::Target, what).with(cx.evidence()).into());
    }
    let loaded = median(times);
    let expected = format!("a median of at most {:.1} s", limit.as_secs_f64());
    let seen = || format!("{:.3} s, without load {:.3} s", loaded.as_secs_f64(), alone.as_secs_f64());
    cx.holds(loaded <= limit, Finding::Late, expected, seen, || cx.evidence())?;
    cx.conforms()
}

/// Three looks at auth's health and two verifications, side by side: how long each took.
async fn round(cx: &Context, login: &Login, patience: Duration) -> Result<Vec<Duration>, Stop> {
    let endpoints = [Endpoint::AuthHealth, Endpoint::Verify, Endpoint::AuthHealth, Endpoint::Verify, Endpoint::AuthHealth];
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

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
