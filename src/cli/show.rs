//! `netra-check show`: a finished run again, from the report that it wrote.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::{Color, ShowArgs};
use super::usage;
use crate::model::{CheckId, ExitCode, Outcome, Repetition, Scenario};
use crate::report::files::{JSON_FILE, evidence_file};
use crate::report::json::{self, Check, Document, NotReady};
use crate::report::terminal::{Ending, Look, Verbosity, summary};
use crate::report::text::{Account, Again, Depth, REFERENCE, exit, interrupted, plural, span, visible};
use crate::scenarios;

pub(super) fn show(args: &ShowArgs, color: Color) -> anyhow::Result<ExitCode> {
    let path = if args.dir.is_dir() { args.dir.join(JSON_FILE) } else { args.dir.clone() };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            let next = "`netra-check run --out DIR` writes one";
            return usage(&format_args!("no report at {}: {error}; {next}", path.display()));
        }
    };
    let report = match json::parse(&text) {
        Ok(report) => report,
        Err(error) => return usage(&format_args!("{}: {error}", path.display())),
    };
    let look = Look::of_stdout(color.into(), Verbosity::Normal);
    let shown = match &args.id {
        None => whole(&report, &look),
        Some(id) => match one(&report, id, path.parent().unwrap_or(Path::new("."))) {
            Ok(shown) => shown,
            Err(unknown) => return usage(&unknown),
        },
    };
    write!(anstream::AutoStream::new(std::io::stdout(), color.into()), "{shown}")?;
    // Showing is no gate: what the run ended with is said in words.
    Ok(ExitCode::Conforms)
}

/// The end of the run as it was told when it ended.
fn whole(report: &Document, look: &Look) -> String {
    let run = &report.run;
    let (outcomes, mut remarks) = recalled(report);
    remarks.splice(0..0, run.remarks.iter().cloned());
    let repetition = repetition(report);
    let not_ready = run.not_ready.as_ref().and_then(NotReady::recall);
    let ending = Ending {
        not_ready: not_ready.as_ref(),
        again: again(report, &repetition),
        rows: report.rows(),
        outcomes: outcomes.iter().collect(),
        totals: report.totals(),
        duration: Duration::try_from_secs_f64(run.duration_s).unwrap_or_default(),
        interruption: run.interrupted.then(|| interrupted(report.checks.len(), run.planned)),
        remarks: &remarks,
        gate: &run.gate,
    };
    let reference = if run.target == "reference" { format!("{REFERENCE}\n") } else { String::new() };
    let begin = format!(
        "run {} of {}: {} with profile {}, contract {}, seed {}\n",
        visible(&run.id),
        visible(&run.started),
        plural(run.planned, "check", "checks"),
        visible(&run.profile),
        visible(&run.contract),
        run.seed
    );
    let code = ExitCode::ALL.into_iter().find(|code| code.code() == run.exit_code);
    let end = code.map_or_else(|| format!("exit {}", run.exit_code), exit);
    format!("{reference}{begin}{}the run ended with {end}\n{reference}", summary(&ending, look))
}

/// One check with everything that was said on its behalf.
fn one(report: &Document, asked: &str, directory: &Path) -> Result<String, String> {
    let is_it = |check: &&Check| check.id == asked || check.id.split_once('/').is_some_and(|(_, fact)| fact == asked);
    let Some(check) = report.checks.iter().find(is_it) else { return Err(unknown(report, asked)) };
    let verdict = check.verdict.replace('_', " ");
    if let Some(transcript) = transcript(check, directory) {
        return Ok(format!("{verdict}  {transcript}"));
    }
    let repetition = repetition(report);
    let account = recall(check).and_then(|outcome| Account::of(&outcome, again(report, &repetition), Depth::WHOLE));
    let told = account.map_or_else(
        || {
            let seen = plural(check.observations as usize, "observation", "observations");
            let tries = plural(check.attempts as usize, "attempt", "attempts");
            let time = span(Duration::from_millis(check.duration_ms));
            format!("requirement  {}\nproof        {seen}, {tries}, {time}\n", visible(&check.requirement))
        },
        |account| account.text(),
    );
    Ok(format!("{verdict}  {} {}\n\n{told}", visible(&check.id), visible(&check.title)))
}

/// The file of a check's evidence, harmless to look at.
fn transcript(check: &Check, directory: &Path) -> Option<String> {
    let id = recall(check)?.id;
    let file: PathBuf = directory.join(evidence_file(id));
    let text = fs::read_to_string(file).ok()?;
    Some(text.lines().map(|line| format!("{}\n", visible(line))).collect())
}

fn unknown(report: &Document, asked: &str) -> String {
    let likeness = |id: &str| {
        let fact = id.split_once('/').map_or(id, |(_, fact)| fact);
        strsim::jaro_winkler(asked, id).max(strsim::jaro_winkler(asked, fact))
    };
    let nearest = report
        .checks
        .iter()
        .map(|check| (likeness(&check.id), check.id.as_str()))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0));
    let hint = nearest.map_or_else(String::new, |(_, name)| format!(": did you mean `{name}`?"));
    format!("the run judged no check `{asked}`{hint}")
}

fn repetition(report: &Document) -> Repetition {
    Repetition { sets: report.run.sets.clone(), curl: report.run.curl.clone() }
}

fn again<'a>(report: &'a Document, repetition: &'a Repetition) -> Again<'a> {
    let run = &report.run;
    let profile = if run.profile_argument.is_empty() { &run.profile } else { &run.profile_argument };
    Again { profile, seed: run.seed, repetition }
}

/// What did not conform, and what this version has no words for: never hidden.
fn recalled(report: &Document) -> (Vec<Outcome>, Vec<String>) {
    let mut foreign: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut outcomes = Vec::new();
    for check in report.checks.iter().filter(|check| check.verdict != "conforms") {
        match recall(check) {
            Some(outcome) => outcomes.push(outcome),
            None => foreign.entry(&check.verdict).or_default().push(&check.id),
        }
    }
    let told = |(verdict, checks): (&str, Vec<&str>)| {
        format!("{} in words of another version of netra-check: {}", verdict.replace('_', " "), checks.join(", "))
    };
    (outcomes, foreign.into_iter().map(told).collect())
}

fn recall(check: &Check) -> Option<Outcome> {
    Scenario::ALL.iter().find(|scenario| scenario.slug() == check.id.split('/').next().unwrap_or_default())?;
    let known = scenarios::registry().into_iter().find(|known| known.id.as_str() == check.id);
    let known =
        known.filter(|known| known.page.title() == check.title && known.page.requirement() == check.requirement);
    match known {
        Some(known) => check.recall(known.id, known.page.title(), known.page.requirement()),
        // A check of another version, told in the words of its report. One process shows one report:
        // what is leaked here ends with it.
        None => {
            let leaked = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
            check.recall(CheckId::new(leaked(&check.id)), leaked(&check.title), leaked(&check.requirement))
        }
    }
}
