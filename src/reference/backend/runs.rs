//! Runs: the grammar of contract 7.2, one message at a time, and every way in which a run ends.

use std::time::Duration;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::breaker::{Admission, Change};
use super::hub::{Hub, To};
use super::prompt::{AGENTS, Act, Failure, Step};
use super::{misfail, misrun};
use crate::wire::{ErrorCode, Kind, Message};

/// Runs of a user, from which on those that nobody asks for are forgotten.
const REMEMBERED: usize = 256;

/// Told to retry a failed run after.
const RETRY: Duration = Duration::from_millis(100);

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Running,
    Completed,
    Failed,
    Stopped,
    Terminated,
}

impl Status {
    /// Its word in `session_restored`.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Terminated => "terminated",
        }
    }
}

/// A run, also after its end.
pub(super) struct Run {
    /// Connection id of the session that started it: its credential is the run's.
    pub(super) session: String,
    pub(super) thread: String,
    pub(super) status: Status,
    /// The agent that leads it: its breaker counts the run.
    pub(super) lead: &'static str,
    admission: Admission,
    degrades: bool,
    started: Instant,
    /// Agents whose segment is open, and since when.
    open: Vec<(&'static str, Instant)>,
    tool_since: Option<Instant>,
    /// All deltas so far.
    pub(super) said: String,
    /// How many of them there were.
    pub(super) deltas: usize,
    /// One that is sent after the next.
    pub(super) held: Option<Message>,
    metrics: Vec<Value>,
    /// The agent and step that were told of last.
    pub(super) agent: Option<&'static str>,
    pub(super) step: Option<usize>,
    /// Begins again at the next step.
    restarts: bool,
}

/// How a run ends before it completes.
pub(super) enum Ending {
    /// On request; the reason that is told.
    Stopped(&'static str),
    /// Its credential has ended.
    Terminated(ErrorCode),
    /// An agent failed.
    Failed(&'static str, Failure),
}

/// What the task of a run does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    Again,
    Over,
}

impl Hub {
    /// Begins a run; its events come by [`Self::act`].
    pub(super) fn begin_run(
        &mut self,
        user: &str,
        session: &str,
        thread: &str,
        lead: &'static str,
        admission: Admission,
        degrades: bool,
    ) -> String {
        let id = self.id("run", user);
        let run = Run {
            session: session.to_owned(),
            thread: thread.to_owned(),
            status: Status::Running,
            lead,
            admission,
            degrades,
            started: Instant::now(),
            open: Vec::new(),
            tool_since: None,
            said: String::new(),
            deltas: 0,
            held: None,
            metrics: Vec::new(),
            agent: None,
            step: None,
            restarts: false,
        };
        let owner = self.user(user);
        if owner.runs.len() >= REMEMBERED {
            let is_shown = |id: &String| owner.sessions.values().any(|session| session.last_run.as_ref() == Some(id));
            owner.runs.retain(|id, run| run.status == Status::Running || is_shown(id));
        }
        owner.runs.insert(id.clone(), run);
        if let Some(session) = self.session_mut(user, session) {
            session.last_run = Some(id.clone());
        }
        id
    }

