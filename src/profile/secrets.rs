//! Secrets: fetching them from files and commands, and telling redaction what to look for.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path as FilePath;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::layers::{Layers, plain_reason};
use super::resolved::{Profile, Secret};
use super::tree::{Node, Path, Value};
use super::{diagnostic::Problem, shape};

/// A command that fetches a secret is given so long.
const COMMAND_LIMIT: Duration = Duration::from_secs(10);
/// A killed command's pipe closes within this time.
const AFTER_KILL: Duration = Duration::from_secs(1);

/// Replaces each `{file: …}` and `{command: …}` by what it names. What cannot be fetched is a problem
/// with its path.
pub(super) fn fetch(
    node: &mut Node,
    path: &Path,
    layers: &Layers,
    unusable: &mut Vec<Path>,
    problems: &mut Vec<(Path, Problem)>,
) {
    if shape::is_secret(path) {
        if unusable.iter().any(|unusable| unusable.starts_with(path)) {
            node.value = stand_in();
            unusable.push(path.clone());
        } else if let Some(source) = SecretSource::of(node) {
            let base = layers.list.get(node.span.layer).map_or(FilePath::new("."), |layer| layer.base.as_path());
            match source.fetch(base) {
                Ok(text) => node.value = Value::String { text, plain: false },
                Err((reason, help)) => {
                    let problem = Problem::new(format!("`{path}` cannot be fetched: {reason}"));
                    problems.push((path.clone(), problem.at(node.span, source.label()).help(help)));
                    node.value = stand_in();
                }
            }
        }
        return;
    }
    match &mut node.value {
        Value::Map(entries) => {
            for entry in entries {
                fetch(&mut entry.node, &path.join(&entry.key), layers, unusable, problems);
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                fetch(item, &path.join(&index.to_string()), layers, unusable, problems);
            }
        }
        _ => {}
    }
}

/// Stands for a secret that could not be had, while the rest is judged.
fn stand_in() -> Value {
    Value::String { text: "unknown".into(), plain: false }
}

enum SecretSource {
    File(String),
    Command(Vec<String>),
}

type Failure = (String, &'static str);

impl SecretSource {
    /// `None` for what is no source or a misshapen one, of which the schema speaks.
    fn of(node: &Node) -> Option<Self> {
        let [entry] = node.entries() else { return None };
        let text = |node: &Node| match &node.value {
            Value::String { text, .. } => Some(text.clone()),
            _ => None,
        };
        match (entry.key.as_str(), &entry.node.value) {
            ("file", _) => text(&entry.node).map(Self::File),
            ("command", Value::List(items)) if !items.is_empty() => {
                items.iter().map(text).collect::<Option<_>>().map(Self::Command)
            }
            _ => None,
        }
    }

    const fn label(&self) -> &'static str {
        match self {
            Self::File(_) => "this file",
            Self::Command(_) => "this command",
        }
    }

    fn fetch(&self, base: &FilePath) -> Result<String, Failure> {
        let octets = match self {
            Self::File(file) => std::fs::read(base.join(file))
                .map_err(|error| (plain_reason(&error), "the path is relative to the file that names it"))?,
            Self::Command(arguments) => run(arguments, COMMAND_LIMIT)?,
        };
        let text = String::from_utf8(octets).map_err(|_| ("it is not UTF-8 text".to_owned(), "a secret is text"))?;
        // Editors and `echo` end a file with a line break that is not part of the secret.
        let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
        if text.is_empty() {
            Err(("it is empty".into(), "a secret has at least one character"))
        } else {
            Ok(text.into())
        }
    }
}

/// What `arguments` prints. After `limit` the command and its children are killed.
fn run(arguments: &[String], limit: Duration) -> Result<Vec<u8>, Failure> {
    const NO_SHELL: &str = "the first word is the program, the others its arguments; no shell is involved";
    let [program, arguments @ ..] = arguments else { return Err(("no program".into(), NO_SHELL)) };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // A group of its own, so that what it starts ends with it.
        .process_group(0)
        .spawn()
        .map_err(|error| (format!("`{program}` does not start: {}", plain_reason(&error)), NO_SHELL))?;
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let stdout = child.stdout.take();
    let (done, wait) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut octets = Vec::new();
        let read = stdout.map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut octets));
        let status = child.wait();
        // Nobody listens any more once the limit has passed.
        let _ = done.send(read.and(status).map(|status| (status, octets)));
    });
    let outcome = wait.recv_timeout(limit);
    if let (Err(_), Some(group)) = (&outcome, group) {
        // Gone already is as good.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    // A child that left the group may hold the pipe for ever; only then is the reader left behind.
    if outcome.is_ok() || wait.recv_timeout(AFTER_KILL).is_ok() {
        let _ = reader.join();
    }
    match outcome {
        Ok(Ok((status, octets))) if status.success() => Ok(octets),
        Ok(Ok((status, _))) => {
            Err((format!("`{program}` ended with {status}"), "run the command by hand to see what it says"))
        }
        Ok(Err(error)) => Err((plain_reason(&error), NO_SHELL)),
        Err(_) => Err((
            format!("`{program}` took longer than {} s", limit.as_secs()),
            "it may be waiting for an answer; it has no terminal to ask on",
        )),
    }
}

impl Profile {
    /// Every secret that the profile holds and what kind it is, in the order of its keys. Redaction
    /// searches for these.
    pub fn secrets(&self) -> Vec<(&'static str, Secret)> {
        let credentials = &self.credentials;
        let mut secrets: Vec<(&'static str, &Secret)> = Vec::new();
        secrets.extend(self.headers.values().map(|value| ("header", value)));
        secrets.extend(credentials.bypass_key.iter().map(|key| ("bypass-key", key)));
        secrets.extend(credentials.signing_key.iter().map(|signing| ("signing-key", &signing.key)));
        let users = credentials.users.iter().chain(&credentials.short_login).chain(self.users.states.values());
        secrets.extend(users.map(|user| ("password", &user.password)));
        for pair in &credentials.tokens {
            secrets.push(("access-token", &pair.access));
            secrets.extend(pair.refresh.iter().map(|refresh| ("refresh-token", refresh)));
        }
        secrets.extend(self.service.iter().map(|service| ("service-secret", &service.secret)));
        let databases = [&self.independence.auth_database, &self.independence.backend_database];
        secrets.extend(databases.into_iter().flatten().map(|dsn| ("dsn", dsn)));
        let proxy = self.proxy.as_ref().and_then(|proxy| proxy.url.password());
        let proxy = proxy.map(|password| ("proxy-password", Secret::new(password)));
        secrets.into_iter().map(|(kind, secret)| (kind, secret.clone())).chain(proxy).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_command_is_not_read_by_a_shell() {
        let octets = run(&command(&["printf", "%s", "$HOME;x"]), COMMAND_LIMIT).unwrap();
        assert_eq!(octets, b"$HOME;x");
    }

    #[test]
    fn a_command_that_waits_is_killed_with_its_children() {
        let (reason, _) = run(&command(&["sh", "-c", "sleep 60 & sleep 60"]), Duration::from_millis(50)).unwrap_err();
        assert!(reason.contains("took longer"), "{reason}");
    }

    #[test]
    fn a_failed_command_is_no_secret() {
        let (reason, _) = run(&command(&["sh", "-c", "echo half; exit 3"]), COMMAND_LIMIT).unwrap_err();
        assert!(reason.contains("exit status: 3"), "{reason}");
        let (reason, _) = run(&command(&["/nonexistent/vault"]), COMMAND_LIMIT).unwrap_err();
        assert!(reason.contains("does not start"), "{reason}");
    }
}
