//! Reports as files: their places are tried before the run, they are written aside and renamed, and
//! each is read again and searched for the secrets of the run.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempDir};

use super::text::{Account, Again, Depth, transcript};
use super::{html, json, junit, markdown};
use crate::model::{CheckId, Evidence, ExitCode, Outcome, RunResult, Verdict};

/// Where the user wants which report.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// A directory for all of them and the evidence; made if it is missing.
    pub out: Option<PathBuf>,
    /// JUnit XML alone.
    pub junit: Option<PathBuf>,
    /// JSON alone.
    pub json: Option<PathBuf>,
    /// HTML alone.
    pub html: Option<PathBuf>,
    /// Markdown alone.
    pub markdown: Option<PathBuf>,
    /// Where the directory of all of them is for a reader of the JUnit report that follows
    /// attachments; the evidence is then attached.
    pub attachments: Option<PathBuf>,
}

/// One kind of report.
#[derive(Clone, Copy, Debug)]
struct Format {
    /// What a person calls it.
    name: &'static str,
    /// Its file in the directory of all of them.
    file: &'static str,
    render: fn(&RunResult) -> String,
}

const JUNIT: Format = Format { name: "JUnit report", file: "junit.xml", render: junit::render };
const JSON: Format = Format { name: "JSON report", file: JSON_FILE, render: json::render };
const HTML: Format = Format { name: "HTML report", file: "report.html", render: html::render };
const MARKDOWN: Format = Format { name: "Markdown summary", file: "summary.md", render: markdown::render };

/// Name of the JSON report in the directory of all reports.
pub const JSON_FILE: &str = "report.json";

/// Directory of the transcripts below the directory of all reports.
const EVIDENCE: &str = "evidence";

/// Place of a check's transcript below the directory of all reports.
pub fn evidence_file(check: CheckId) -> PathBuf {
    [EVIDENCE, check.scenario().slug(), &format!("{}.txt", check.fact())].iter().collect()
}

/// Why a report is not there; exit code [`ExitCode::Report`].
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Its place cannot be written.
    #[error("the {report} cannot be written to {}: {source}", path.display())]
    Write {
        /// Which report.
        report: String,
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Two reports in one place.
    #[error("{} is asked for two reports", .0.display())]
    Twice(PathBuf),
    /// It held a secret and was removed.
    #[error("the {report} would have leaked a secret ({secret}); it was removed")]
    Leak {
        /// Which report.
        report: String,
        /// Name of the secret, never the secret itself.
        secret: String,
    },
}

/// The places of a run's reports, tried and held open.
#[derive(Debug)]
pub struct Files {
    reports: Vec<(Format, PathBuf, NamedTempFile)>,
    evidence: Option<(PathBuf, TempDir)>,
    attachments: Option<PathBuf>,
}

/// What became of the reports.
#[derive(Debug, Default)]
pub struct Written {
    /// Those that are there.
    pub paths: Vec<PathBuf>,
    /// Why the others are not.
    pub errors: Vec<ReportError>,
}

impl Written {
    /// The run's exit code, now that the reports are written or not.
    pub fn exit_code(&self, verdicts: ExitCode) -> ExitCode {
        if self.errors.is_empty() { verdicts } else { verdicts.or_worse(ExitCode::Report) }
    }
}

impl Files {
    /// Makes what must be made and opens a file beside each place, so that a run whose reports
    /// could not be written does not begin.
    ///
    /// # Errors
    /// The first place that cannot be written, or that is asked for twice.
    pub fn open(places: &Places) -> Result<Self, ReportError> {
        let mut wanted: Vec<(Format, PathBuf)> = Vec::new();
        let mut evidence = None;
        if let Some(out) = &places.out {
            fs::create_dir_all(out).map_err(at("reports", out))?;
            wanted.extend([JUNIT, JSON, HTML, MARKDOWN].map(|format| (format, out.join(format.file))));
            let path = out.join(EVIDENCE);
            if path.exists() && !path.is_dir() {
                return Err(at(EVIDENCE, &path)(io::ErrorKind::NotADirectory.into()));
            }
            let aside = builder(".evidence.", 0o777).tempdir_in(out).map_err(at(EVIDENCE, &path))?;
            evidence = Some((path, aside));
        }
        let alone = [(JUNIT, &places.junit), (JSON, &places.json), (HTML, &places.html), (MARKDOWN, &places.markdown)];
        wanted.extend(alone.into_iter().filter_map(|(format, path)| Some((format, path.clone()?))));
        let mut reports: Vec<(Format, PathBuf, NamedTempFile)> = Vec::new();
        for (format, path) in wanted {
            let same = |known: &Path| std::path::absolute(known).ok() == std::path::absolute(&path).ok();
            match reports.iter().find(|(_, known, _)| same(known)) {
                Some((other, ..)) if other.file == format.file => continue,
                Some(_) => return Err(ReportError::Twice(path)),
                None => {}
            }
            let aside = aside(&path).map_err(at(format.name, &path))?;
            reports.push((format, path, aside));
        }
        Ok(Self { reports, evidence, attachments: places.attachments.clone() })
    }

