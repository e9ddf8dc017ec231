use std::time::{Duration, Instant};

use crate::check;
use crate::check::{Check, Context, Rest, absent};
use crate::model::{Effect, Finding, Group, Judgement, Need, Stop};
use crate::wire::Endpoint;

pub(super) static CHECK: Check = check!("isolation/foreign-thread-time-like-missing", run)
    .should()
    .needs(&[Need::TwoUsers])
    .effects(&[Effect::Create])
    .group(Group::Timing);

/// Interleaved pairs of one batch.
const PAIRS: usize = 20;
/// Medians that are no further apart are equal, nor those within so many deviations.
const EQUAL: (Duration, u32) = (Duration::from_millis(150), 5);

async fn run(cx: &Context) -> Judgement {
    let (owner, stranger) = (cx.login().await?, cx.second_login().await?);
    let thread = cx.rest(&owner).create("private").await?;
    let rest = cx.rest(&stranger);
    // What is only slow once is chance: two batches must agree.
    let mut told = String::new();
    for batch in 1..=2 {
        cx.step(format!("batch {batch} of {PAIRS} pairs of reads"));
        let began = Instant::now();
        let (missing, foreign) = pairs(cx, &rest, &thread).await?;
        let (apart, bound) = (missing.0.abs_diff(foreign.0), EQUAL.0.max(missing.1 * EQUAL.1));
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        told = format!("{:.1} ms for a missing thread, {:.1} ms for a foreign one", millis(missing.0), millis(foreign.0));
        cx.figure(format!("medians of batch {batch}: {told}"));
        if apart <= bound {
            let expected = format!("medians of two batches within {:.0} ms", millis(bound));
            cx.holds(true, Finding::WrongValue, expected, String::new, || cx.evidence())?;
            return cx.conforms();
        }
        cx.punctual(began, EQUAL.0)?;
    }
    let expected = "the same time for a foreign thread as for a missing one";
    Err(cx.deviation(Finding::WrongValue, [expected], told, cx.evidence()))
}

/// Median and median deviation of reads of a missing and of a foreign thread.
async fn pairs(cx: &Context, rest: &Rest<'_>, thread: &str) -> Result<((Duration, Duration), (Duration, Duration)), Stop> {
    let missing = absent(thread);
    let (mut of_missing, mut of_foreign) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        for (id, times) in [(missing.as_str(), &mut of_missing), (thread, &mut of_foreign)] {
            let answer = rest.call(Endpoint::GetThread, id).send().await?;
            cx.status(&answer, &[404]).map_err(|stop| cx.control_failed("both are refused", stop))?;
            times.push(answer.took());
        }
    }
    Ok((spread(of_missing), spread(of_foreign)))
}

/// Median, and median of the deviations from it.
fn spread(times: Vec<Duration>) -> (Duration, Duration) {
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    let middle = median(times.clone());
    (middle, median(times.into_iter().map(|time| time.abs_diff(middle)).collect()))
}
