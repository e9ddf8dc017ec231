//! What is done at once: a check, or a flow with all its selected judges.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;

use super::preflight::Known;
use crate::check::{Body, Check, Context, Flow, Recording};
use crate::model::{Blame, Conforms, Group, History, Inconclusive, Judgement, Observation, Stop};
use crate::target::Target;

/// A check by itself, or the judges of one flow, in registry order.
pub(super) struct Unit {
    flow: Option<&'static Flow>,
    checks: Vec<&'static Check>,
}

/// The longest pause that a target may ask for before one more attempt.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Between two looks at a deadline that moves while a check waits for its turn.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One attempt.
pub(super) struct Attempt {
    /// A judgement for each of [`Unit::checks`].
    pub(super) judged: Vec<Judged>,
    /// How much of it was waiting for turns, which is nobody's own time.
    pub(super) waited: Duration,
}

/// A check's judgement in one attempt.
pub(super) struct Judged {
    pub(super) judgement: Judgement,
    /// The check panicked, or tried what it has not declared: a defect of ours.
    pub(super) internal_error: bool,
    /// A hiccup of the environment, or of our own machine: worth one more attempt after this pause.
    pub(super) again_after: Option<Duration>,
    /// Everything that was said, where somebody will want to read it.
    pub(super) history: Arc<History>,
}

impl Judged {
    fn of(
        context: &Context,
        (judgement, internal_error): (Judgement, bool),
        delayed: bool,
        history: Arc<History>,
    ) -> Self {
        let again_after = match &judgement {
            _ if internal_error => None,
            Err(Stop::Inconclusive(why)) => match why.blame {
                Blame::Environment => Some(Duration::ZERO),
                Blame::Harness => delayed.then_some(Duration::ZERO),
                Blame::Throttled => context.recorder().manners().asked_pause().and_then(|pause| {
                    // After the pause one message is let through, after the window all that the limit allows.
                    let window = Duration::try_from_secs_f64(context.waits().config.rate_limit.window_s).ok()?;
                    Some(pause.max(window)).filter(|pause| *pause <= LONGEST_PAUSE)
                }),
                Blame::Target | Blame::Credentials => None,
            },
            _ => None,
        };
        Self { judgement, internal_error, again_after, history }
    }
}

impl Unit {
    /// The units of `checks`, each at the place of its first check.
    pub(super) fn of(checks: impl IntoIterator<Item = &'static Check>) -> Vec<Self> {
        let mut units: Vec<Self> = Vec::new();
        for check in checks {
            let flow = check.flow();
            let same = |unit: &&mut Self| flow.is_some_and(|flow| unit.flow.is_some_and(|it| it.id == flow.id));
            match units.iter_mut().find(same) {
                Some(unit) => unit.checks.push(check),
                None => units.push(Self { flow, checks: vec![check] }),
            }
        }
        units
    }

    pub(super) fn checks(&self) -> &[&'static Check] {
        &self.checks
    }

    pub(super) fn group(&self) -> Option<Group> {
        self.checks.first().and_then(|check| check.group)
    }

    /// How many users it takes.
    pub(super) fn users(&self) -> usize {
        self.checks.first().map_or(1, |check| check.users())
    }

    /// One attempt under the deadline of a check.
    pub(super) async fn attempt(&self, target: &Arc<Target>, known: &Known, users: &[usize]) -> Attempt {
        let (target, config, users) = (Arc::clone(target), known.config, users.to_vec());
        match (self.flow, self.checks.as_slice()) {
            (Some(flow), checks) => {
                let context = Context::of_flow(flow, target, config, users);
                let acted = bounded(&context, async {
                    let scene = (flow.act)(&context).await?;
                    Ok(context.recording(scene))
                })
                .await;
                let judged: Vec<_> = checks.iter().map(|check| judge(check, &acted)).collect();
                let read = judged.iter().any(|(judgement, _)| is_read(judgement));
                let history = if read { Arc::new(context.recorder().history()) } else { Arc::default() };
                let of_judge = acted.0.as_ref().is_ok_and(Recording::was_delayed);
                let delayed = context.was_delayed() || of_judge;
                let told = |end: (Judgement, bool)| {
                    let history = if is_read(&end.0) { Arc::clone(&history) } else { Arc::default() };
                    Judged::of(&context, end, delayed, history)
                };
                let judged = judged.into_iter().map(told).collect();
                context.mended().await;
                Attempt { judged, waited: context.recorder().manners().waited() }
            }
            (None, checks) => {
                let mut attempt = Attempt { judged: Vec::with_capacity(checks.len()), waited: Duration::ZERO };
                for check in checks {
                    let context = Context::new(check, Arc::clone(&target), config, users.clone());
                    let end = bounded(&context, act(check, &context)).await;
                    context.mended().await;
                    let read = is_read(&end.0);
                    let history = if read { Arc::new(context.recorder().history()) } else { Arc::default() };
                    attempt.judged.push(Judged::of(&context, end, context.was_delayed(), history));
                    attempt.waited += context.recorder().manners().waited();
                }
                attempt
            }
        }
    }
}

