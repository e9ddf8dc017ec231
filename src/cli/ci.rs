//! `--ci`: what a run says to the server that started it.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::model::RunResult;
use crate::profile::Profile;
use crate::report::files::{ReportError, append};
use crate::report::{ci, markdown};

/// Which CI server reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CiArg {
    /// As GITHUB_ACTIONS or GITLAB_CI say.
    Auto,
    /// Annotations, and the summary of the step.
    Github,
    /// Attachments in the JUnit report.
    Gitlab,
    /// None.
    None,
}

impl CiArg {
    /// The server itself.
    pub(super) fn resolved(self) -> Self {
        let says = |name: &str| std::env::var(name).is_ok_and(|value| value == "true");
        match self {
            Self::Auto if says("GITHUB_ACTIONS") => Self::Github,
            Self::Auto if says("GITLAB_CI") => Self::Gitlab,
            Self::Auto => Self::None,
            other => other,
        }
    }

    /// Where the evidence below `out` is, as GitLab's reader of JUnit names it: relative to the project.
    pub(super) fn attachments(self, out: Option<&Path>) -> Option<PathBuf> {
        let out = out.filter(|_| self == Self::Gitlab)?;
        let project = std::env::var_os("CI_PROJECT_DIR").map(PathBuf::from);
        let whole = std::path::absolute(out).ok()?;
        let below = project.and_then(|project| whole.strip_prefix(project).ok().map(Path::to_owned));
        Some(below.unwrap_or_else(|| out.to_owned()))
    }
}

/// A log that GitHub reads, while it quotes what a target says.
pub(super) struct Log {
    word: Option<String>,
}

impl Log {
    /// Begins the part of the log in which nothing is a command. `masks` first tells the runner the
    /// profile's secrets.
    pub(super) fn begin(server: CiArg, masks: bool, profile: &Profile) -> io::Result<Self> {
        if server != CiArg::Github {
            return Ok(Self { word: None });
        }
        let mut out = io::stdout().lock();
        if masks {
            let secrets = profile.secrets();
            let masks: BTreeSet<String> = secrets.iter().map(|(_, secret)| ci::mask(secret.expose())).collect();
            for mask in masks {
                out.write_all(mask.as_bytes())?;
            }
        }
        let word = format!("{:032x}", rand::random::<u128>());
        out.write_all(ci::stop(&word).as_bytes())?;
        Ok(Self { word: Some(word) })
    }

    /// Ends that part, annotates, and adds the summary to that of the step.
    pub(super) fn end(
        self,
        result: &RunResult,
        leak: &dyn Fn(&str) -> Option<String>,
    ) -> io::Result<Option<ReportError>> {
        let Some(word) = self.word else { return Ok(None) };
        let mut out = io::stdout().lock();
        out.write_all(ci::resume(&word).as_bytes())?;
        let annotations = ci::annotations(result);
        if leak(&annotations).is_none() {
            out.write_all(annotations.as_bytes())?;
        }
        let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
            return Ok(None);
        };
        Ok(append(Path::new(&path), "summary of the step", &markdown::render(result), leak).err())
    }
}
