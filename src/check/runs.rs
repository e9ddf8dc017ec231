//! Runs: how they begin and end, for checks that are about what happens to them (contract, 7.2).

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Context, Recording, Seen};
use crate::model::{Finding, NotVerified, Stop, Trigger};
use crate::profile::TriggerSpec;
use crate::target::{Login, Socket};
use crate::wire::{Endpoint, Kind, Message};

/// What any agent can answer.
pub const PLAIN_PROMPT: &str = "Say hello.";

/// Between two looks at a history in which something is due.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Messages after which nothing of a run comes; `agent_completed` ends a segment only.
pub const fn ends_run(kind: &Kind) -> bool {
    matches!(kind, Kind::FinalReport | Kind::AgentError | Kind::AgentStopped | Kind::StreamTerminated)
}

/// Whether a message tells of a run (contract, 7.2).
pub const fn is_of_a_run(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::AgentStarted
            | Kind::AgentThinking
            | Kind::ToolExecuting
            | Kind::ToolCompleted
            | Kind::PartialResult
            | Kind::AgentCompleted
    ) || ends_run(kind)
}

/// For flows, which judge nothing: what deviates is in what was recorded.
///
/// # Errors
/// Those that are no deviation.
pub fn recorded<T>(done: Result<T, Stop>) -> Result<Option<T>, Stop> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(Stop::Deviates(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

impl Context {
    /// Starts a run; its id.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn starts(&self, socket: &mut Socket, request: Message) -> Result<String, Stop> {
        let started = self.ask(socket, request).await?;
        Ok(started.run_id().unwrap_or_default().to_owned())
    }

    /// Longest wait for the end of a run: its threshold, or what the check's limit leaves of it.
    pub fn run_window(&self) -> Duration {
        self.profile().thresholds.run.min(self.profile().limits.check * 3 / 4)
    }

    /// Waits for an event of a run, which may have been passed over already.
    ///
    /// # Errors
    /// Deviates as [`Self::message_within`].
    pub async fn event(
        &self,
        socket: &mut Socket,
        within: Duration,
        what: &str,
        is_it: impl Fn(&Message) -> bool,
    ) -> Result<Message, Stop> {
        let passed = socket.seen().iter().filter_map(|received| received.message.as_ref().ok()).find(|it| is_it(it));
        match passed {
            Some(passed) => Ok(passed.clone()),
            None => self.message_within(socket, within, what, is_it).await,
        }
    }

    /// Waits for the last event of a run.
    ///
    /// # Errors
    /// Deviates as [`Self::message_within`].
    pub async fn run_end(&self, socket: &mut Socket, run: &str) -> Result<Message, Stop> {
        let is_last = |message: &Message| message.run_id() == Some(run) && ends_run(&message.kind);
        let end = self.event(socket, self.run_window(), "the end of the run", is_last).await;
        end.map_err(|stop| stop.within("thresholds.run_s"))
    }

    /// A run that must come to its good end.
    ///
    /// # Errors
    /// Deviates as [`Self::run_end`], and with [`Finding::MissingEvent`] when it ends otherwise.
    pub async fn run_completes(&self, socket: &mut Socket, run: &str) -> Result<(), Stop> {
        let end = self.run_end(socket, run).await?;
        let seen = || match end.error_code() {
            Some(code) => format!("{} {code}", end.kind),
            None => end.kind.to_string(),
        };
        let completed = end.kind == Kind::FinalReport;
        self.holds(completed, Finding::MissingEvent, "final_report of the run", seen, || socket.evidence())
    }

    /// A run that must be started and come to its good end; its id.
    ///
    /// # Errors
    /// As [`Self::starts`] and [`Self::run_completes`].
    pub async fn whole_run(&self, socket: &mut Socket, request: Message) -> Result<String, Stop> {
        let run = self.starts(socket, request).await?;
        self.run_completes(socket, &run).await?;
        Ok(run)
    }

    /// The prompt of the shortest run that the profile promises to last, where it promises any.
    pub fn lasting_prompt(&self) -> &str {
        self.prompt_lasting(Duration::ZERO)
    }

    /// The prompt of the shortest run that is promised to last so long, else of the longest that is promised to last.
    pub fn prompt_lasting(&self, least: Duration) -> &str {
        let promised = [Trigger::LongStream, Trigger::SteadyRun, Trigger::ToolUse].into_iter().filter_map(|trigger| {
            match self.profile().triggers.get(&trigger)? {
                TriggerSpec::Prompt { content, min_duration: Some(lasts), .. } => Some((*lasts, content.as_str())),
                _ => None,
            }
        });
        let mut promised: Vec<_> = promised.collect();
        promised.sort_unstable();
        let lasts = promised.iter().find(|(lasts, _)| *lasts >= least).or(promised.last());
        lasts.map_or(PLAIN_PROMPT, |(_, content)| content)
    }

    /// Waits until `login`'s user has said nothing of ours that counts against the limit for a whole window.
    ///
    /// # Errors
    /// Not verified when that takes longer than a check may.
    pub async fn silent_window(&self, login: &Login) -> Result<(), Stop> {
        if !self.contract().limits_messages() {
            return Ok(());
        }
        let window = Duration::from_secs_f64(self.config().rate_limit.window_s);
        let over = self.target().last_counted(&login.access) + window;
        let (needs, limit) = (over.saturating_duration_since(self.began), self.profile().limits.check);
        if needs > limit {
            return Err(NotVerified::TooLong { needs, limit }.into());
        }
        // Not a wait for something to happen: the limit's window passes then.
        tokio::time::sleep_until(over.into()).await;
        Ok(())
    }

    /// Waits for the first content of a run that is the means to an end.
    ///
    /// # Errors
    /// Inconclusive, blaming the target, when there is none.
    pub async fn streams(&self, socket: &mut Socket, run: &str) -> Result<(), Stop> {
        let progress = self.contract().progress();
        let is_it = |message: &Message| message.run_id() == Some(run) && message.kind == progress;
        let within = self.profile().thresholds.first_content;
        let begun = self.event(socket, within, "the run's first content", is_it).await;
        begun.map(drop).map_err(|stop| self.control_failed("a stream begins", stop))
    }

    /// What the history holds of a run must be what its deltas said; read again until `limits.settle_s`. Of a run
    /// that said nothing there is no message.
    ///
    /// # Errors
    /// Deviates with [`Finding::Lost`], [`Finding::Duplicated`] or [`Finding::WrongValue`].
    pub async fn kept(&self, login: &Login, thread: &str, run: &str, said: &str) -> Result<(), Stop> {
        let deadline = Instant::now() + self.profile().limits.settle;
        loop {
            let call = self.call(Endpoint::ListMessages).path_param("id", thread).query("limit", 100);
            let answer = call.bearer(&login.access).send().await?;
            self.success(Endpoint::ListMessages, &answer)?;
            let stored = stored(&answer.logical_body(self.contract(), Endpoint::ListMessages).unwrap_or_default(), run);
            let due = if said.is_empty() { Vec::new() } else { vec![said.to_owned()] };
            if stored != due && Instant::now() < deadline {
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            }
            let (expected, seen) = (format!("the run's messages {due:?}"), || format!("{stored:?}"));
            return self.holds(stored == due, difference(&due, &stored), expected, seen, || answer.evidence());
        }
    }
}

impl Recording {
    /// The events of a run on the connection of this part.
    ///
    /// # Errors
    /// As [`Self::seen`].
    pub fn events_of(&self, part: &str, run: &str) -> Result<Vec<Seen>, Stop> {
        let is_own = |seen: &Seen| is_of_a_run(&seen.message.kind) && seen.message.run_id() == Some(run);
        Ok(self.seen(part)?.into_iter().filter(is_own).collect())
    }

    /// The direct answer to the message of this id on the connection of this part.
    ///
    /// # Errors
    /// As [`Self::seen`].
    pub fn answer_to(&self, part: &str, asked: &str) -> Result<Option<Seen>, Stop> {
        Ok(self.seen(part)?.into_iter().find(|seen| seen.message.in_reply_to() == Some(asked)))
    }

    /// A message whose payload must be as its schema has it.
    ///
    /// # Errors
    /// Deviates with [`Finding::BadSchema`].
    pub fn fits(&self, seen: &Seen) -> Result<(), Stop> {
        let kind = &seen.message.kind;
        let value: Value = serde_json::from_str(&seen.text).unwrap_or_default();
        let fault = self.contract().payload_faults(kind, &value).into_iter().next();
        let told =
            || fault.as_ref().map_or_else(String::new, |fault| format!("at `{}`: {}", fault.path, fault.message));
        let expected = format!("a payload as the contract's schema of {kind} has it");
        self.holds(fault.is_none(), Finding::BadSchema, expected, told, || self.around(seen))
    }

    /// What the history over REST, answered as the part `part`, holds of a run must be what its deltas said.
    ///
    /// # Errors
    /// Deviates as [`Context::kept`].
    pub fn kept(&self, part: &str, run: &str, said: &str) -> Result<(), Stop> {
        let stored = stored(&self.contract().read_body(Endpoint::ListMessages, &self.body(part)?), run);
        let due = if said.is_empty() { Vec::new() } else { vec![said.to_owned()] };
        let (expected, seen) = (format!("the run's messages {due:?}"), || format!("{stored:?}"));
        self.holds(stored == due, difference(&due, &stored), expected, seen, || self.end_of(part))
    }
}

/// What the deltas among these messages say.
pub fn said<'m>(messages: impl IntoIterator<Item = &'m Message>, run: &str) -> String {
    let deltas = messages.into_iter().filter(|it| it.kind == Kind::PartialResult && it.run_id() == Some(run));
    deltas.filter_map(Message::content).collect()
}