/// Whether somebody will want to read what was said.
const fn is_read(judgement: &Judgement) -> bool {
    matches!(judgement, Err(Stop::Deviates(_) | Stop::Inconclusive(_)))
}

async fn act(check: &'static Check, context: &Context) -> Judgement {
    match check.body {
        Body::Probe(run) => run(context).await,
        Body::RunWide { traffic, .. } => {
            traffic(context).await?;
            // The judge's own observations replace this one when the run is over.
            Conforms::on(&[Observation::of_a_verified_fact()])
        }
        Body::Judge { .. } => Err(Inconclusive::new(Blame::Harness, "a judge without its flow").into()),
    }
}

/// What a check makes of its flow's recording. A flow judges nothing: what it found wrong on its
/// way makes its checks inconclusive.
fn judge(check: &'static Check, acted: &(Result<Recording, Stop>, bool)) -> (Judgement, bool) {
    let recording = match acted {
        (Ok(recording), _) => recording,
        (Err(Stop::Deviates(deviation)), panicked) => {
            let what = format!("the flow did not come about: {}", deviation.seen);
            let inconclusive = Inconclusive::new(Blame::Target, what).at(deviation.step.clone());
            return (Err(inconclusive.with(deviation.evidence.clone()).into()), *panicked);
        }
        (Err(stop), panicked) => return (Err(stop.clone()), *panicked),
    };
    let Body::Judge { judge, .. } = check.body else {
        return (Err(Inconclusive::new(Blame::Harness, "a flow's check that is no judge").into()), false);
    };
    match catch_unwind(AssertUnwindSafe(|| recording.judged_by(judge))) {
        Ok(judgement) => (judgement, false),
        Err(panic) => (Err(panicked(&panic)), true),
    }
}

/// `body` under the check's deadline; `true` beside its result when it panicked, or tried what was not declared.
/// What came between the check and the service stands in place of whatever the check made of it.
async fn bounded<T>(context: &Context, body: impl Future<Output = Result<T, Stop>>) -> (Result<T, Stop>, bool) {
    let limit = context.profile().limits.check;
    let result = match within(limit, context, AssertUnwindSafe(body).catch_unwind()).await {
        Some(Ok(result)) => result,
        Some(Err(panic)) => return (Err(panicked(&panic)), true),
        None => {
            let what = format!("no end within {:.0} s", limit.as_secs_f64());
            Err(Inconclusive::new(Blame::Target, what).at(context.doing()).with(context.evidence()).into())
        }
    };
    let manners = context.recorder().manners();
    if let Some(what) = manners.breached() {
        return (Err(Inconclusive::new(Blame::Harness, what).with(context.evidence()).into()), true);
    }
    match (result, manners.disturbance()) {
        // What could not even be tried stays so.
        (Err(Stop::NotVerified(reason)), _) => (Err(reason.into()), false),
        (_, Some(disturbance)) => (Err(disturbance.into()), false),
        (result, None) => (result, false),
    }
}

/// The outcome of `body`, unless `limit` is over first; waiting for a turn is none of the check's time.
async fn within<T>(limit: Duration, context: &Context, body: impl Future<Output = T>) -> Option<T> {
    let began = Instant::now();
    let mut body = pin!(body);
    loop {
        let deadline = began + limit + context.recorder().manners().waited();
        if deadline <= Instant::now() {
            return None;
        }
        let look = deadline.max(Instant::now() + LOOK_AGAIN);
        if let Ok(done) = tokio::time::timeout_at(look.into(), &mut body).await {
            return Some(done);
        }
    }
}

fn panicked(panic: &Box<dyn Any + Send>) -> Stop {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let what = format!("the check panicked: {}", said.unwrap_or("without a message"));
    Inconclusive::new(Blame::Harness, what).into()
}
