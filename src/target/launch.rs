//! Services that the profile's own commands start on loopback, and that end with their owner.

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::redact::Redactor;
use crate::model::{Blame, Evidence, Inconclusive, Stop};

/// Octets of a service's output that are kept: its latest.
const KEPT: usize = 16 << 10;
/// Lines of output in evidence.
const SHOWN: usize = 20;

/// A command that cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("`{command}` cannot be started: {source}")]
pub struct LaunchFault {
    command: String,
    source: io::Error,
}

impl From<LaunchFault> for Stop {
    fn from(fault: LaunchFault) -> Self {
        Inconclusive::new(Blame::Environment, fault.to_string()).into()
    }
}

/// A port of loopback that was free a moment ago. Another process may take it first: a service that
/// ends at once deserves a second one.
///
/// # Errors
/// When loopback has no port left.
pub async fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port())
}

/// A running service. Dropping it ends it and every process that it started in its group.
pub struct Launched {
    child: Child,
    group: Option<Pid>,
    output: Arc<Output>,
    redactor: Arc<Redactor>,
    // Ends the readers with their owner.
    _readers: JoinSet<()>,
}

impl Launched {
    /// Starts `command` (program and arguments, no shell) in a process group of its own, each
    /// `{name}` of `values` filled in.
    ///
    /// # Errors
    /// [`LaunchFault`] when there is no such program.
    pub fn start(command: &[String], values: &[(&str, String)], redactor: Arc<Redactor>) -> Result<Self, LaunchFault> {
        let fault = |source| LaunchFault { command: redactor.redact(&command.join(" ")), source };
        let mut words = command.iter().map(|word| {
            let fill = |word: String, (name, value): &(&str, String)| word.replace(&format!("{{{name}}}"), value);
            values.iter().fold(word.clone(), fill)
        });
        let program = words.next().ok_or_else(|| fault(io::ErrorKind::InvalidInput.into()))?;
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(fault)?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let output = Arc::<Output>::default();
        let mut readers = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            readers.spawn(keep(stdout, Arc::clone(&output)));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.spawn(keep(stderr, Arc::clone(&output)));
        }
        Ok(Self { child, group, output, redactor, _readers: readers })
    }

    /// How it ended, where it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        // Only a process that is not ours cannot be asked.
        self.child.try_wait().ok().flatten()
    }

    /// What `find` finds in its output, as soon as it is there; `None` when it is not within that time, or it has ended.
    pub async fn says<T>(&mut self, within: Duration, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let found = async {
            loop {
                let more = self.output.more.notified();
                if let Some(found) = find(&self.output.text()) {
                    return Some(found);
                }
                tokio::select! {
                    () = more => {}
                    _ = self.child.wait() => return find(&self.output.text()),
                }
            }
        };
        tokio::time::timeout(within, found).await.ok()?
    }

    /// Asks it to end (SIGTERM), and waits; `None` when it has not within that time.
    pub async fn terminate(&mut self, within: Duration) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        tokio::time::timeout(within, self.child.wait()).await.ok()?.ok()
    }

    /// The latest lines that it wrote, redacted.
    pub fn evidence(&self) -> Evidence {
        let mut text = self.output.text();
        if text.len() >= KEPT {
            // Half a line may hold half a secret.
            text = text.split_once('\n').map(|(_, whole)| whole.to_owned()).unwrap_or_default();
        }
        let text = self.redactor.redact(&text);
        let lines: Vec<_> = text.lines().map(|line| format!("output: {line}")).collect();
        Evidence { entries: Vec::new(), facts: lines[lines.len().saturating_sub(SHOWN)..].to_vec() }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // A group that is gone needs no signal.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// What a service wrote last.
#[derive(Default)]
struct Output {
    octets: Mutex<VecDeque<u8>>,
    /// There is more of it.
    more: Notify,
}

impl Output {
    fn add(&self, octets: &[u8]) {
        let mut kept = self.octets.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(octets);
        let over = kept.len().saturating_sub(KEPT);
        kept.drain(..over);
        drop(kept);
        self.more.notify_one();
    }

    fn text(&self) -> String {
        let octets: Vec<u8> = self.octets.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        String::from_utf8_lossy(&octets).into_owned()
    }
}

async fn keep(mut stream: impl AsyncRead + Unpin, output: Arc<Output>) {
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        output.add(&chunk[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::redact::SecretKind;

    const SOON: Duration = Duration::from_secs(10);

    fn shell(script: &str, redactor: &Arc<Redactor>) -> Launched {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        Launched::start(&command, &[("word", "hunter2hunter2".into())], Arc::clone(redactor)).unwrap()
    }

    #[tokio::test]
    async fn placeholders_are_filled_and_output_is_redacted() {
        let redactor = Arc::new(Redactor::new());
        redactor.learn(SecretKind::Password, "hunter2hunter2");
        let mut launched = shell("echo say {word} >&2", &redactor);
        while launched._readers.join_next().await.is_some() {}
        assert_eq!(launched.evidence().facts, ["output: say «password 1»"]);
        assert!(tokio::time::timeout(SOON, launched.child.wait()).await.unwrap().unwrap().success());
    }

    #[tokio::test]
    async fn a_service_ends_when_it_is_asked_to() {
        let mut launched = shell("trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done", &Arc::default());
        assert_eq!(launched.says(SOON, |text| text.contains("ready").then_some(())).await, Some(()));
        assert_eq!(launched.ended(), None);
        assert_eq!(launched.terminate(SOON).await.and_then(|status| status.code()), Some(3));
    }

    #[tokio::test]
    async fn what_it_started_ends_with_it() {
        let mut launched = shell("sleep 600 & echo $!; wait", &Arc::default());
        while launched.evidence().facts.is_empty() {
            tokio::task::yield_now().await;
        }
        // Both ends of the pipe are held until the last process of the group is gone.
        let mut readers = std::mem::take(&mut launched._readers);
        drop(launched);
        tokio::time::timeout(SOON, async { while readers.join_next().await.is_some() {} }).await.unwrap();
    }

    #[tokio::test]
    async fn what_it_never_says_is_not_waited_for_beyond_its_end() {
        let mut launched = shell("echo something else", &Arc::default());
        assert_eq!(launched.says(SOON, |text| text.contains("ready").then_some(())).await, None);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let fault = Launched::start(&["/no/such/program".into()], &[], Arc::default()).err().unwrap();
        assert!(fault.to_string().starts_with("`/no/such/program` cannot be started:"), "{fault}");
    }
}
