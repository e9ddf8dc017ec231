//! A breaker that opens, half opens and closes: done once, judged by three checks.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde_json::Value;

use super::failure::{healthy, since_start, window};
use crate::check::{Context, Flow, PLAIN_PROMPT, Recording, Scene, Seen, Session, Waits, ends_run, recorded};
use crate::model::{Blame, Effect, Group, Inconclusive, Need, NotVerified, Stop, Trigger};
use crate::target::{Login, Response, Socket};
use crate::wire::{Endpoint, Kind, Message};

/// One user's agent fails until its breaker opens; a second user and another agent are beside it.
pub(super) static FLOW: Flow = Flow::new("recovery/breaker-that-opens", |cx| Box::pin(act(cx)))
    .needs(&[Need::Trigger(Trigger::AgentFailure), Need::TwoUsers])
    .effects(&[Effect::Create, Effect::Disrupt])
    .group(Group::Breaker)
    .wait(wait);

/// Beyond the time that the target told before it is asked again.
const MARGIN: Duration = Duration::from_millis(50);

/// All failures, and the time until a trial.
fn wait(waits: &Waits<'_>) -> Duration {
    let breaker = waits.config.breaker;
    let each = window(waits.profile, Trigger::AgentFailure) - waits.profile.thresholds.agent_error;
    let failures = u32::try_from(breaker.failure_threshold).unwrap_or(u32::MAX);
    each.saturating_mul(failures) + Duration::from_secs_f64(breaker.retry_after_ms / 1e3)
}

/// Who takes part.
struct Cast<'a> {
    cx: &'a Context,
    login: Login,
    neighbour: Login,
    asking: Session,
    second: Session,
    other: Session,
    thread: String,
    other_thread: String,
    scene: Scene,
}

async fn act(cx: &Context) -> Result<Scene, Stop> {
    let (login, neighbour) = (cx.login().await?, cx.second_login().await?);
    let (mut asking, second) = (cx.session(&login.access).await?, cx.session(&login.access).await?);
    let mut other = cx.session(&neighbour.access).await?;
    let mut scene = Scene::new();
    scene.socket("asking", &asking.socket);
    scene.socket("second", &second.socket);
    scene.socket("neighbour", &other.socket);
    let thread = cx.thread(&mut asking.socket, "breaker").await?;
    let other_thread = cx.thread(&mut other.socket, "breaker's neighbour").await?;
    let mut cast = Cast { cx, login, neighbour, asking, second, other, thread, other_thread, scene };
    if cast.opens().await? {
        cast.while_open().await?;
        cast.half_opens().await?;
    }
    let Cast { asking, second, other, scene, .. } = cast;
    asking.close().await;
    second.close().await;
    other.close().await;
    Ok(scene)
}

