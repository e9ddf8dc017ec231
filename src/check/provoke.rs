//! Situations that the profile's triggers bring about (contract, section 8).

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::task::TaskTracker;

use super::Context;
use crate::model::{Blame, Inconclusive, Need, NotVerified, Origin, Stop, Trigger};
use crate::profile::{Action, TriggerSpec};
use crate::target::{Recorder, Target};
use crate::wire::{Endpoint, Kind, Message};

/// Between two looks at a service's health.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// A service is seen down, or up again, within this part of the check's limit.
const PART_OF_LIMIT: u32 = 3;

impl Context {
    /// The message that brings a situation about.
    ///
    /// # Errors
    /// Not verified where the profile knows none.
    pub fn prompt(&self, trigger: Trigger) -> Result<Message, Stop> {
        match self.trigger(trigger)? {
            TriggerSpec::Prompt { content, agent_name: Some(agent), .. } => {
                Ok(Message::new(Kind::StartAgent).with("content", content.as_str()).with("agent_name", agent.as_str()))
            }
            TriggerSpec::Prompt { content, agent_name: None, .. } => {
                Ok(Message::new(Kind::UserMessage).with("content", content.as_str()))
            }
            TriggerSpec::Outage { .. } => Err(NotVerified::Lacks(Need::Trigger(trigger)).into()),
        }
    }

    /// Takes a service down, waits until it is *seen* down, does `during`, and brings it up again: whatever
    /// `during` says, and also when the check ends before it.
    ///
    /// # Errors
    /// Those of `during`; not verified when the service is never seen down; inconclusive, blaming the environment,
    /// when the trigger fails or the service does not come back.
    pub async fn during_outage<T>(
        &self,
        trigger: Trigger,
        during: impl Future<Output = Result<T, Stop>>,
    ) -> Result<T, Stop> {
        let TriggerSpec::Outage { down, up } = self.trigger(trigger)? else {
            return Err(NotVerified::Lacks(Need::Trigger(trigger)).into());
        };
        let (origin, health) = match trigger {
            Trigger::BackendOutage => (Origin::Backend, Endpoint::BackendHealth),
            _ => (Origin::Auth, Endpoint::AuthHealth),
        };
        self.step(format!("taking the {origin} service down"));
        let acting = Acting { target: Arc::clone(self.target()), recorder: self.recorder().clone(), origin };
        let mend = Mend { up: Some((acting.clone(), up.clone())), tasks: self.target().mends().clone() };
        let probed = async {
            acting.act(down).await?;
            if !self.becomes(health, false).await {
                let what = format!("the {origin} service was never seen failing: check `triggers.{}`", trigger.slug());
                return Err(NotVerified::NotProvoked(what).into());
            }
            during.await
        };
        let probed = probed.await;
        mend.now().await?;
        if !self.becomes(health, true).await {
            let what = format!("the {origin} service did not come back: check `triggers.{}`", trigger.slug());
            return Err(Inconclusive::new(Blame::Environment, what).with(self.evidence()).into());
        }
        probed
    }

    /// Whether a service is seen healthy, or failing, within its time.
    async fn becomes(&self, health: Endpoint, healthy: bool) -> bool {
        let deadline = Instant::now() + self.profile().limits.check / PART_OF_LIMIT;
        while Instant::now() < deadline {
            // On a connection of its own: one that was open before may outlive the listener.
            let answer = self.call(health).fresh_connection().send().await;
            if answer.is_ok_and(|answer| answer.succeeded(self.contract(), health)) == healthy {
                return true;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        false
    }
}

/// What an action needs beside itself, so that it can outlive the check.
#[derive(Clone)]
struct Acting {
    target: Arc<Target>,
    recorder: Recorder,
    origin: Origin,
}

impl Acting {
    async fn act(&self, action: &Action) -> Result<(), Stop> {
        let failed = |what: String| -> Stop { Inconclusive::new(Blame::Environment, what).into() };
        match action {
            Action::Request(url) => {
                let answer = self.target.http(&self.recorder).url(self.origin, "POST", url).send().await?;
                let done = (200..300).contains(&answer.status);
                done.then_some(()).ok_or_else(|| failed(format!("the trigger {url} answered {}", answer.status)))
            }
            Action::Command(command) => {
                let line = command.join(" ");
                let Some((program, arguments)) = command.split_first() else {
                    return Err(failed("the trigger's command is empty".into()));
                };
                let mut process = tokio::process::Command::new(program);
                process.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
                let limit = self.target.profile().limits.check;
                match tokio::time::timeout(limit, process.kill_on_drop(true).output()).await {
                    Ok(Ok(output)) if output.status.success() => Ok(()),
                    Ok(Ok(output)) => {
                        let said = String::from_utf8_lossy(&output.stderr);
                        let last = self.target.redactor().redact(said.lines().last().unwrap_or_default());
                        Err(failed(format!("the trigger `{line}` ended with {}: {last}", output.status)))
                    }
                    Ok(Err(error)) => Err(failed(format!("the trigger `{line}` cannot be run: {error}"))),
                    Err(_) => {
                        Err(failed(format!("the trigger `{line}` did not end within {:.0} s", limit.as_secs_f64())))
                    }
                }
            }
        }
    }
}

/// Brings a service up again: now, or when it is dropped.
struct Mend {
    up: Option<(Acting, Action)>,
    tasks: TaskTracker,
}

impl Mend {
    async fn now(mut self) -> Result<(), Stop> {
        // Taken after the act: when the check is cancelled in the middle of it, it is done once more.
        let result = match &self.up {
            Some((acting, up)) => acting.act(up).await,
            None => Ok(()),
        };
        self.up = None;
        result
    }
}

impl Drop for Mend {
    fn drop(&mut self) {
        if let (Some((acting, up)), Ok(runtime)) = (self.up.take(), tokio::runtime::Handle::try_current()) {
            // The check is over: nobody is left to be told. The engine waits for it before the next check.
            self.tasks.spawn_on(async move { drop(acting.act(&up).await) }, &runtime);
        }
    }
}
