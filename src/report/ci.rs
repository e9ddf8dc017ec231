//! What a CI server reads in a log: workflow commands of GitHub Actions.

use std::fmt::Write as _;

use super::group::{Block, Kind, blocks};
use super::text::{REFERENCE, headline, plural, visible};
use crate::model::{Outcome, RunResult, Verdict};

/// GitHub shows so many annotations of one kind and step; the last of ours says what is left.
const ANNOTATIONS: usize = 10;

/// GitHub cuts longer messages.
const MESSAGE: usize = 4 * 1024;

/// Annotations of a run, one a cause: what fails the run first, then warnings, at most ten.
pub fn annotations(result: &RunResult) -> String {
    let outcomes = || result.outcomes.iter().map(AsRef::<Outcome>::as_ref);
    let mut all: Vec<(&str, String, String)> = Vec::new();
    for why in &result.gate {
        all.push(("error", "netra-check: the gate stays shut".into(), why.clone()));
    }
    for kind in [Kind::Deviation, Kind::Inconclusive, Kind::Warning] {
        for block in blocks(outcomes(), kind) {
            let level = match kind {
                Kind::Deviation => "error",
                Kind::Inconclusive if block.first.required => "error",
                Kind::Inconclusive | Kind::Warning => "warning",
            };
            all.push((level, format!("{} {}", kind.word(), block.first.id), message(&block)));
        }
    }
    // The errors among them first; the order of their kinds is kept.
    all.sort_by_key(|(level, ..)| *level != "error");
    let mut lines = String::new();
    let shown = if all.len() > ANNOTATIONS { ANNOTATIONS - 1 } else { all.len() };
    for (level, title, message) in &all[..shown] {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{}", command(level, title, message));
    }
    if all.len() > shown {
        let rest = plural(all.len() - shown, "more cause", "more causes");
        let why = format!("{rest}, in the summary and the reports: {}", headline(&result.totals));
        let _ = writeln!(lines, "{}", command("warning", "netra-check", &why));
    }
    if result.facts.reference {
        let _ = writeln!(lines, "{}", command("notice", "netra-check", REFERENCE));
    }
    lines
}

fn message(block: &Block<'_>) -> String {
    let mut text = format!("{}\n", block.first.requirement);
    match &block.first.verdict {
        Verdict::Deviates(deviation) => {
            let _ = write!(text, "expected {}\nseen {}", deviation.expected.join(" or "), visible(&deviation.seen));
        }
        Verdict::Inconclusive(why) => {
            let _ = write!(text, "{}\nblame {}", visible(&why.what), why.blame);
        }
        Verdict::Conforms(_) | Verdict::NotVerified(_) => {}
    }
    if !block.also.is_empty() {
        let _ = write!(text, "\nalso in {}", plural(block.also.len(), "check", "checks"));
    }
    let _ = write!(text, "\nnetra-check explain {}", block.first.id);
    super::text::clip(&text, MESSAGE).into_owned()
}

/// `::error title=TITLE::MESSAGE`, escaped as the runner reads it.
fn command(level: &str, title: &str, message: &str) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let title = data(title).replace(':', "%3A").replace(',', "%2C");
    format!("::{level} title={title}::{}", data(message))
}

/// The line from which on the runner takes nothing in the log for a command, until [`resume`] of the
/// same word: what a target says is quoted there. The word must be one that no target can know.
pub fn stop(word: &str) -> String {
    format!("::stop-commands::{word}\n")
}

/// The line after which commands are commands again.
pub fn resume(word: &str) -> String {
    format!("::{word}::\n")
}

/// The lines that make the runner hide `secret`, one a line of it: the runner masks by lines.
pub fn mask(secret: &str) -> String {
    let lines = secret.lines().map(str::trim).filter(|line| line.chars().count() >= 4);
    lines.map(|line| format!("::add-mask::{}\n", line.replace('%', "%25"))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::report::formats;

    #[test]
    fn annotations_tell_each_cause_once_and_errors_first() {
        insta::assert_snapshot!(annotations(&formats::run()));
    }

    #[test]
    fn at_most_ten_annotations_and_the_last_counts_the_rest() {
        let mut result = formats::run();
        let deviating = result.outcomes[1].as_ref().clone();
        result.outcomes = (0..12)
            .map(|step| {
                let mut outcome = deviating.clone();
                let Verdict::Deviates(deviation) = &mut outcome.verdict else { panic!("a deviation") };
                Arc::make_mut(deviation).step = step.to_string();
                Arc::new(outcome)
            })
            .collect();
        let text = annotations(&result);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 10);
        assert!(lines[9].starts_with("::warning title=netra-check::3 more causes"), "{}", lines[9]);
    }

    #[test]
    fn nothing_a_target_says_ends_a_command_or_begins_one() {
        let line = command("error", "a:b,c%\n", "50 %\r\n::set-output name=x::y");
        assert_eq!(line, "::error title=a%3Ab%2Cc%25%0A::50 %25%0D%0A::set-output name=x::y");
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn a_mask_is_a_line_of_the_secret() {
        assert_eq!(mask("100%-secret"), "::add-mask::100%25-secret\n");
        assert_eq!(mask("-----BEGIN-----\nabcdef\n=\n"), "::add-mask::-----BEGIN-----\n::add-mask::abcdef\n");
    }
}
