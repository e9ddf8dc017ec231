//! Environments for the tests of the command line, and the words that change from run to run.

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use netra_check::local::Local;
use netra_check::reference::{Conduct, Policy};
use netra_check::wire::Contract;
use tempfile::TempDir;

/// The binary in an empty directory, without the caller's variables.
pub(crate) fn netra_check() -> Command {
    let mut command = Command::cargo_bin("netra-check").unwrap();
    for variable in ["NETRA_CHECK_PROFILE", "NO_COLOR", "CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITLAB_CI"] {
        command.env_remove(variable);
    }
    command.current_dir(std::env::temp_dir());
    command
}

/// A reference and a profile file that points at it: a deployment, as far as the binary knows.
pub(crate) struct Environment {
    _reference: Local,
    directory: TempDir,
    profile: String,
}

impl Environment {
    /// A reference with these defects and variations.
    pub(crate) fn start(switches: &[&str]) -> Self {
        Self::with(switches, false)
    }

    /// The same, perhaps behind TLS.
    pub(crate) fn with(switches: &[&str], tls: bool) -> Self {
        Self::of(switches, tls, |_| ())
    }

    /// The same, whose health tells this revision.
    pub(crate) fn of_revision(revision: &str, switches: &[&str]) -> Self {
        Self::of(switches, false, |conduct| conduct.settings.version = revision.into())
    }

    fn of(switches: &[&str], tls: bool, change: impl FnOnce(&mut Conduct)) -> Self {
        let mut policy = Policy::default();
        for id in switches {
            assert!(policy.switch_on(id), "no switch `{id}`");
        }
        let mut conduct = Conduct::new(1, Contract::load("netra-v1").unwrap(), policy);
        change(&mut conduct);
        let reference = if tls { Local::start_over_tls(conduct, &[]) } else { Local::start(conduct, &[]) }.unwrap();
        let directory = TempDir::new().unwrap();
        let profile = reference.overrides().to_yaml("local");
        fs::write(directory.path().join("target.yaml"), &profile).unwrap();
        Self { _reference: reference, directory, profile }
    }

    /// The URL of a service, as its profile has it.
    pub(crate) fn url(&self, service: &str) -> String {
        let profile: serde_json::Value = serde_yaml::from_str(&self.profile).unwrap();
        profile["urls"][service].as_str().unwrap().to_owned()
    }

    /// A file that a run of it was told to write.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `netra-check run --profile` of it.
    pub(crate) fn run(&self, args: &[&str]) -> Command {
        self.command("run", args)
    }

    /// Another subcommand with its profile.
    pub(crate) fn command(&self, subcommand: &str, args: &[&str]) -> Command {
        let mut command = netra_check();
        command.current_dir(self.directory.path()).args([subcommand, "--profile", "target.yaml"]).args(args);
        command
    }
}

/// The text without times, ports, ids of runs and what else differs between two runs.
pub(crate) fn scrubbed(text: &str) -> String {
    let rules = [
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"\d+(\.\d+)? (ms|s)\b", "TIME"),
        (r"\+ *\d+(\.\d+)?", "+TIME"),
        (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIMESTAMP"),
        (r"X-Netra-Check: [^\s/]+/", "X-Netra-Check: RUN/"),
        (r"traceparent: [0-9a-f-]+", "traceparent: TRACE"),
        (r"server time  .*", "server time  TIMESTAMP"),
        (r"(?m)[Dd]ate: .*$", "Date: DATE"),
        (r"(Sec-W|sec-w)eb(S|s)ocket-(Key|Accept|key|accept): \S+", "Sec-WebSocket-$3: KEY"),
        (r"netra-check-[0-9a-f]+-[0-9a-f]{4}-", "netra-check-RUN-"),
        (r"(?m) +$", ""),
        // Of other scenarios.
        (r"\d+ not selected", "OTHERS not selected"),
        // A table is as wide as its longest time.
        (r"─{5,}", "─────"),
        (r"(?m) {2,}(time|TIME)$", "  $1"),
    ];
    rules.iter().fold(text.to_owned(), |text, (pattern, with)| {
        regex::Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned()
    })
}