impl Cast<'_> {
    fn healthy(&self, thread: &str) -> Result<Message, Stop> {
        Ok(healthy(self.cx, Trigger::AgentFailure)?.with("thread_id", thread))
    }

    /// A plain message, which may be another agent's.
    fn plain(&self) -> Message {
        let plain = Message::new(Kind::UserMessage).with("content", PLAIN_PROMPT);
        plain.with("thread_id", self.thread.as_str())
    }

    /// Runs of both users and of another agent; then failures until the breaker must open. `false` when it is shared.
    async fn opens(&mut self) -> Result<bool, Stop> {
        let cx = self.cx;
        cx.step("control: runs of both users complete");
        let control = |stop| cx.control_failed("a run completes", stop);
        let (healthy, others, plain) = (self.healthy(&self.thread)?, self.healthy(&self.other_thread)?, self.plain());
        let own = cx.whole_run(&mut self.asking.socket, healthy.clone()).await.map_err(control)?;
        cx.whole_run(&mut self.other.socket, others).await.map_err(control)?;
        let plain = cx.whole_run(&mut self.asking.socket, plain).await.map_err(control)?;
        let agent = lead(&self.asking.socket, &own);
        let beside = lead(&self.asking.socket, &plain);
        self.scene.fact("agent", agent.as_str());
        self.scene.fact("beside", if beside == agent { Value::Null } else { Value::from(beside.as_str()) });

        cx.step("one failure, and whose count it moves");
        let neighbour = self.neighbour.clone();
        let before = failures(&self.status("neighbour before", &neighbour, &agent).await?);
        self.status("beside before", &self.login.clone(), &beside).await?;
        self.fail().await?;
        let after = failures(&self.status("neighbour after", &neighbour, &agent).await?);
        self.status("beside after", &self.login.clone(), &beside).await?;
        self.status("own after", &self.login.clone(), &agent).await?;
        self.scene.fact("shared", before != after);
        if before != after {
            cx.step("a shared breaker is left as it was found");
            recorded(cx.whole_run(&mut self.asking.socket, healthy).await)?;
            return Ok(false);
        }

        let threshold = cx.config().breaker.failure_threshold;
        self.scene.fact("threshold", threshold);
        for number in 1..threshold {
            cx.step(format!("failure {} of {threshold} in a row", number + 1));
            if !self.fail().await? {
                break;
            }
        }
        cx.step("the breaker after the last failure");
        for socket in [&mut self.asking.socket, &mut self.second.socket] {
            let within = cx.profile().thresholds.reply;
            recorded(
                cx.event(socket, within, "circuit_breaker_triggered", |message| is_change(message, "open")).await,
            )?;
        }
        Ok(true)
    }

    /// One failure; `false` when it is not even begun.
    async fn fail(&mut self) -> Result<bool, Stop> {
        let cx = self.cx;
        let request = cx.prompt(Trigger::AgentFailure)?.with("thread_id", self.thread.as_str());
        let Some(run) = recorded(cx.starts(&mut self.asking.socket, request).await)? else { return Ok(false) };
        let is_end = |message: &Message| message.run_id() == Some(&run) && ends_run(&message.kind);
        let within = window(cx.profile(), Trigger::AgentFailure);
        let end = cx.event(&mut self.asking.socket, within, "agent_error", is_end).await;
        match end.map_err(|stop| cx.control_failed("the agent fails", stop))?.kind {
            Kind::AgentError => Ok(true),
            kind => {
                let what = format!("the run of `triggers.agent_failure` ended with {kind}: correct the trigger");
                Err(NotVerified::NotProvoked(what).into())
            }
        }
    }

    /// What is asked while the breaker is open: the same agent, its status, the other user, the other agent.
    async fn while_open(&mut self) -> Result<(), Stop> {
        let cx = self.cx;
        cx.step("a request while the breaker is open");
        let refused = self.request("refused", self.healthy(&self.thread)?).await?;
        let told = refused.as_ref().and_then(|answer| answer.field("retry_after_ms")).and_then(Value::as_f64);
        let after = told.unwrap_or(f64::MAX).min(cx.config().breaker.retry_after_ms);
        let due = Instant::now() + Duration::from_secs_f64(after / 1e3) + MARGIN;
        self.statuses("open").await?;

        cx.step("other users and agents while the breaker is open");
        let (others, plain) = (self.healthy(&self.other_thread)?, self.plain());
        let run = recorded(cx.starts(&mut self.other.socket, others).await)?;
        self.scene.fact("neighbour run", run.clone());
        if let Some(run) = run {
            recorded(cx.run_end(&mut self.other.socket, &run).await)?;
        }
        let run = recorded(cx.starts(&mut self.asking.socket, plain).await)?;
        self.scene.fact("beside run", run.clone());
        if let Some(run) = run {
            recorded(cx.run_end(&mut self.asking.socket, &run).await)?;
        }
        cx.step("waiting until a trial is due");
        // Not a wait for something to happen: the target has told this time.
        tokio::time::sleep_until(due.into()).await;
        Ok(())
    }

    /// A trial, and a request beside it; then what the trial's success brings.
    async fn half_opens(&mut self) -> Result<(), Stop> {
        let cx = self.cx;
        cx.step("a trial run, and a second request beside it");
        let lasting = cx.lasting_prompt();
        self.asking.socket.burst(2).await;
        let trial = self.request("trial", self.healthy(&self.thread)?.with("content", lasting)).await?;
        let beside = self.request("beside trial", self.healthy(&self.thread)?).await?;
        let run = |answer: &Option<Message>| answer.as_ref().and_then(Message::run_id).map(str::to_owned);
        self.statuses("half open").await?;
        recorded(cx.alive(&mut self.asking.socket).await)?;
        let goes_on = run(&trial).is_some_and(|run| !has_ended(&self.asking.socket, &run));
        self.scene.fact("trial went on", goes_on);

        cx.step("the end of the trial");
        for run in [run(&trial), run(&beside)].into_iter().flatten() {
            recorded(cx.run_end(&mut self.asking.socket, &run).await)?;
        }
        for socket in [&mut self.asking.socket, &mut self.second.socket] {
            let within = cx.profile().thresholds.reply;
            let closed = cx.event(socket, within, "circuit_breaker_triggered", |it| is_change(it, "closed")).await;
            if recorded(closed)?.is_some() {
                let is_news = |message: &Message| message.kind == Kind::ServiceRecovered;
                recorded(cx.event(socket, within, "service_recovered", is_news).await)?;
            }
        }
        // What the other user was told of it has come before the answer.
        recorded(cx.alive(&mut self.other.socket).await)?;
        self.statuses("closed").await?;
        cx.step("a run after the breaker has closed");
        let next = self.request("next", self.healthy(&self.thread)?).await?;
        if let Some(run) = run(&next) {
            recorded(cx.run_end(&mut self.asking.socket, &run).await)?;
        }
        Ok(())
    }

    /// Asks on the asking socket under a name of its own; the answer, whatever it says.
    async fn request(&mut self, name: &str, request: Message) -> Result<Option<Message>, Stop> {
        let id = self.cx.target().unique("breaker");
        self.scene.fact(name, id.as_str());
        self.scene.fact(format!("{name} at"), since_start(self.cx));
        recorded(self.cx.answer(&mut self.asking.socket, request.id(id)).await)
    }

    /// The status of the agent that fails, on several new connections.
    async fn statuses(&mut self, part: &str) -> Result<(), Stop> {
        let agent = lead_name(&self.scene);
        let count = self.cx.profile().limits.fresh_connections.max(1);
        self.scene.fact("statuses", count);
        let ask = |_| {
            let call = self.cx.call(Endpoint::BreakerStatus).path_param("name", &agent);
            call.bearer(&self.login.access).fresh_connection().send()
        };
        for (number, answer) in try_join_all((0..count).map(ask)).await?.iter().enumerate() {
            self.scene.line(format!("{part} {number}"), &answer.line);
        }
        Ok(())
    }

    async fn status(&mut self, part: &str, login: &Login, agent: &str) -> Result<Response, Stop> {
        let call = self.cx.call(Endpoint::BreakerStatus).path_param("name", agent).bearer(&login.access);
        let answer = call.fresh_connection().send().await?;
        self.scene.line(part, &answer.line);
        Ok(answer)
    }
}

