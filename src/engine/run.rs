//! The dispatcher: owns a run, and tells its events in the one order in which it saw them.

use std::any::Any;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::judges::Judges;
use super::preflight::{Known, obstacle};
use super::schedule::{PHASES, Selected};
use super::users::UserPool;
use crate::check::{Body, Check, Context, Waits};
use crate::model::{
    Blame, CheckId, Conforms, Event, Gate, Group, Inconclusive, Judgement, Level, Observation, Outcome, RunFacts,
    RunResult, Sink, Totals, Verdict,
};
use crate::target::Target;

/// In whose name the target is asked about itself before the first check.
const PREFLIGHT: CheckId = CheckId::new("run/preflight");

/// Everything a run is told.
pub struct RunOptions {
    /// The environment under test.
    pub target: Arc<Target>,
    /// Facts of the run.
    pub facts: Arc<RunFacts>,
    /// The checks.
    pub selected: Selected,
    /// The checks on which the gate insists.
    pub required: BTreeSet<CheckId>,
    /// Checks side by side; 0 means no bound.
    pub jobs: usize,
    /// Deadline of the run.
    pub timeout: Duration,
    /// Ends the run at the first gating deviation.
    pub fail_fast: bool,
    /// How often each check is tried.
    pub repeat: u32,
    /// Ends the run from outside.
    pub interrupt: CancellationToken,
}

/// What the tasks of a run share.
struct Shared {
    target: Arc<Target>,
    known: Known,
    users: Arc<UserPool>,
    jobs: Semaphore,
    breaker: Mutex<()>,
    repeat: u32,
    started: mpsc::UnboundedSender<CheckId>,
}

/// A check's end, before it is known whether it gates.
struct Finished {
    check: &'static Check,
    verdict: Verdict,
    attempts: u32,
    flaky: bool,
    panicked: bool,
    duration: Duration,
}

/// The owner of a run's outcomes.
struct Ledger<'a> {
    options: &'a RunOptions,
    sinks: &'a mut [&'a mut dyn Sink],
    outcomes: BTreeMap<CheckId, Arc<Outcome>>,
    panicked: bool,
    gated: bool,
}

impl Ledger<'_> {
    fn tell(&mut self, event: &Event) {
        for sink in self.sinks.iter_mut() {
            sink.on(event);
        }
    }

    fn finish(&mut self, finished: Finished) {
        let check = finished.check;
        let profile = self.options.target.profile();
        let demoted = profile.gate.origin_should && check.id.as_str() == "handshake/foreign-origin-refused";
        let level = if demoted { Level::Should } else { check.level };
        let gates = level == Level::Must || profile.gate.strict;
        self.panicked |= finished.panicked;
        self.gated |= gates && matches!(finished.verdict, Verdict::Deviates(_));
        let outcome = Arc::new(Outcome {
            id: check.id,
            title: check.page.title(),
            requirement: check.page.requirement(),
            priority: check.id.scenario().priority(),
            level,
            required: self.options.required.contains(&check.id),
            gates,
            verdict: finished.verdict,
            attempts: finished.attempts,
            flaky: finished.flaky,
            known: false,
            duration: finished.duration,
        });
        self.outcomes.insert(check.id, Arc::clone(&outcome));
        self.tell(&Event::CheckFinished(outcome));
    }
}