    /// One step of a run.
    pub(super) fn act(&mut self, user: &str, id: &str, step: &Step) -> Then {
        let coroutine = self.site.policy().messages.coroutine_in_payload.on();
        let policy = self.site.policy().runs;
        let now = match policy.wrong_timestamp_form.on() {
            true => Value::from(OffsetDateTime::now_utc().unix_timestamp_nanos() as f64 / 1e6),
            false => self.stamp(OffsetDateTime::now_utc()),
        };
        let Some(run) = self.users.get_mut(user).and_then(|user| user.runs.get_mut(id)) else { return Then::Over };
        if run.status != Status::Running {
            return Then::Over;
        }
        if std::mem::take(&mut run.restarts) {
            run.open.clear();
            return Then::Again;
        }
        run.agent = Some(step.agent);
        let result = |text: String| if coroutine { "<coroutine object execute at 0x7f3a5c0>".to_owned() } else { text };
        let mut degrades = false;
        let (kind, payload) = match &step.act {
            Act::Start => {
                degrades = run.degrades && !policy.never_degraded.on() && run.open.is_empty() && run.metrics.is_empty();
                run.open.push((step.agent, Instant::now()));
                (Kind::AgentStarted, json!({"timestamp": now}))
            }
            Act::Think { step, of } => {
                run.step = Some(*step);
                let thought = format!("Step {step} of {of}: looking at what is asked.");
                (Kind::AgentThinking, json!({"thought": thought, "step_number": step, "total_steps": of}))
            }
            Act::ToolBegin { tool, since } => {
                run.tool_since = Instant::now().checked_sub(*since);
                (Kind::ToolExecuting, json!({"tool_name": tool, "timestamp": now}))
            }
            Act::ToolEnd(tool) => {
                let took = run.tool_since.take().map_or(0.0, |since| millis(since.elapsed()));
                (
                    Kind::ToolCompleted,
                    json!({"tool_name": tool, "result": result("3 rows".into()), "duration_ms": took}),
                )
            }
            Act::Say { delta, last } => {
                run.said.push_str(delta);
                (Kind::PartialResult, json!({"content": delta, "is_complete": last}))
            }
            Act::Complete => {
                let since = run.open.iter().position(|(agent, _)| *agent == step.agent).map(|at| run.open.remove(at).1);
                let took = since.map_or(0.0, |since| millis(since.elapsed()));
                run.metrics.push(json!({"agent_name": step.agent, "duration_ms": took}));
                let told = result(format!("{} has finished.", step.agent));
                (Kind::AgentCompleted, json!({"duration_ms": took, "result": told, "metrics": {"steps": 2}}))
            }
            Act::Fail(failure) => {
                self.end_run(user, id, &Ending::Failed(step.agent, *failure), None);
                return Then::Over;
            }
        };
        let message = about(id, &run.thread, Some(step.agent), kind, payload);
        for message in misrun::sent(policy, run, message) {
            self.send(user, To::All, message);
        }
        if degrades {
            let available = ["rest", "threads", "history", "streaming"].map(str::to_owned).to_vec();
            self.degrade(user, &available, "tools", "Tools answer from a cache for now; everything else works.");
        }
        Then::GoOn
    }

    /// Ends a run whose segments have all completed.
    pub(super) fn complete_run(&mut self, user: &str, id: &str) {
        let Some(run) = self.users.get_mut(user).and_then(|user| user.runs.get_mut(id)) else { return };
        if run.status != Status::Running {
            return;
        }
        run.status = Status::Completed;
        let (lead, admission, degrades) = (run.lead, run.admission, run.degrades);
        let thread = run.thread.clone();
        let report = json!({
            "report": format!("{} agents have answered.", run.metrics.len()),
            "total_duration_ms": millis(run.started.elapsed()),
            "agent_metrics": std::mem::take(&mut run.metrics),
            "recommendations": ["Cache repeated prompts."],
            "action_plan": ["Measure for a week", "Compare"],
        });
        let message = about(id, &run.thread, None, Kind::FinalReport, report);
        self.store_answer(user, id);
        self.send(user, To::All, message);
        if self.site.policy().runs.event_after_terminal.on() {
            let late = json!({"content": "one more thing", "is_complete": false});
            self.send(user, To::All, about(id, &thread, Some(lead), Kind::PartialResult, late));
        }
        if degrades {
            self.recovered(user, "tools");
        }
        if self.breaker(user, lead).succeeded(admission) == Some(Change::Closed) {
            self.tell_breaker(user, lead);
            self.recovered(user, &format!("agent:{lead}"));
        }
    }

