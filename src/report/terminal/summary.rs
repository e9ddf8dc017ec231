//! The end of a run: table, blocks, reasons, headline.

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle};

use super::{Look, Verbosity};
use crate::model::{CheckId, NotReady, Outcome, RunResult, Totals};
use crate::report::group::{Block, Kind, Row, blocks, reasons, rows};
use crate::report::text::{Account, Again, Depth, Field, headline, interruption, plural, span, thousands, visible};

/// Column at which the values of a block begin.
const COLUMN: usize = 15;

/// Column at which a reason for *not verified* begins.
const REASON_COLUMN: usize = 14;

/// The table's column of titles, the only one that may be broken into lines.
const TITLES: usize = 2;

/// So many checks of one cause are named; the reports and `-v` name all.
const NAMED: usize = 8;

/// Narrower than this, nothing is wrapped: the terminal does it no worse.
const NARROWEST: usize = 40;

/// What the end of a run tells: of one that has just ended, or of one that is read from its report.
pub struct Ending<'a> {
    /// What repeats a check of it.
    pub again: Again<'a>,
    /// A row a scenario.
    pub rows: Vec<Row>,
    /// At least all outcomes that do not conform, in registry order.
    pub outcomes: Vec<&'a Outcome>,
    /// Counts.
    pub totals: Totals,
    /// Time from start to end.
    pub duration: Duration,
    /// What kept it from beginning, if anything did.
    pub not_ready: Option<&'a NotReady>,
    /// What cut it short, if anything did.
    pub interruption: Option<String>,
    /// What a person should know beside the verdicts.
    pub remarks: &'a [String],
    /// Why the gate stays shut where no block says it.
    pub gate: &'a [String],
}

impl<'a> Ending<'a> {
    /// Of a run that has just ended.
    pub fn of(result: &'a RunResult) -> Self {
        let outcomes: Vec<&Outcome> = result.outcomes.iter().map(AsRef::as_ref).collect();
        Self {
            again: Again::of(&result.facts),
            rows: rows(outcomes.iter().copied()),
            outcomes,
            totals: result.totals,
            duration: result.duration,
            not_ready: result.not_ready.as_deref(),
            interruption: interruption(result),
            remarks: &result.remarks,
            gate: &result.gate,
        }
    }
}

/// Everything from the table to the headline.
pub fn summary(ending: &Ending<'_>, look: &Look) -> String {
    let outcomes = || ending.outcomes.iter().copied();
    let quiet = look.verbosity == Verbosity::Quiet;
    let mut out = String::new();
    if let Some(why) = ending.not_ready {
        // Of every check there is the same to say: nothing.
        out.push_str(&not_ready(why, ending.again, look));
        let _ = writeln!(out, "{} in {}", look.bold(&headline(&ending.totals)), span(ending.duration));
        return out;
    }
    if !quiet && !ending.rows.is_empty() {
        let _ = write!(out, "\n{}\n\n", table(&ending.rows, look));
    }
    let kinds: &[Kind] = if quiet { &[Kind::Deviation] } else { &[Kind::Deviation, Kind::Warning, Kind::Inconclusive] };
    for kind in kinds {
        for one in blocks(outcomes(), *kind) {
            out.push_str(&block(&one, *kind, ending.again, look));
            out.push('\n');
        }
    }
    if !quiet {
        for (reason, checks) in reasons(outcomes()) {
            let count = plural(checks.len(), "check", "checks");
            let _ = writeln!(out, "{}  {reason} · {count}", look.dim("not verified"));
            for line in wrapped(&names(&checks), look.width.saturating_sub(REASON_COLUMN).max(NARROWEST)) {
                let _ = writeln!(out, "{:REASON_COLUMN$}{line}", "");
            }
            out.push('\n');
        }
        for remark in ending.remarks {
            let _ = writeln!(out, "note: {}", visible(remark));
        }
    }
    for why in ending.gate {
        let _ = writeln!(out, "gate: {}", visible(why));
    }
    if let Some(why) = &ending.interruption {
        let _ = writeln!(out, "{}", look.bold(why));
    }
    let _ = writeln!(out, "{} in {}", look.bold(&headline(&ending.totals)), span(ending.duration));
    out
}