/// Runs the selected checks and tells the sinks.
///
/// `RunFinished` is the last event whatever happens: an interrupt, a deadline, a panic in a check.
pub async fn run<'a>(options: &'a RunOptions, sinks: &'a mut [&'a mut dyn Sink]) -> Arc<RunResult> {
    let began = Instant::now();
    let mut ledger = Ledger { options, sinks, outcomes: BTreeMap::new(), panicked: false, gated: false };
    ledger.tell(&Event::RunStarted(Arc::clone(&options.facts)));

    let end = began + options.timeout;
    let judged = tokio::select! {
        () = options.interrupt.cancelled() => End::Interrupted,
        end = tokio::time::timeout_at(end.into(), phases(options, &mut ledger)) => match end {
            Ok(()) => End::Whole,
            Err(_) => End::OutOfTime,
        },
    };
    if judged == End::OutOfTime {
        let what = format!("the run's limit of {:.0} s was over first", options.timeout.as_secs_f64());
        for check in options.selected.checks.iter().copied() {
            if !ledger.outcomes.contains_key(&check.id) {
                let verdict = Judgement::Err(Inconclusive::new(Blame::Target, what.clone()).into()).into();
                ledger.finish(Finished::at_once(check, verdict));
            }
        }
    }

    let order = options.selected.checks.iter().map(|check| check.id);
    let outcomes: Vec<_> = order.filter_map(|id| ledger.outcomes.get(&id).cloned()).collect();
    let interrupted = judged == End::Interrupted;
    let gate = Gate { interrupted, internal_error: ledger.panicked, unreachable: options.target.unreachable() };
    let result = Arc::new(RunResult {
        facts: Arc::clone(&options.facts),
        totals: Totals::of(outcomes.iter().map(AsRef::as_ref), options.facts.not_selected),
        exit_code: gate.exit_code(outcomes.iter().map(AsRef::as_ref)),
        outcomes,
        duration: began.elapsed(),
        interrupted,
        remarks: remarks(options),
    });
    ledger.tell(&Event::RunFinished(Arc::clone(&result)));
    result
}

/// What a person should know beside the verdicts.
fn remarks(options: &RunOptions) -> Vec<String> {
    let short = options.target.redactor().too_short();
    let secrets = short.iter().map(|kind| format!("a {kind} of under 8 characters is not searched for in reports"));
    secrets.collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Interrupted,
    OutOfTime,
}

impl Finished {
    fn at_once(check: &'static Check, verdict: Verdict) -> Self {
        Self { check, verdict, attempts: 0, flaky: false, panicked: false, duration: Duration::ZERO }
    }
}

/// All phases, one after the other; dropping it ends every check.
async fn phases(options: &RunOptions, ledger: &mut Ledger<'_>) {
    let target = &options.target;
    let recorder = target.recorder(PREFLIGHT);
    let (config, keys) = tokio::join!(target.config(&recorder), target.jwks(&recorder));
    let known = Known { config, publishes_keys: keys.is_ok_and(|keys| keys.is_some()) };
    let judges = Judges::of(&options.selected.checks, target.contract());
    target.observe({
        let judges = judges.clone();
        move |entry| judges.see(entry)
    });
    let (started, mut starts) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared {
        known,
        users: UserPool::new(target.profile().user_count().max(1)),
        jobs: Semaphore::new(if options.jobs == 0 { Semaphore::MAX_PERMITS } else { options.jobs }),
        breaker: Mutex::new(()),
        repeat: options.repeat.max(1),
        started,
        target: Arc::clone(target),
    });

    let mut flows = Vec::new();
    let mut scenarios = BTreeSet::new();
    for phase in PHASES {
        let mut checks: Vec<_> = options.selected.checks.iter().copied().filter(|check| phase(check.group)).collect();
        // The longest mandatory waits begin first, so that the others run inside them.
        let wait = |check: &Check| (check.wait)(&Waits { profile: target.profile(), config: &shared.known.config });
        checks.sort_by_key(|check| Reverse(wait(check)));
        let side_by_side = phase(None);
        let mut waiting = checks.into_iter();
        let mut tasks = JoinSet::new();
        loop {
            while side_by_side || tasks.is_empty() {
                let Some(check) = waiting.next() else { break };
                match obstacle(check, target.profile(), &shared.known) {
                    Some(reason) => ledger.finish(Finished::at_once(check, Verdict::NotVerified(reason))),
                    None => {
                        tasks.spawn(judge(Arc::clone(&shared), check));
                    }
                }
            }
            tokio::select! {
                biased;
                Some(id) = starts.recv() => {
                    if scenarios.insert(id.scenario()) {
                        ledger.tell(&Event::ScenarioStarted(id.scenario()));
                    }
                    ledger.tell(&Event::CheckStarted(id));
                }
                joined = tasks.join_next() => match joined {
                    None => break,
                    Some(Ok(finished)) if matches!(finished.check.body, Body::RunWide { .. }) => flows.push(finished),
                    Some(Ok(finished)) => ledger.finish(finished),
                    // Panics of checks are caught inside their tasks: this one is the engine's.
                    Some(Err(_)) => ledger.panicked = true,
                },
            }
            if options.fail_fast && ledger.gated {
                return;
            }
        }
    }
    for mut flow in flows {
        let judged = judges.decide(flow.check.id).map(Verdict::from);
        flow.verdict = match (judged, flow.verdict) {
            (Some(found @ Verdict::Deviates(_)), _) => found,
            (Some(judged), Verdict::Conforms(_)) => judged,
            (_, own) => own,
        };
        ledger.finish(flow);
    }
}

