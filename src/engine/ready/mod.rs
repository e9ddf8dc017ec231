//! Whether the environment is ready to be judged: reached, healthy, of one and the right revision,
//! and open to the profile's credentials. [`ready`] asks until it is or its budget is over;
//! [`survey`](survey::survey) asks once and tells each step, for `doctor`.

mod after;
mod health;
mod login;
mod recognise;
mod revision;
mod survey;
mod way;

use std::time::{Duration, Instant};

use futures_util::future::join_all;

pub(super) use after::{After, look_again};
pub use recognise::{Recognition, recognise};
pub(super) use revision::Revisions;
pub use survey::{Grade, Step, survey};

use self::health::Samples;
use crate::model::{Blame, CheckId, Evidence, NotReady, Origin};
use crate::target::{Recorder, Target};

/// In whose name the environment is asked whether it is ready.
const READY: CheckId = CheckId::new("run/ready");

/// Pause after the first attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Attempts that get no answer at all before a silent environment is given up, whatever the budget.
const SILENT_ATTEMPTS: u32 = 3;

/// What helps against an obstacle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// Time may: it is tried again.
    Wait,
    /// Somebody took the connection and said nothing.
    Silent,
    /// Time will not.
    Never,
}

/// A failed step.
#[derive(Clone, Debug)]
struct Obstacle {
    why: Box<NotReady>,
    patience: Patience,
}

impl Obstacle {
    fn new(step: &'static str, subject: impl Into<String>, blame: Blame, patience: Patience) -> Self {
        let (expected, seen, next) = (String::new(), String::new(), String::new());
        let evidence = Evidence::default();
        let why = NotReady { step, subject: subject.into(), expected, seen, next, blame, evidence };
        Self { why: Box::new(why), patience }
    }

    fn expected(mut self, expected: impl Into<String>) -> Self {
        self.why.expected = expected.into();
        self
    }

    fn seen(mut self, seen: impl Into<String>) -> Self {
        self.why.seen = seen.into();
        self
    }

    fn next(mut self, next: impl Into<String>) -> Self {
        self.why.next = next.into();
        self
    }

    fn with(mut self, evidence: Evidence) -> Self {
        self.why.evidence = evidence;
        self
    }
}

/// Waits until the environment is ready, within `ready.within_s`; `waiting` is told what each failed
/// attempt saw. Answers with the revisions that are deployed.
///
/// # Errors
/// The step that failed last.
pub(super) async fn ready(target: &Target, mut waiting: impl FnMut(NotReady)) -> Result<Revisions, Box<NotReady>> {
    let end = Instant::now() + target.profile().ready.within;
    let mut pause = FIRST_PAUSE;
    let mut silent = 0;
    loop {
        let obstacle = match attempt(target).await {
            Ok(revisions) => return Ok(revisions),
            Err(obstacle) => obstacle,
        };
        silent = if obstacle.patience == Patience::Silent { silent + 1 } else { 0 };
        let hopeless = obstacle.patience == Patience::Never || silent >= SILENT_ATTEMPTS;
        if hopeless || Instant::now() + pause >= end {
            return Err(obstacle.why);
        }
        waiting(*obstacle.why);
        // A poll: the environment tells nobody when it is ready.
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Every step once.
async fn attempt(target: &Target) -> Result<Revisions, Obstacle> {
    let recorder = recorder(target);
    let doors = way::doors(target);
    for way in join_all(doors.iter().map(|door| way::open(target, door))).await {
        way?;
    }
    let samples = samples(target, &recorder).await;
    for origin in &samples {
        origin.healthy(target)?;
    }
    let revisions = Revisions::of(target, &recorder, &samples).await?;
    revisions.right(target)?;
    login::log_in(target, &recorder).await?;
    Ok(revisions)
}

/// That it is asked in vain before it is ready is no reason to give an origin up.
fn recorder(target: &Target) -> Recorder {
    let recorder = target.recorder(READY);
    recorder.manners().expect_outages();
    recorder.manners().take_any_answer();
    recorder
}

/// Samples of every origin's health.
async fn samples(target: &Target, recorder: &Recorder) -> Vec<Samples> {
    let known = Origin::ALL.into_iter().filter(|origin| target.profile().urls.of(*origin).is_some());
    join_all(known.map(|origin| Samples::take(target, recorder, origin))).await
}
