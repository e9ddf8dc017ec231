//! What is done at once: a check, or a flow with all its selected judges.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

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

/// A check's judgement in one attempt; `true` beside it when the check panicked; and, where somebody
/// will want to read it, everything that was said.
pub(super) type Judged = (Judgement, bool, Arc<History>);

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

    /// One attempt under the deadline of a check; a judgement for each of [`Self::checks`].
    pub(super) async fn attempt(&self, target: &Arc<Target>, known: &Known, users: &[usize]) -> Vec<Judged> {
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
                context.mended().await;
                let told = |(judgement, panicked)| {
                    let history = if is_read(&judgement) { Arc::clone(&history) } else { Arc::default() };
                    (judgement, panicked, history)
                };
                judged.into_iter().map(told).collect()
            }
            (None, checks) => {
                let mut judged = Vec::with_capacity(checks.len());
                for check in checks {
                    let context = Context::new(check, Arc::clone(&target), config, users.clone());
                    let (judgement, panicked) = bounded(&context, act(check, &context)).await;
                    context.mended().await;
                    let read = is_read(&judgement);
                    let history = if read { Arc::new(context.recorder().history()) } else { Arc::default() };
                    judged.push((judgement, panicked, history));
                }
                judged
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

/// `body` under the check's deadline; `true` beside its result when it panicked.
async fn bounded<T>(context: &Context, body: impl Future<Output = Result<T, Stop>>) -> (Result<T, Stop>, bool) {
    let limit = context.profile().limits.check;
    match tokio::time::timeout(limit, AssertUnwindSafe(body).catch_unwind()).await {
        Ok(Ok(result)) => (result, false),
        Ok(Err(panic)) => (Err(panicked(&panic)), true),
        Err(_) => {
            let what = format!("no end within {:.0} s", limit.as_secs_f64());
            let inconclusive = Inconclusive::new(Blame::Target, what).at(context.doing());
            (Err(inconclusive.with(context.evidence()).into()), false)
        }
    }
}

fn panicked(panic: &Box<dyn Any + Send>) -> Stop {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let what = format!("the check panicked: {}", said.unwrap_or("without a message"));
    Inconclusive::new(Blame::Harness, what).into()
}