/// One check from its turn to its verdict.
async fn judge(shared: Arc<Shared>, check: &'static Check) -> Finished {
    let _breaker = match check.group {
        Some(Group::Breaker) => Some(shared.breaker.lock().await),
        _ => None,
    };
    let _job = shared.jobs.acquire().await;
    let lease = shared.users.take(check.users()).await;
    // The receiver lives as long as the run; without it nobody listens any more.
    let _ = shared.started.send(check.id);

    let began = Instant::now();
    let mut finished = Finished::at_once(check, Verdict::from(Conforms::on(&[])));
    let mut environment_hiccups = 0;
    let mut tries = 0;
    while tries < shared.repeat {
        let (verdict, panicked) = attempt(&shared, check, lease.users()).await;
        finished.panicked |= panicked;
        finished.attempts += 1;
        let hiccup = matches!(&verdict, Verdict::Inconclusive(why) if why.blame == Blame::Environment);
        if hiccup && environment_hiccups == 0 && !shared.target.unreachable() {
            // A restart or a gateway's hiccup is given one more chance, and told.
            environment_hiccups += 1;
            continue;
        }
        tries += 1;
        finished.flaky |= tries > 1 && verdict.slug() != finished.verdict.slug();
        if tries == 1 || rank(&verdict) > rank(&finished.verdict) {
            finished.verdict = verdict;
        }
    }
    finished.duration = began.elapsed();
    finished
}

/// Of several attempts the worst is told.
const fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Conforms(_) => 0,
        Verdict::NotVerified(_) => 1,
        Verdict::Inconclusive(_) => 2,
        Verdict::Deviates(_) => 3,
    }
}

/// One attempt under the check's deadline; `true` beside the verdict when it panicked.
async fn attempt(shared: &Shared, check: &'static Check, users: &[usize]) -> (Verdict, bool) {
    let context = Context::new(check, Arc::clone(&shared.target), shared.known.config, users.to_vec());
    let body = async {
        match check.body {
            Body::Probe(run) => run(&context).await,
            Body::RunWide { flow, .. } => {
                flow(&context).await?;
                // The judge's own observations replace this one when the run is over.
                Conforms::on(&[Observation::of_a_verified_fact()])
            }
        }
    };
    let limit = shared.target.profile().limits.check;
    let judged = tokio::time::timeout(limit, AssertUnwindSafe(body).catch_unwind()).await;
    let (judgement, panicked) = match judged {
        Ok(Ok(judgement)) => (judgement, false),
        Ok(Err(panic)) => {
            let what = format!("the check panicked: {}", message_of(&panic));
            (Err(Inconclusive::new(Blame::Harness, what).into()), true)
        }
        Err(_) => {
            let what = format!("no end within {:.0} s: {}", limit.as_secs_f64(), context.doing());
            let inconclusive = Inconclusive::new(Blame::Target, what).with(context.evidence());
            (Err(inconclusive.into()), false)
        }
    };
    context.mended().await;
    (judgement.into(), panicked)
}

fn message_of(panic: &Box<dyn Any + Send>) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}