    /// Ends a run before it completes; `asked` is the message that its first event answers.
    pub(super) fn end_run(&mut self, user: &str, id: &str, ending: &Ending, asked: Option<&str>) {
        let (failures, streams) = (self.site.policy().failures, self.site.policy().streams);
        let Some(run) = self.users.get_mut(user).and_then(|user| user.runs.get_mut(id)) else { return };
        run.status = match ending {
            Ending::Stopped(_) => Status::Stopped,
            Ending::Terminated(_) => Status::Terminated,
            Ending::Failed(..) if failures.hang_after_error.on() => Status::Running,
            Ending::Failed(..) => Status::Failed,
        };
        let (lead, admission, thread) = (run.lead, run.admission, run.thread.clone());
        let length = run.said.chars().count();
        let mut open: Vec<_> = std::mem::take(&mut run.open).into_iter().map(|(agent, _)| agent).collect();
        let first = match ending {
            Ending::Failed(agent, _) => {
                open.retain(|other| other != agent);
                Some(*agent)
            }
            _ if open.is_empty() => None,
            _ => Some(open.remove(0)),
        };
        match ending {
            Ending::Failed(..) if failures.partial_lost_on_failure.on() => {}
            Ending::Terminated(ErrorCode::TokenExpired) if streams.partial_lost_on_expiry.on() => {}
            _ => self.store_answer(user, id),
        }
        let mut opened = None;
        let (kind, payload, reason) = match ending {
            Ending::Stopped(reason) => (Kind::AgentStopped, json!({"reason": reason}), *reason),
            Ending::Terminated(code) => {
                let payload = json!({"error_code": code.as_str(), "content_so_far_length": length});
                (Kind::StreamTerminated, payload, "authentication ended")
            }
            Ending::Failed(_, failure) => {
                let breaker = self.breaker(user, lead);
                opened = if failure.counts { breaker.failed(admission, Instant::now()) } else { None };
                let retry = if opened.is_some() { breaker.retry_after() } else { RETRY };
                let mut payload = json!({
                    "error_code": failure.error_code, "error_type": failure.error_type, "message": failure.message,
                    "is_recoverable": failure.recoverable, "timestamp": self.stamp(OffsetDateTime::now_utc()),
                });
                if failure.recoverable {
                    payload["retry_after_ms"] = Value::from(whole_millis(retry));
                }
                misfail::disfigured(failures, &mut payload);
                (Kind::AgentError, payload, "another agent of the run failed")
            }
        };
        if !matches!(ending, Ending::Failed(_, failure) if failure.counts) {
            self.breaker(user, lead).abandoned(admission, Instant::now());
        }
        let terminal = about(id, &thread, first, kind, payload);
        match (ending, asked) {
            (Ending::Failed(..), _) => {
                misfail::sent(failures, terminal).into_iter().for_each(|it| self.send(user, To::All, it));
            }
            (_, Some(_)) => self.answer(user, To::All, asked, terminal),
            (_, None) => self.send(user, To::All, terminal),
        }
        let goes_on = match ending {
            Ending::Stopped(_) => self.site.policy().runs.content_after_stop.on(),
            Ending::Terminated(_) => streams.content_after_revoke.on(),
            Ending::Failed(..) => false,
        };
        if goes_on {
            let late = json!({"content": "one more thing", "is_complete": false});
            self.send(user, To::All, about(id, &thread, Some(lead), Kind::PartialResult, late));
        }
        for agent in open {
            let stopped = about(id, &thread, Some(agent), Kind::AgentStopped, json!({"reason": reason}));
            self.send(user, To::All, stopped);
        }
        if let Ending::Failed(_, failure) = ending {
            self.after_failure(user, id, &thread, *failure);
        }
        if opened == Some(Change::Opened) {
            self.tell_breaker(user, lead);
            let rest = ["rest", "threads", "history", "streaming", "tools"].map(str::to_owned);
            let others = AGENTS.iter().filter(|agent| **agent != lead).map(|agent| format!("agent:{agent}"));
            let available: Vec<_> = rest.into_iter().chain(others).collect();
            self.degrade(user, &available, &format!("agent:{lead}"), "One agent is paused; all others still answer.");
        }
    }