fn lead_name(scene: &Scene) -> String {
    scene.told("agent").unwrap_or_default().to_owned()
}

fn failures(answer: &Response) -> Option<u64> {
    answer.json.as_ref()?.get("failure_count")?.as_u64()
}

fn is_change(message: &Message, state: &str) -> bool {
    message.kind == Kind::CircuitBreakerTriggered && message.text("state") == Some(state)
}

fn messages(socket: &Socket) -> impl Iterator<Item = &Message> {
    socket.seen().iter().filter_map(|received| received.message.as_ref().ok())
}

/// The agent that begins a run.
fn lead(socket: &Socket, run: &str) -> String {
    let is_start = |message: &&Message| message.run_id() == Some(run) && message.kind == Kind::AgentStarted;
    messages(socket).find(is_start).and_then(|message| message.text("agent_name")).unwrap_or_default().to_owned()
}

fn has_ended(socket: &Socket, run: &str) -> bool {
    messages(socket).any(|message| message.run_id() == Some(run) && ends_run(&message.kind))
}

/// News of the breaker of the agent that failed, on the connection of this part.
pub(super) fn change(recording: &Recording, part: &str, state: &str) -> Result<Option<Seen>, Stop> {
    let service = format!("agent:{}", recording.told("agent")?);
    let is_it = |seen: &Seen| is_change(&seen.message, state) && seen.message.text("service") == Some(&service);
    Ok(recording.seen(part)?.into_iter().find(is_it))
}

/// What the status told as the part `part`: state and count.
pub(super) fn status(recording: &Recording, part: &str) -> Result<(String, Option<u64>), Stop> {
    let body = recording.contract().read_body(Endpoint::BreakerStatus, &recording.body(part)?);
    let state = body.get("state").and_then(Value::as_str).unwrap_or("none").to_owned();
    Ok((state, body.get("failure_count").and_then(Value::as_u64)))
}

/// How often each status was asked for.
pub(super) fn statuses(recording: &Recording) -> Result<u64, Stop> {
    Ok(recording.fact("statuses")?.as_u64().unwrap_or_default())
}

/// What is judged of a user's own breaker.
///
/// # Errors
/// Not verified when it is not the user's own.
pub(super) fn is_own(recording: &Recording) -> Result<(), Stop> {
    match recording.fact("shared")?.as_bool() {
        Some(false) => Ok(()),
        _ => {
            let what = "breaker shared: one failure moves another user's count, so it is not opened for everybody";
            Err(NotVerified::NotProvoked(what.into()).into())
        }
    }
}

/// What a closing or half-open breaker is judged by.
///
/// # Errors
/// Inconclusive, blaming the target, when it never opened.
pub(super) fn has_opened(recording: &Recording) -> Result<(), Stop> {
    let refused = recording.answer_to("asking", recording.told("refused")?)?;
    let open = refused.is_some_and(|answer| answer.message.error_code() == Some(crate::wire::ErrorCode::CircuitOpen));
    let never = || {
        let what = "the breaker did not open: see recovery/breaker-opens";
        Inconclusive::new(Blame::Target, what).with(recording.end_of("asking"))
    };
    open.then_some(()).ok_or_else(|| never().into())
}

/// An answer as it is told.
pub(super) fn told(answer: Option<&Seen>) -> String {
    match answer {
        Some(answer) => match answer.message.error_code() {
            Some(code) => format!("{} {code}", answer.message.kind),
            None => answer.message.kind.to_string(),
        },
        None => "no answer".into(),
    }
}
