//! The words that every report shares: terminal, JUnit, HTML and Markdown say the same thing in
//! the same way because they ask here.

mod account;
mod again;
mod curl;
mod transcript;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use crate::model::{ExitCode, RunFacts, RunResult, Totals};

pub use account::{Account, Field};
pub use again::Again;
pub use transcript::{Depth, entry_lines, transcript};

/// What a run against the built-in reference says first and last: it must never pass for a check
/// of a deployment.
pub const REFERENCE: &str = "checked: the built-in reference, not a deployment";

/// `count` and the noun that agrees with it: "1 check", "1,204 octets".
pub fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", thousands(count), if count == 1 { one } else { many })
}

/// `1204` → `1,204`.
pub fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// At most `octets` of `text`, cut between two characters, and how much is missing.
pub fn clip(text: &str, octets: usize) -> Cow<'_, str> {
    if text.len() <= octets {
        return Cow::Borrowed(text);
    }
    let cut = text.floor_char_boundary(octets);
    Cow::Owned(format!("{}… {}", &text[..cut], plural(text.len() - cut, "more octet", "more octets")))
}

/// One line without a character that acts instead of showing: what a target sends may neither
/// move a terminal's cursor nor turn the direction of the text around it.
pub fn visible(text: &str) -> Cow<'_, str> {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if acts(c) => {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// A time as a person reads it: "41 ms", "2.5 s", "3 min 5 s".
pub fn span(time: Duration) -> String {
    match time.as_millis() {
        millis @ ..1_000 => format!("{millis} ms"),
        ..60_000 => format!("{:.1} s", time.as_secs_f64()),
        _ => format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60),
    }
}

/// Every count of a run that is not zero, and always how many conform.
pub fn headline(totals: &Totals) -> String {
    let mut parts = vec![plural(totals.conforms, "conforms", "conform")];
    for (count, one, many) in [
        (totals.deviates, "deviates", "deviate"),
        (totals.warnings, "warning", "warnings"),
        (totals.not_verified, "not verified", "not verified"),
        (totals.inconclusive, "inconclusive", "inconclusive"),
        (totals.not_selected, "not selected", "not selected"),
    ] {
        if count > 0 {
            parts.push(plural(count, one, many));
        }
    }
    let among: Vec<String> = [(totals.flaky, "flaky"), (totals.known, "known")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| plural(count, word, word))
        .collect();
    let mut line = parts.join(", ");
    if !among.is_empty() {
        let _ = write!(line, " (among them {})", among.join(", "));
    }
    line
}

/// What cut a run short or kept it from beginning, if anything did.
pub fn interruption(result: &RunResult) -> Option<String> {
    if let Some(why) = &result.not_ready {
        return Some(visible(&format!("{why} (nothing was judged)")).into_owned());
    }
    result.interrupted.then(|| interrupted(result.outcomes.len(), result.facts.planned.len()))
}

/// That a run ended after so many of its planned checks.
pub fn interrupted(judged: usize, planned: usize) -> String {
    format!("interrupted: {} of {} judged", thousands(judged), plural(planned, "planned check", "planned checks"))
}

/// An exit code in words: "exit 1: a check that gates deviates".
pub fn exit(code: ExitCode) -> String {
    let meaning = match code {
        ExitCode::Conforms => "nothing that gates deviates, and every required check was judged",
        ExitCode::Deviation => "at least one check that gates deviates",
        ExitCode::Usage => "the command line or the profile is wrong",
        ExitCode::Inconclusive => {
            "a required check is inconclusive, or the environment was not ready or did not stay as it was"
        }
        ExitCode::NothingVerified => "nothing was verified, a required check was not, or the gate asks for more",
        ExitCode::Report => "a report could not be written, or would have leaked a secret",
        ExitCode::Internal => "the checker itself failed",
        ExitCode::Interrupted => "interrupted before every planned check was judged",
    };
    format!("exit {}: {meaning}", code.code())
}

/// `reference` or `deployed`.
pub const fn target(facts: &RunFacts) -> &'static str {
    if facts.reference { "reference" } else { "deployed" }
}

/// The start of a run, RFC 3339 in UTC, whole seconds.
pub fn started(facts: &RunFacts) -> String {
    time::OffsetDateTime::from(facts.started)
        .replace_nanosecond(0)
        .ok()
        .and_then(|start| start.format(&time::format_description::well_known::Rfc3339).ok())
        // Only years beyond 9999 have no such form.
        .unwrap_or_default()
}

/// The facts of a run, key and value, in the order in which reports list them.
pub fn run_facts(result: &RunResult) -> Vec<(&'static str, String)> {
    let facts = &result.facts;
    let mut list = vec![
        ("run", facts.id.clone()),
        ("target", target(facts).into()),
        ("profile", facts.profile.clone()),
        ("contract", facts.contract.clone()),
        ("hosts", facts.hosts.join(" ")),
        ("selection", facts.selection.clone()),
        ("seed", facts.seed.to_string()),
        ("tool_version", facts.tool_version.into()),
        ("started", started(facts)),
        ("duration_s", format!("{:.3}", result.duration.as_secs_f64())),
        ("exit_code", result.exit_code.code().to_string()),
    ];
    if let Some(revision) = &facts.revision {
        list.push(("revision", revision.clone()));
    }
    list.extend(result.remarks.iter().map(|remark| ("remark", remark.clone())));
    for (_, value) in &mut list {
        if let Cow::Owned(shown) = visible(value) {
            *value = shown;
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agree_with_their_nouns() {
        assert_eq!(plural(0, "check", "checks"), "0 checks");
        assert_eq!(plural(1, "check", "checks"), "1 check");
        assert_eq!(plural(1_204, "octet", "octets"), "1,204 octets");
        assert_eq!(thousands(1_000_000), "1,000,000");
        assert_eq!(thousands(999), "999");
    }

    #[test]
    fn the_headline_hides_no_count_and_always_says_how_many_conform() {
        assert_eq!(headline(&Totals::default()), "0 conform");
        let totals = Totals { conforms: 92, deviates: 1, not_verified: 7, not_selected: 98, ..Totals::default() };
        assert_eq!(headline(&totals), "92 conform, 1 deviates, 7 not verified, 98 not selected");
        let totals = Totals {
            conforms: 1,
            deviates: 2,
            warnings: 1,
            not_verified: 1,
            inconclusive: 3,
            not_selected: 4,
            flaky: 1,
            known: 2,
        };
        assert_eq!(
            headline(&totals),
            "1 conforms, 2 deviate, 1 warning, 1 not verified, 3 inconclusive, 4 not selected (among them 1 flaky, 2 known)"
        );
    }

    #[test]
    fn a_clip_ends_between_characters_and_says_what_is_missing() {
        assert_eq!(clip("kurz", 4), "kurz");
        assert_eq!(clip("überlang", 1), "… 9 more octets");
        assert_eq!(clip("ab", 1), "a… 1 more octet");
    }

    #[test]
    fn nothing_a_target_sends_acts_on_the_reader() {
        assert_eq!(visible("plain → text"), "plain → text");
        assert_eq!(visible("a\u{1b}[2Jb\r\n\u{202e}c"), "a\\u{1b}[2Jb\\r\\n\\u{202e}c");
    }

    #[test]
    fn times_read_naturally() {
        assert_eq!(span(Duration::from_millis(41)), "41 ms");
        assert_eq!(span(Duration::from_millis(2_540)), "2.5 s");
        assert_eq!(span(Duration::from_secs(185)), "3 min 5 s");
    }
}