/// The step that failed, and how to go on.
fn not_ready(why: &NotReady, again: Again<'_>, look: &Look) -> String {
    let head = look.verdict(Kind::Inconclusive, "not ready");
    let mut out = format!("\n{head}  {}\n", look.bold(&format!("{} of {}", why.step, visible(&why.subject))));
    push_account(&mut out, Account::of_not_ready(why, again, Depth::BRIEF), look);
    out.push('\n');
    out
}

/// One row a scenario.
fn table(rows: &[Row], look: &Look) -> Table {
    let line = LineStyle::none().fill('─').junction('─');
    let style = TableStyle::new().top_border(line).header_separator(line).bottom_border(line);
    let mut table = Table::new();
    table.load_style(style).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(look.width).unwrap_or(u16::MAX));
    table.set_header([
        "#",
        "",
        "scenario",
        "conform",
        "deviate",
        "warnings",
        "not\nverified",
        "incon-\nclusive",
        "time",
    ]);
    for row in rows {
        // A table of noughts hides the few numbers that matter.
        let count = |count: usize| if count == 0 { "·".to_owned() } else { count.to_string() };
        table.add_row([
            row.scenario.number().to_string(),
            row.priority.to_string(),
            row.scenario.title().to_owned(),
            row.totals.conforms.to_string(),
            count(row.totals.deviates),
            count(row.totals.warnings),
            count(row.totals.not_verified),
            count(row.totals.inconclusive),
            span(row.time),
        ]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        // One blank between columns: the longest title then fits into a log's width.
        column.set_padding((0, 1));
        if index != TITLES {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        if !matches!(index, 1 | TITLES) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A cause, its first evidence and who else has it.
pub fn block(block: &Block<'_>, kind: Kind, again: Again<'_>, look: &Look) -> String {
    let first = block.first;
    let mut out = format!(
        "{}  {}  {}\n  {}\n",
        look.verdict(kind, kind.word()),
        look.bold(first.id.as_str()),
        look.dim(&format!("{} · {}", first.level, first.priority)),
        first.title,
    );
    let Some(account) = Account::of(first, again, Depth::BRIEF) else { return out };
    push_account(&mut out, account, look);
    if !block.also.is_empty() {
        let shown = if look.verbosity == Verbosity::Verbose { block.also.len() } else { block.also.len().min(NAMED) };
        let rest = block.also.len() - shown;
        let rest = if rest == 0 { String::new() } else { format!(", … {} more", thousands(rest)) };
        let count = plural(block.also.len(), "check", "checks");
        let also = format!("also in {count}: {}{rest}", names(&block.also[..shown]));
        let lines = wrapped(&also, look.width.saturating_sub(4).max(NARROWEST));
        for (index, line) in lines.iter().enumerate() {
            let _ = writeln!(out, "{}{line}", if index == 0 { "  " } else { "    " });
        }
    }
    out
}

fn push_account(out: &mut String, account: Account, look: &Look) {
    let room = look.width.saturating_sub(COLUMN).max(NARROWEST);
    for field in &account.fields {
        let wrapped = field.lines.iter().flat_map(|line| wrapped(line, room));
        push(out, field.label, wrapped, look);
    }
    // Lines to be compared or copied stay whole.
    push(out, "evidence", account.evidence, look);
    for Field { label, lines } in account.commands {
        push(out, label, lines, look);
    }
}

/// A label with lines beside it.
fn push(out: &mut String, label: &str, lines: impl IntoIterator<Item = String>, look: &Look) {
    for (index, line) in lines.into_iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        let _ = writeln!(out, "  {} {line}", look.dim(&format!("{label:<12}")));
    }
}

fn names(checks: &[CheckId]) -> String {
    checks.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ")
}

/// `text` in lines of at most `room` characters, broken at blanks where there are any.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split(' ') {
        let size = word.chars().count();
        if length > 0 && length + 1 + size > room {
            lines.push(String::new());
            length = 0;
        }
        if let Some(line) = lines.last_mut() {
            if length > 0 {
                line.push(' ');
                length += 1;
            }
            line.push_str(word);
            length += size;
        }
    }
    lines
}
