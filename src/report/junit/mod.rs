//! JUnit XML as the common readers really read it: flat suites, the words in the text, counters
//! exact, valid against the strictest schema in use (`junit-10.xsd`).
//!
//! The only module that knows the crate `junit-report`, which trusts its caller with every string:
//! here they are made fit for XML first.

mod xml;

use std::path::Path;

use junit_report::{Duration, OffsetDateTime, Report, ReportBuilder, TestCase, TestResult, TestSuite};

use self::xml::{attribute, cdata, trim_times};
use super::files::evidence_file;
use super::group::{Kind, rows};
use super::text::{Account, Again, Depth, clip, interruption, run_facts};
use crate::model::{ExitCode, Outcome, RunFacts, RunResult, Verdict};

/// Octets of text in one case; readers cut or refuse more.
const TEXT_LIMIT: usize = 64 * 1024;

/// Octets of a one-line message.
const MESSAGE_LIMIT: usize = 300;

/// The report of a run.
pub fn render(result: &RunResult) -> String {
    report(result, None)
}

/// The same, for a reader that follows `[[ATTACHMENT|…]]` to the evidence below `directory`.
pub fn render_attached(result: &RunResult, directory: &Path) -> String {
    report(result, Some(directory))
}

fn report(result: &RunResult, attachments: Option<&Path>) -> String {
    let facts = &result.facts;
    let mut report = ReportBuilder::new();
    for row in rows(result.outcomes.iter().map(AsRef::as_ref)) {
        let own = result.outcomes.iter().filter(|outcome| outcome.id.scenario() == row.scenario);
        let cases = own.map(|outcome| case(outcome, facts, attachments)).collect();
        report.add_testsuite(suite(row.scenario.slug(), &format!(": {}", row.scenario.title()), cases, result));
    }
    // Cases of the run itself: a reader that counts red ones must come to the exit code's answer.
    let kind = result.not_ready.as_ref().map_or("harness", |why| why.blame.slug());
    let completed = incomplete(result).map(|why| ("run/completed The run came to its end", kind, why));
    let shut = (result.exit_code == ExitCode::NothingVerified && !result.gate.is_empty())
        .then(|| ("run/gate The gate's conditions hold", "not-verified", result.gate.join("\n")));
    let cases: Vec<TestCase> = completed
        .into_iter()
        .chain(shut)
        .map(|(name, kind, why)| {
            let mut case = TestCase::error(name, Duration::ZERO, kind, &message_of(&why));
            case.classname = Some(classname(facts, "run"));
            set_text(&mut case, &why);
            case
        })
        .collect();
    if !cases.is_empty() {
        report.add_testsuite(suite("run", "", cases, result));
    }
    write(&report.build())
}

/// Why a reader must not take the cases for all there was to judge.
fn incomplete(result: &RunResult) -> Option<String> {
    interruption(result)
        .or_else(|| (result.exit_code == ExitCode::Internal).then(|| "the checker itself failed".into()))
        .or_else(|| result.outcomes.is_empty().then(|| "nothing was judged".into()))
}

fn suite(slug: &str, title: &str, cases: Vec<TestCase>, result: &RunResult) -> TestSuite {
    let facts = &result.facts;
    let system_out: String = run_facts(result).iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    let start = OffsetDateTime::from(facts.started);
    TestSuite {
        name: attribute(&format!("{slug}{title}")),
        package: attribute(&format!("netra.{}", facts.profile)),
        timestamp: start.replace_nanosecond(0).unwrap_or(start),
        hostname: attribute(facts.hosts.first().map_or("localhost", String::as_str)),
        testcases: cases,
        system_out: Some(cdata(&system_out)),
        system_err: None,
    }
}

fn classname(facts: &RunFacts, scenario: &str) -> String {
    attribute(&format!("netra.{}.{scenario}", facts.profile))
}

/// One check. What does not gate is no failure: a reader's red and the exit code must agree.
fn case(outcome: &Outcome, facts: &RunFacts, attachments: Option<&Path>) -> TestCase {
    let name = attribute(&format!("{} {}", outcome.id, outcome.title));
    let time = Duration::milliseconds(i64::try_from(outcome.duration.as_millis()).unwrap_or(i64::MAX));
    let mut case = match &outcome.verdict {
        Verdict::Deviates(deviation) if outcome.gates => {
            let message =
                format!("{}: expected {}, seen {}", deviation.finding, deviation.expected.join(" or "), deviation.seen);
            TestCase::failure(&name, time, "deviation", &message_of(&message))
        }
        Verdict::Inconclusive(inconclusive) => {
            TestCase::error(&name, time, inconclusive.blame.slug(), &message_of(&inconclusive.what))
        }
        Verdict::NotVerified(reason) => {
            TestCase::skipped_with_cause(&name, "not-verified", &message_of(&reason.to_string()))
        }
        Verdict::Conforms(_) | Verdict::Deviates(_) => TestCase::success(&name, time),
    };
    case.classname = Some(classname(facts, outcome.id.scenario().slug()));
    match &outcome.verdict {
        // The reason is the message, and some readers show the text alone.
        Verdict::NotVerified(reason) => set_text(&mut case, &message_of(&reason.to_string())),
        Verdict::Conforms(conforms) => {
            let flaky = format!("flaky: {} attempts disagreed, the last one conforms", outcome.attempts);
            let lines = outcome.flaky.then_some(&flaky).into_iter().chain(conforms.figures());
            let lines: Vec<&str> = lines.map(String::as_str).collect();
            case.system_out = (!lines.is_empty()).then(|| text(&lines.join("\n")));
        }
        Verdict::Deviates(_) | Verdict::Inconclusive(_) => {
            let account =
                Account::of(outcome, Again::of(facts), Depth::AMPLE).map(|account| account.text()).unwrap_or_default();
            if Kind::of(outcome) == Some(Kind::Warning) {
                case.system_out = Some(text(&format!("warning: a deviation that does not gate\n{account}")));
            } else {
                set_text(&mut case, &account);
            }
            if let Some(directory) = attachments {
                let file = directory.join(evidence_file(outcome.id));
                let line = cdata(&format!("[[ATTACHMENT|{}]]", file.display()));
                let before = case.system_out.take().map_or_else(String::new, |before| format!("{before}\n"));
                case.system_out = Some(before + &line);
            }
        }
    }
    case
}

fn message_of(text: &str) -> String {
    attribute(&clip(text, MESSAGE_LIMIT))
}

fn text(text: &str) -> String {
    // The clip's own words need room, too.
    cdata(&clip(text, TEXT_LIMIT - 64))
}

/// Puts `words` into the case's failure, error or skipped element.
fn set_text(case: &mut TestCase, words: &str) {
    match &mut case.result {
        TestResult::Failure { cause, .. }
        | TestResult::Error { cause, .. }
        | TestResult::SkippedWithCause { cause, .. } => {
            *cause = Some(text(words));
        }
        TestResult::Success | TestResult::Skipped => {}
    }
}

fn write(report: &Report) -> String {
    let mut octets = Vec::new();
    // A vector takes everything, and the timestamps are in UTC: there is nothing to fail.
    if let Err(error) = report.write_xml(&mut octets) {
        unreachable!("JUnit into memory: {error}");
    }
    trim_times(&String::from_utf8_lossy(&octets))
}

#[cfg(test)]
mod tests;