/// The contents of the run's messages in a page of history.
fn stored(page: &Value, run: &str) -> Vec<String> {
    let messages = page.get("messages").and_then(Value::as_array).into_iter().flatten();
    let own = messages.filter(|message| message.pointer("/metadata/run_id").and_then(Value::as_str) == Some(run));
    own.filter(|message| message["role"] == "assistant")
        .filter_map(|message| message["content"].as_str().map(str::to_owned))
        .collect()
}

fn difference(due: &[String], stored: &[String]) -> Finding {
    let length = |texts: &[String]| texts.iter().map(String::len).sum::<usize>();
    match stored.len().cmp(&due.len()) {
        std::cmp::Ordering::Greater => Finding::Duplicated,
        _ if length(stored) < length(due) => Finding::Lost,
        _ => Finding::WrongValue,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_tells_what_is_the_runs_own() {
        let message = |run: &str, role: &str, content: &str| json!({"role": role, "content": content, "metadata": {"run_id": run}});
        let page = json!({"messages": [
            message("a", "assistant", "one"), message("b", "assistant", "other"), message("a", "user", "asked"),
            {"role": "assistant", "content": "of no run", "metadata": {}},
        ]});
        assert_eq!(stored(&page, "a"), ["one"]);
        assert!(stored(&page, "c").is_empty());
    }

    #[test]
    fn what_became_of_the_content_is_told() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(difference(&texts(&["abc"]), &[]), Finding::Lost);
        assert_eq!(difference(&texts(&["abc"]), &texts(&["ab"])), Finding::Lost);
        assert_eq!(difference(&texts(&["abc"]), &texts(&["abd"])), Finding::WrongValue);
        assert_eq!(difference(&texts(&["abc"]), &texts(&["abc", "abc"])), Finding::Duplicated);
    }
}
