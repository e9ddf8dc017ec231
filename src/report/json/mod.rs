//! The machine's report, version 1: a copy of the internal types of its own, so that those can
//! move while readers stay. Readers ignore fields that they do not know.

mod convert;

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use crate::model;
use crate::model::RunResult;

/// The version that this module writes and reads.
pub const VERSION: u32 = 1;

/// A whole report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// [`VERSION`].
    pub version: u32,
    /// Facts of the run.
    pub run: Run,
    /// Counts of its checks.
    pub totals: Totals,
    /// The checks that were reached, in registry order.
    pub checks: Vec<Check>,
}

/// Facts of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Name of the run.
    pub id: String,
    /// `reference` or `deployed`.
    pub target: String,
    /// Name of the profile.
    pub profile: String,
    /// The profile as the user named it: a name or a path.
    #[serde(default)]
    pub profile_argument: String,
    /// The `--set KEY=VALUE` of the command line, secrets blanked out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<String>,
    /// Options by which curl reaches the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curl: Vec<String>,
    /// Name of the contract.
    pub contract: String,
    /// Hosts that were asked.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Version of the tool.
    pub tool_version: String,
    /// Seed of everything random.
    pub seed: u64,
    /// What the user selected, in the user's words.
    pub selection: String,
    /// RFC 3339 in UTC.
    pub started: String,
    /// Seconds from start to end.
    pub duration_s: f64,
    /// Revision of what is deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The exit code as the verdicts give it.
    pub exit_code: u8,
    /// Ended before every planned check was judged.
    #[serde(default)]
    pub interrupted: bool,
    /// The step before the first check that failed, when nothing could be judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_ready: Option<NotReady>,
    /// Checks that were planned.
    #[serde(default)]
    pub planned: usize,
    /// What a person should know beside the verdicts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Why the gate stays shut where no check's own fields say it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gate: Vec<String>,
}

/// The step that failed; see [`model::NotReady`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each name is that of `model::NotReady`")]
pub struct NotReady {
    pub step: String,
    pub subject: String,
    pub expected: String,
    pub seen: String,
    pub next: String,
    pub blame: String,
}

/// Counts; see [`model::Totals`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "each name is that of `model::Totals`")]
pub struct Totals {
    pub conforms: usize,
    pub deviates: usize,
    pub warnings: usize,
    pub not_verified: usize,
    pub inconclusive: usize,
    pub not_selected: usize,
    pub flaky: usize,
    pub known: usize,
}

/// One check and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// `scenario/fact`.
    pub id: String,
    /// Its page's title.
    pub title: String,
    /// Its page's requirement sentence.
    pub requirement: String,
    /// Slug of its scenario.
    pub scenario: String,
    /// `P0` or `P1`.
    pub priority: String,
    /// `must` or `should`.
    pub level: String,
    /// The gate insists on it.
    pub required: bool,
    /// `conforms`, `deviates`, `not_verified` or `inconclusive`.
    pub verdict: String,
    /// A deviation of it fails the run.
    pub gates: bool,
    /// Of a deviation: its slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// Why it was not verified, or what kept it from being judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of an inconclusive check: whose doing it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blame: Option<String>,
    /// Of a deviation: everything that would have conformed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Vec<String>>,
    /// Of a deviation: what was there instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// What was tried when it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The lines of the profile on which the verdict rests: `KEY at PLACE (VALUE)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profile: Vec<String>,
    /// What finds the decisive exchange in the target's logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// The transcript around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Facts that were observed by a check that conforms, else 0.
    pub observations: u32,
    /// What a check that conforms has measured, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// Its attempts disagreed.
    pub flaky: bool,
    /// A baseline knows the deviation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub known: bool,
    /// Milliseconds from its first action to its last.
    pub duration_ms: u64,
}

/// What finds an exchange in the target's logs; see [`model::Trace`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The `traceparent` that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    /// Header or member and value, as the server returned them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub returned: Vec<(String, String)>,
    /// The server's clock, as it wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_time: Option<String>,
}

/// Redacted excerpts of the transcript.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Oldest first.
    #[serde(default)]
    pub entries: Vec<Entry>,
    /// Facts beside the transcript, one line each.
    #[serde(default)]
    pub facts: Vec<String>,
}

/// One entry of the transcript; see [`model::Entry`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since the run began, three decimals.
    pub at_ms: f64,
    /// On behalf of which check.
    pub check: String,
    /// Number of the connection within that check.
    pub connection: u32,
    /// `true` when the checker spoke.
    pub sent: bool,
    /// Broken on purpose.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub broken: bool,
    /// What was said.
    pub record: Record,
}

/// What was said; see [`model::Record`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each name is that of `model::Record` and `model::Head`")]
pub enum Record {
    Request {
        method: String,
        url: String,
        headers: Vec<(String, String)>,
        body: Option<String>,
    },
    Response {
        status: u16,
        headers: Vec<(String, String)>,
        body: Option<String>,
    },
    Frame {
        fin: bool,
        rsv: u8,
        opcode: u8,
        masked: bool,
        length: u64,
        minimal: bool,
        payload: String,
        close_code: Option<u16>,
        utf8: bool,
    },
    Ended(String),
    Note(String),
}

/// The report of a run, pretty-printed, with a final line end.
pub fn render(result: &RunResult) -> String {
    // Strings, numbers and lists of them: there is nothing that JSON cannot hold.
    let mut text = serde_json::to_string_pretty(&Document::of(result)).unwrap_or_default();
    text.push('\n');
    text
}

/// Reads a report back.
///
/// # Errors
/// The text is no report, or one of another version; the message says which.
pub fn parse(text: &str) -> Result<Document, ParseError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let Versioned { version } = serde_json::from_str(text)?;
    if version != VERSION {
        return Err(ParseError::Version(version));
    }
    Ok(serde_json::from_str(text)?)
}

/// Why a report could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Written by another generation of this tool.
    #[error("the report has version {0}; this netra-check reads version {VERSION}")]
    Version(u32),
    /// No JSON, or not that of a report.
    #[error("not a report of netra-check: {0}")]
    Shape(#[from] serde_json::Error),
}