    /// Ends the running runs that `concerns` picks, oldest first.
    pub(super) fn end_runs(&mut self, user: &str, ending: &Ending, concerns: impl Fn(&Run) -> bool) {
        let Some(owner) = self.users.get(user) else { return };
        let is_concerned = |run: &&Run| run.status == Status::Running && concerns(run);
        let mut runs: Vec<_> = owner.runs.iter().filter(|(_, run)| is_concerned(run)).collect();
        runs.sort_by_key(|(_, run)| run.started);
        let ids: Vec<_> = runs.into_iter().map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.end_run(user, &id, ending, None);
        }
    }

    /// Whether a session has running runs.
    pub(super) fn is_running(&self, user: &str, session: &str) -> bool {
        self.users
            .get(user)
            .is_some_and(|user| user.runs.values().any(|run| run.status == Status::Running && run.session == session))
    }

    /// Makes the running runs of a session begin again.
    pub(super) fn restart_runs(&mut self, user: &str, session: &str) {
        let Some(owner) = self.users.get_mut(user) else { return };
        for run in owner.runs.values_mut().filter(|run| run.session == session) {
            run.restarts = true;
        }
    }

    /// What was delivered becomes the run's one message in the history.
    fn store_answer(&mut self, user: &str, id: &str) {
        let Some(run) = self.users.get_mut(user).and_then(|user| user.runs.get_mut(id)) else { return };
        let (said, thread) = (std::mem::take(&mut run.said), run.thread.clone());
        let said = misrun::stored(self.site.policy().runs, said);
        if !said.is_empty() {
            let message = self.id("message", user);
            let metadata = json!({"run_id": id});
            self.user(user).threads.append(&thread, message, "assistant", said, metadata);
        }
    }

    /// Tells all sockets of a user how a breaker stands.
    pub(super) fn tell_breaker(&mut self, user: &str, agent: &'static str) {
        if self.site.policy().breakers.silent.on() {
            return;
        }
        let breaker = self.breaker(user, agent);
        let retry_after = if breaker.state() == "open" { breaker.retry_after() } else { Duration::ZERO };
        let message = Message::new(Kind::CircuitBreakerTriggered)
            .with("service", format!("agent:{agent}"))
            .with("state", breaker.state())
            .with("failure_count", breaker.failures())
            .with("retry_after_ms", whole_millis(retry_after));
        self.send(user, To::All, message);
    }

    fn degrade(&mut self, user: &str, available: &[String], disabled: &str, text: &str) {
        let Some(available) = misfail::announced(self.site.policy().failures, available.to_vec()) else { return };
        let message = Message::new(Kind::GracefulDegradation)
            .with("level", "partial")
            .with("available_features", available)
            .with("disabled_features", vec![disabled])
            .with("performance_impact", "none")
            .with("message", text);
        self.send(user, To::All, message);
    }

    fn recovered(&mut self, user: &str, service: &str) {
        let message = Message::new(Kind::ServiceRecovered)
            .with("service", service)
            .with("message", format!("{service} is available again."));
        self.send(user, To::All, message);
    }
}

/// A message about a run; `agent` is null for what concerns the whole of it.
pub(super) fn about(run: &str, thread: &str, agent: Option<&str>, kind: Kind, payload: Value) -> Message {
    let mut members = Map::from_iter([
        ("run_id".to_owned(), Value::from(run)),
        ("thread_id".to_owned(), Value::from(thread)),
        ("agent_name".to_owned(), Value::from(agent)),
    ]);
    if let Value::Object(payload) = payload {
        members.extend(payload);
    }
    Message { payload: members, ..Message::new(kind) }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Whole milliseconds, never less than `time`.
pub(super) fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX)
}
