//! The summary for a pull request or a chat: deviations first, then what was not verified.

use std::fmt::Write as _;

use super::group::{Kind, blocks, reasons, rows};
use super::text::{Account, Again, Depth, REFERENCE, exit, headline, interruption, plural, run_facts, span};
use crate::model::{CheckId, Outcome, RunResult};

/// The report of a run.
pub fn render(result: &RunResult) -> String {
    let facts = &result.facts;
    let outcomes = || result.outcomes.iter().map(AsRef::<Outcome>::as_ref);
    // Writing to a string cannot fail.
    let mut out = format!("# netra-check: {}\n\n", headline(&result.totals));
    if facts.reference {
        let _ = writeln!(out, "> **{REFERENCE}**\n");
    }
    if let Some(why) = interruption(result) {
        let _ = writeln!(out, "**{}**\n", prose(&why));
    }
    let _ = writeln!(out, "{}\n", exit(result.exit_code));
    for why in &result.gate {
        let _ = writeln!(out, "**gate: {}**\n", prose(why));
    }
    push_blocks(&mut out, Kind::Deviation, result);
    let reasons = reasons(outcomes());
    if !reasons.is_empty() {
        out.push_str("## Not verified\n\n");
        for (reason, checks) in reasons {
            let count = plural(checks.len(), "check", "checks");
            let _ = writeln!(out, "- {} · {count}: {}", prose(&reason), names(&checks));
        }
        out.push('\n');
    }
    push_blocks(&mut out, Kind::Warning, result);
    push_blocks(&mut out, Kind::Inconclusive, result);
    out.push_str("## Scenarios\n\n");
    out.push_str("| # | | scenario | conform | deviate | warnings | not verified | inconclusive | time |\n");
    out.push_str("|--:|---|---|--:|--:|--:|--:|--:|--:|\n");
    for row in rows(outcomes()) {
        let totals = row.totals;
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.scenario.number(),
            row.priority,
            row.scenario.title(),
            totals.conforms,
            totals.deviates,
            totals.warnings,
            totals.not_verified,
            totals.inconclusive,
            span(row.time)
        );
    }
    push_figures(&mut out, result);
    out.push_str("\n## Run\n\n| | |\n|---|---|\n");
    for (key, value) in run_facts(result) {
        let _ = writeln!(out, "| {key} | {} |", prose(&value));
    }
    out
}

fn push_blocks(out: &mut String, kind: Kind, result: &RunResult) {
    for (index, block) in blocks(result.outcomes.iter().map(AsRef::as_ref), kind).iter().enumerate() {
        if index == 0 {
            let _ = writeln!(out, "## {}\n", kind.heading());
        }
        let first = block.first;
        let _ = writeln!(out, "### `{}` {}\n", first.id, prose(first.title));
        if let Some(account) = Account::of(first, Again::of(&result.facts), Depth::BRIEF) {
            out.push_str(&fenced(&account.text()));
        }
        if !block.also.is_empty() {
            let count = plural(block.also.len(), "check", "checks");
            let _ = writeln!(out, "also in {count}: {}\n", names(&block.also));
        }
    }
}

/// What was measured by checks that conform.
fn push_figures(out: &mut String, result: &RunResult) {
    let measured = result.outcomes.iter().filter(|outcome| !outcome.verdict.figures().is_empty());
    for (index, outcome) in measured.enumerate() {
        if index == 0 {
            out.push_str("\n## Measured\n\n");
        }
        let _ = writeln!(out, "`{}`\n", outcome.id);
        out.push_str(&fenced(&(outcome.verdict.figures().join("\n") + "\n")));
    }
}

fn names(checks: &[CheckId]) -> String {
    checks.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}

/// Our own sentences: what stands between backticks is code, the rest is text.
fn prose(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut code = false;
    for c in text.chars() {
        code ^= c == '`';
        match c {
            // Ends a table's cell even inside code.
            '|' => escaped.push_str("\\|"),
            '<' if !code => escaped.push_str("&lt;"),
            '&' if !code => escaped.push_str("&amp;"),
            '*' | '_' | '[' | ']' | '\\' if !code => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A block whose fence is longer than any row of backticks inside.
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{text}{fence}\n\n")
}
