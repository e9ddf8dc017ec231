//! The dispatcher: owns a run, and tells its events in the one order in which it saw them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::judges::Judges;
use super::preflight::{Known, obstacle};
use super::ready::{After, Revisions, look_again, ready};
use super::schedule::{PHASES, Selected};
use super::sweep::{Swept, sweep};
use super::unit::Unit;
use super::users::UserPool;
use super::{claims, clear};
use crate::check::{Body, Check, Waits};
use crate::model::{
    Blame, CheckId, Effect, Event, Finding, Gate, Group, History, Inconclusive, Judgement, Level, NotReady, Outcome,
    Repetition, RunFacts, RunResult, Sink, Totals, Trace, Verdict,
};
use crate::profile::LOCAL;
use crate::target::Target;
use crate::wire::Contract;

/// In whose name the target is asked about itself before the first check.
const PREFLIGHT: CheckId = CheckId::new("run/preflight");

/// What a run that was killed has left is swept after this time: it is surely over then.
const LEFT_BEHIND: Duration = Duration::from_secs(3_600);

/// How often in a run a pause is made because the target asked for it.
const PAUSES: u32 = 10;

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
    /// Whether the environment is asked whether it is ready, before and after; one that was started for the run is.
    pub readiness: bool,
    /// Deadline of the run.
    pub timeout: Duration,
    /// Ends the run at the first gating deviation.
    pub fail_fast: bool,
    /// How often each check is tried.
    pub repeat: u32,
    /// Ends the run from outside.
    pub interrupt: CancellationToken,
}

impl RunOptions {
    /// These checks, and nothing that a gate or a person at a terminal asks beside them: nothing is waited for, bounded
    /// or required.
    pub fn alone(target: Arc<Target>, checks: Vec<&'static Check>) -> Self {
        let profile = target.profile().name.clone();
        let facts = RunFacts {
            id: target.transcript().run().to_owned(),
            reference: profile == LOCAL,
            profile_argument: profile.clone(),
            profile,
            contract: target.contract().name().to_owned(),
            hosts: Vec::new(),
            seed: target.seed(),
            selection: String::new(),
            started: SystemTime::now(),
            revision: None,
            tool_version: env!("CARGO_PKG_VERSION"),
            planned: checks.iter().map(|check| check.id).collect(),
            not_selected: 0,
            repetition: Repetition::default(),
        };
        Self {
            facts: Arc::new(facts),
            selected: Selected { checks, not_selected: 0 },
            required: BTreeSet::new(),
            jobs: 0,
            readiness: false,
            timeout: target.profile().limits.run,
            fail_fast: false,
            repeat: 1,
            interrupt: CancellationToken::new(),
            target,
        }
    }
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
    /// How many more pauses are made because the target asked for them: it may ask every check.
    pauses: AtomicU32,
}

impl Shared {
    fn may_pause(&self, pause: Duration) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        pause.is_zero() || self.pauses.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }
}

/// A check's end, before it is known whether it gates.
struct Finished {
    check: &'static Check,
    verdict: Verdict,
    attempts: u32,
    flaky: bool,
    /// A defect of ours showed itself.
    internal_error: bool,
    duration: Duration,
    history: Arc<History>,
}

/// The owner of a run's outcomes.
struct Ledger<'a> {
    options: &'a RunOptions,
    sinks: &'a mut [&'a mut dyn Sink],
    /// The options' facts, and the revision once it is known.
    facts: Arc<RunFacts>,
    /// What was deployed when the environment was ready.
    revisions: Option<Revisions>,
    not_ready: Option<Arc<NotReady>>,
    outcomes: BTreeMap<CheckId, Arc<Outcome>>,
    panicked: bool,
    gated: bool,
    remarks: Vec<String>,
}