    /// Writes every report. `leak` names a secret of the run that a text contains, if it does.
    ///
    /// A report that fails does not keep the others from being written, and leaves no older file
    /// in its place, which would be taken for this run's.
    pub fn write(self, result: &RunResult, leak: &dyn Fn(&str) -> Option<String>) -> Written {
        let mut written = Written::default();
        for (format, path, aside) in self.reports {
            let text = match &self.attachments {
                Some(directory) if format.file == JUNIT.file => junit::render_attached(result, directory),
                _ => (format.render)(result),
            };
            let done = place(&path, aside, format.name, &text, leak);
            if done.is_err() {
                let _ = fs::remove_file(&path);
            }
            match done {
                Ok(()) => written.paths.push(path),
                Err(error) => written.errors.push(error),
            }
        }
        if let Some((path, aside)) = self.evidence {
            write_evidence(&path, aside, result, leak, &mut written);
        }
        written
    }
}

/// Adds `text` to a file that others write, too.
///
/// # Errors
/// The file cannot be written, or `text` holds a secret; then nothing is written.
pub fn append(path: &Path, report: &str, text: &str, leak: &dyn Fn(&str) -> Option<String>) -> Result<(), ReportError> {
    if let Some(secret) = leak(text).or_else(|| leak(&unescaped(text))) {
        return Err(ReportError::Leak { report: report.into(), secret });
    }
    let file = fs::OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(at(report, path))
}

/// Names report and place in an error of the system.
fn at<'a>(report: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> ReportError + 'a {
    move |source| ReportError::Write { report: report.into(), path: path.into(), source }
}

/// A file beside `path`, on the same file system.
fn aside(path: &Path) -> io::Result<NamedTempFile> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The error names the file beside `path`, which nobody asked for.
    let made = builder(&format!(".{}.", name.to_string_lossy()), 0o666).tempfile_in(directory);
    made.map_err(|error| error.kind().into())
}

/// Makes what is later renamed, with the permissions of anything new (`mode` less the umask): the
/// library's own, for the owner alone, would hide a report from a CI server's user.
fn builder(prefix: &str, mode: u32) -> Builder<'_, 'static> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut builder = Builder::new();
    builder.prefix(prefix).permissions(fs::Permissions::from_mode(mode));
    builder
}

/// Writes, reads again, searches, renames.
fn place(
    path: &Path,
    mut aside: NamedTempFile,
    report: &str,
    text: &str,
    leak: &dyn Fn(&str) -> Option<String>,
) -> Result<(), ReportError> {
    aside.write_all(text.as_bytes()).and_then(|()| aside.as_file().sync_all()).map_err(at(report, path))?;
    let text = fs::read_to_string(aside.path()).map_err(at(report, path))?;
    if let Some(secret) = leak(&text).or_else(|| leak(&unescaped(&text))) {
        return Err(ReportError::Leak { report: report.into(), secret });
    }
    aside.persist(path).map_err(|error| at(report, path)(error.error))?;
    Ok(())
}

/// What a reader of XML, HTML or Markdown sees: a secret may hold the characters that these escape.
fn unescaped(text: &str) -> String {
    [
        ("]]]]><![CDATA[>", "]]>"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("\\|", "|"),
    ]
    .into_iter()
    .chain([("\\_", "_"), ("\\*", "*"), ("\\[", "["), ("\\]", "]"), ("&amp;", "&")])
    .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

/// A transcript for each check that deviates or is inconclusive, in a directory that replaces the
/// one of an earlier run as a whole.
fn write_evidence(
    path: &Path,
    aside: TempDir,
    result: &RunResult,
    leak: &dyn Fn(&str) -> Option<String>,
    written: &mut Written,
) {
    let before = written.errors.len();
    for outcome in &result.outcomes {
        if let Err(error) = write_transcript(aside.path(), outcome, result, leak) {
            written.errors.push(error);
        }
    }
    let replaced = match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => fs::rename(aside.path(), path),
    };
    match replaced {
        Ok(()) => {
            // Renamed: there is nothing left to remove.
            let _ = aside.keep();
            if written.errors.len() == before {
                written.paths.push(path.into());
            }
        }
        Err(error) => written.errors.push(at(EVIDENCE, path)(error)),
    }
}

fn write_transcript(
    directory: &Path,
    outcome: &Outcome,
    result: &RunResult,
    leak: &dyn Fn(&str) -> Option<String>,
) -> Result<(), ReportError> {
    if !matches!(outcome.verdict, Verdict::Deviates(_) | Verdict::Inconclusive(_)) {
        return Ok(());
    }
    let Some(account) = Account::of(outcome, Again::of(&result.facts), Depth::WHOLE) else { return Ok(()) };
    let report = format!("evidence of {}", outcome.id);
    let below = evidence_file(outcome.id);
    let path = directory.join(below.strip_prefix(EVIDENCE).unwrap_or(&below));
    let directory = path.parent().unwrap_or(directory);
    fs::create_dir_all(directory).map_err(at(&report, directory))?;
    let aside = aside(&path).map_err(at(&report, &path))?;
    let mut text = format!("{} {}\n\n{}", outcome.id, outcome.title, account.text());
    if !outcome.history.is_empty() {
        let whole = Evidence { entries: outcome.history.to_vec(), facts: Vec::new() };
        text.push_str("\nEverything that was said on its behalf, first to last:\n\n");
        for line in transcript(&whole, outcome.id, Depth::WHOLE) {
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    place(&path, aside, &report, &text, leak)
}

#[cfg(test)]
mod tests;