impl<'a> Ledger<'a> {
    fn new(options: &'a RunOptions, sinks: &'a mut [&'a mut dyn Sink]) -> Self {
        Self {
            facts: Arc::clone(&options.facts),
            options,
            sinks,
            revisions: None,
            not_ready: None,
            outcomes: BTreeMap::new(),
            panicked: false,
            gated: false,
            remarks: Vec::new(),
        }
    }

    fn tell(&mut self, event: &Event) {
        for sink in self.sinks.iter_mut() {
            sink.on(event);
        }
    }

    /// The environment is ready, and of these revisions.
    fn ready(&mut self, revisions: Revisions) {
        self.facts = Arc::new(RunFacts { revision: revisions.text(), ..self.facts.as_ref().clone() });
        self.revisions = Some(revisions);
        self.tell(&Event::Ready(Arc::clone(&self.facts)));
    }

    /// Every check without a verdict has this one cause.
    fn rest(&mut self, cause: &Inconclusive) {
        for check in self.options.selected.checks.iter().copied() {
            if !self.outcomes.contains_key(&check.id) {
                let verdict = Judgement::Err(cause.clone().into()).into();
                self.finish(Finished::at_once(check, verdict));
            }
        }
    }

    fn finish(&mut self, mut finished: Finished) {
        let check = finished.check;
        if let Verdict::Deviates(deviation) = &mut finished.verdict
            && let Some(gap) = gap(check, deviation.finding, self.options.target.contract())
        {
            Arc::make_mut(deviation).evidence.facts.push(gap);
        }
        let profile = self.options.target.profile();
        let demoted = profile.gate.origin_should && check.id.as_str() == "handshake/foreign-origin-refused";
        let level = if demoted { Level::Should } else { check.level };
        let gates = profile.gate.rules.gates(check.id, level);
        self.panicked |= finished.internal_error;
        self.gated |= gates && matches!(finished.verdict, Verdict::Deviates(_));
        let outcome = Arc::new(Outcome {
            id: check.id,
            title: check.page.title(),
            requirement: check.page.requirement(),
            priority: check.id.scenario().priority(),
            level,
            required: self.options.required.contains(&check.id),
            gates,
            trace: finished
                .verdict
                .evidence()
                .map(|evidence| Trace::of(evidence, &finished.history))
                .unwrap_or_default(),
            claims: claims::of(check, &finished.verdict, profile),
            verdict: finished.verdict,
            attempts: finished.attempts,
            flaky: finished.flaky,
            known: false,
            duration: finished.duration,
            history: finished.history,
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
    let mut ledger = Ledger::new(options, sinks);
    ledger.tell(&Event::RunStarted(Arc::clone(&options.facts)));

    let watched = CancellationToken::new();
    let lag = tokio::spawn({
        let (lag, watched) = (Arc::clone(options.target.lag()), watched.clone());
        async move { lag.watch(watched).await }
    });
    let end = began + options.timeout;
    let mut judged = tokio::select! {
        () = options.interrupt.cancelled() => End::Interrupted,
        end = tokio::time::timeout_at(end.into(), whole(options, &mut ledger)) => match end {
            Ok(()) => End::Whole,
            Err(_) => End::OutOfTime,
        },
    };
    if judged == End::OutOfTime {
        let what = format!("the run's limit of {:.0} s was over first", options.timeout.as_secs_f64());
        ledger.rest(&Inconclusive::new(Blame::Target, what));
    }
    let after = match &ledger.revisions {
        Some(before) if judged != End::Interrupted => tokio::select! {
            () = options.interrupt.cancelled() => {
                judged = End::Interrupted;
                After::default()
            }
            after = look_again(&options.target, before) => after,
        },
        _ => After::default(),
    };

    let within = if judged == End::Interrupted { clear::WITHIN_OF_AN_INTERRUPT } else { clear::WITHIN };
    let left = clear::clear(&options.target, within).await;
    ledger.remarks.extend(left);
    watched.cancel();
    ledger.panicked |= lag.await.is_err();

    let order = options.selected.checks.iter().map(|check| check.id);
    let outcomes = order.filter_map(|id| ledger.outcomes.get(&id).cloned()).map(|outcome| after.outcome(outcome));
    let outcomes: Vec<_> = outcomes.collect();
    let interrupted = judged == End::Interrupted;
    let unreachable = options.target.unreachable() || ledger.not_ready.is_some() || after.unsettled();
    let rules = options.target.profile().gate.rules.clone();
    let gate = Gate { interrupted, internal_error: ledger.panicked, unreachable, rules };
    let result = Arc::new(RunResult {
        facts: Arc::clone(&ledger.facts),
        totals: Totals::of(outcomes.iter().map(AsRef::as_ref), options.facts.not_selected),
        exit_code: gate.exit_code(outcomes.iter().map(AsRef::as_ref)),
        gate: gate.reasons(outcomes.iter().map(AsRef::as_ref)),
        outcomes,
        duration: began.elapsed(),
        interrupted,
        not_ready: ledger.not_ready.clone(),
        remarks: after.remarks().chain(remarks(options)).chain(ledger.remarks.drain(..)).collect(),
    });
    ledger.tell(&Event::RunFinished(Arc::clone(&result)));
    result
}

/// Readiness, then every phase. What is not ready is not judged: each check has that one cause.
async fn whole(options: &RunOptions, ledger: &mut Ledger<'_>) {
    if options.readiness && !options.selected.checks.is_empty() {
        match ready(&options.target, |why| ledger.tell(&Event::Waiting(Arc::new(why)))).await {
            Ok(revisions) => ledger.ready(revisions),
            Err(why) => {
                ledger.rest(&Inconclusive::from(&*why));
                ledger.not_ready = Some(Arc::new(*why));
                return;
            }
        }
    }
    phases(options, ledger).await;
}

/// What a person should know beside the verdicts.
fn remarks(options: &RunOptions) -> impl Iterator<Item = String> {
    let short = options.target.redactor().too_short();
    let secrets =
        short.into_iter().map(|kind| format!("a {kind} of under 8 characters is not searched for in reports"));
    secrets.chain(not_asked(options))
}

/// Checks that the profile's own `gate.required` names and that the user did not select: the gate
/// cannot insist on them, and must not seem to.
fn not_asked(options: &RunOptions) -> Option<String> {
    let planned = |id: &&CheckId| options.facts.planned.contains(id);
    let missing: Vec<_> = options.required.iter().filter(|id| !planned(id)).map(|id| id.as_str()).collect();
    let own = !options.target.profile().gate.required.is_empty() && !missing.is_empty();
    own.then(|| format!("`gate.required` names checks that were not selected: {}", missing.join(", ")))
}

/// Whether a run looks for what earlier ones have left: not in a reference that has just been started.
fn sweeps(options: &RunOptions) -> bool {
    !options.facts.reference && options.target.profile().allow.contains(&Effect::Create)
}

/// What a person should know of it.
fn remarks_of(swept: &Swept) -> Vec<String> {
    let removed = swept.threads.iter().filter(|thread| thread.left.is_none()).count();
    let removed = (removed > 0).then(|| match removed {
        1 => "1 thread that an earlier run had left was removed".to_owned(),
        count => format!("{count} threads that earlier runs had left were removed"),
    });
    let left = swept.left().map(|thread| {
        let why = thread.left.as_deref().unwrap_or_default();
        format!("thread {} of {}, which an earlier run had left, could not be removed: {why}", thread.id, thread.user)
    });
    let unasked = swept.unasked.first().map(|why| format!("not looked for what earlier runs have left: {why}"));
    removed.into_iter().chain(left).chain(unasked).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Interrupted,
    OutOfTime,
}

impl Finished {
    fn at_once(check: &'static Check, verdict: Verdict) -> Self {
        Self {
            check,
            verdict,
            attempts: 0,
            flaky: false,
            internal_error: false,
            duration: Duration::ZERO,
            history: Arc::default(),
        }
    }
}

/// All phases, one after the other; dropping it ends every check.
async fn phases(options: &RunOptions, ledger: &mut Ledger<'_>) {
    let target = &options.target;
    let recorder = target.recorder(PREFLIGHT);
    let (config, keys) = tokio::join!(target.config(&recorder), target.jwks(&recorder));
    let known = Known { config, publishes_keys: keys.is_ok_and(|keys| keys.is_some()) };
    let judges = Judges::of(&options.selected.checks, target);
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
        pauses: AtomicU32::new(PAUSES),
        target: Arc::clone(target),
    });

    // Beside the first checks: nobody waits for what was left an hour ago.
    let mut sweeping = sweeps(options).then(|| {
        let target = Arc::clone(target);
        AbortOnDropHandle::new(tokio::spawn(async move { sweep(&target, LEFT_BEHIND, false).await }))
    });
    let mut run_wide = Vec::new();
    let mut scenarios = BTreeSet::new();
    for phase in PHASES {
        let mut checks: Vec<_> = options.selected.checks.iter().copied().filter(|check| phase(check.group)).collect();
        // The longest mandatory waits begin first, so that the others run inside them.
        let wait = |check: &Check| (check.wait)(&Waits { profile: target.profile(), config: &shared.known.config });
        checks.sort_by_key(|check| Reverse(wait(check)));
        let side_by_side = phase(None);
        checks.retain(|check| match obstacle(check, target.profile(), target.contract(), &shared.known) {
            Some(reason) => {
                ledger.finish(Finished::at_once(check, Verdict::NotVerified(reason)));
                false
            }
            None => true,
        });
        let mut waiting = Unit::of(checks).into_iter();
        let mut tasks = JoinSet::new();
        loop {
            while side_by_side || tasks.is_empty() {
                let Some(unit) = waiting.next() else { break };
                tasks.spawn(judge(Arc::clone(&shared), unit));
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
                    Some(Ok(unit)) => {
                        for finished in unit {
                            match finished.check.body {
                                Body::RunWide { .. } => run_wide.push(finished),
                                Body::Probe(_) | Body::Judge { .. } => ledger.finish(finished),
                            }
                        }
                    }
                    // Panics of checks are caught inside their tasks: this one is the engine's.
                    Some(Err(_)) => ledger.panicked = true,
                },
            }
            if options.fail_fast && ledger.gated {
                return;
            }
        }
        if let Some(sweeping) = sweeping.take() {
            match sweeping.await {
                Ok(swept) => ledger.remarks.extend(remarks_of(&swept)),
                Err(_) => ledger.panicked = true,
            }
        }
    }
    for mut finished in run_wide {
        let judged = judges.decide(finished.check.id).map(Verdict::from);
        finished.verdict = match (judged, finished.verdict) {
            (Some(found @ Verdict::Deviates(_)), _) => found,
            (Some(judged), Verdict::Conforms(_)) => judged,
            (_, own) => own,
        };
        ledger.finish(finished);
    }
}

/// One unit from its turn to the verdicts of its checks.
async fn judge(shared: Arc<Shared>, unit: Unit) -> Vec<Finished> {
    let _breaker = match unit.group() {
        Some(Group::Breaker) => Some(shared.breaker.lock().await),
        _ => None,
    };
    let _job = shared.jobs.acquire().await;
    let lease = shared.users.take(unit.users()).await;
    for check in unit.checks() {
        // The receiver lives as long as the run; without it nobody listens any more.
        let _ = shared.started.send(check.id);
    }

    let began = Instant::now();
    let mut waited = Duration::ZERO;
    let mut finished: Vec<Finished> = Vec::new();
    let mut hiccups = 0;
    let mut tries = 0;
    while tries < shared.repeat {
        let attempt = unit.attempt(&shared.target, &shared.known, lease.users()).await;
        waited += attempt.waited;
        // A restart, a gateway's hiccup, a limit or our own delay is given one more chance, and told.
        let pause = attempt.judged.iter().filter_map(|judged| judged.again_after).max();
        let again = hiccups == 0 && !shared.target.unreachable() && pause.is_some_and(|pause| shared.may_pause(pause));
        if let (true, Some(pause)) = (again, pause) {
            // Retry-After (RFC 9110 §10.2.3), or what the protocol says in its place.
            tokio::time::sleep(pause).await;
            waited += pause;
        }
        hiccups += u32::from(again);
        tries += u32::from(!again);
        let attempts = tries + hiccups;
        for (place, judged) in attempt.judged.into_iter().enumerate() {
            let verdict = Verdict::from(judged.judgement);
            if finished.len() == place {
                finished.push(Finished::at_once(unit.checks()[place], verdict.clone()));
            }
            let known = &mut finished[place];
            known.internal_error |= judged.internal_error;
            known.attempts = attempts;
            if again {
                continue;
            }
            known.flaky |= tries > 1 && verdict.slug() != known.verdict.slug();
            if tries == 1 || rank(&verdict) > rank(&known.verdict) {
                known.verdict = verdict;
                known.history = judged.history;
            }
        }
    }
    for finished in &mut finished {
        finished.duration = began.elapsed().saturating_sub(waited);
    }
    finished
}

/// What a contract says of a deviation that its environments are known for: it deviates all the same.
fn gap(check: &Check, finding: Finding, contract: &Contract) -> Option<String> {
    let mut catches = check.page.catches().filter(|catch| catch.finding == Some(finding));
    let what = catches.find_map(|catch| contract.gaps().find(|(defect, _)| *defect == catch.defect))?.1;
    Some(format!("a known gap of the contract {}: {what}", contract.name()))
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
