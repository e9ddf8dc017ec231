//! One page that needs nothing but itself: no script, no font, no request.

use std::fmt::Write as _;

use super::group::{Block, Kind, blocks, reasons, rows};
use super::text::{Account, Again, Depth, Field, REFERENCE, exit, headline, interruption, plural, run_facts, span};
use crate::model::{CheckId, ExitCode, Outcome, RunResult};

const STYLE: &str = include_str!("html.css");

/// The report of a run.
pub fn render(result: &RunResult) -> String {
    let facts = &result.facts;
    let title = format!("netra-check · {}", facts.profile);
    // Writing to a string cannot fail.
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escape(&title)
    );
    if facts.reference {
        let _ = writeln!(page, "<p class=\"reference\">{REFERENCE}</p>");
    }
    let grade = if result.exit_code == ExitCode::Conforms { "good" } else { "bad" };
    let _ = writeln!(page, "<h1>{}</h1>", escape(&title));
    let _ = writeln!(page, "<p class=\"headline {grade}\">{}</p>", headline(&result.totals));
    if let Some(why) = interruption(result) {
        let _ = writeln!(page, "<p class=\"headline bad\">{}</p>", prose(&why));
    }
    let _ = writeln!(page, "<p>{}</p>", escape(&exit(result.exit_code)));
    for why in &result.gate {
        let _ = writeln!(page, "<p class=\"bad\">gate: {}</p>", prose(why));
    }
    push_table(&mut page, result);
    for kind in [Kind::Deviation, Kind::Warning, Kind::Inconclusive] {
        for (index, block) in blocks(outcomes(result), kind).iter().enumerate() {
            if index == 0 {
                let _ = writeln!(page, "<h2>{}</h2>", kind.heading());
            }
            push_block(&mut page, block, kind, result);
        }
    }
    push_reasons(&mut page, result);
    push_checks(&mut page, result);
    page.push_str("<h2>Run</h2>\n<dl>\n");
    for (key, value) in run_facts(result) {
        let _ = writeln!(page, "<dt>{key}</dt><dd>{}</dd>", escape(&value));
    }
    page.push_str("</dl>\n</body>\n</html>\n");
    page
}

fn outcomes(result: &RunResult) -> impl Iterator<Item = &Outcome> + Clone {
    result.outcomes.iter().map(AsRef::as_ref)
}

fn push_table(page: &mut String, result: &RunResult) {
    page.push_str("<table>\n<thead><tr><th>#</th><th></th><th class=\"wide\">scenario</th>");
    for head in ["conform", "deviate", "warnings", "not verified", "inconclusive", "time"] {
        let _ = write!(page, "<th>{head}</th>");
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in rows(outcomes(result)) {
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td class=\"wide\">{}</td>",
            row.scenario.number(),
            row.priority,
            escape(row.scenario.title())
        );
        let totals = row.totals;
        for (count, class) in [
            (totals.conforms, "conforms"),
            (totals.deviates, "deviates"),
            (totals.warnings, "warning"),
            (totals.not_verified, "not-verified"),
            (totals.inconclusive, "inconclusive"),
        ] {
            let class = if count == 0 { "none" } else { class };
            let _ = write!(page, "<td class=\"{class}\">{count}</td>");
        }
        let _ = writeln!(page, "<td>{}</td></tr>", span(row.time));
    }
    page.push_str("</tbody>\n</table>\n");
}

fn push_block(page: &mut String, block: &Block<'_>, kind: Kind, result: &RunResult) {
    let first = block.first;
    let _ = writeln!(
        page,
        "<section id=\"{id}\">\n<h3><span class=\"{word}\">{word}</span> <code>{id}</code> {title} <small>{level} · {priority}</small></h3>",
        word = kind.word(),
        id = escape(first.id.as_str()),
        title = prose(first.title),
        level = first.level,
        priority = first.priority,
    );
    if let Some(account) = Account::of(first, Again::of(&result.facts), Depth::AMPLE) {
        page.push_str("<dl>\n");
        for Field { label, lines } in &account.fields {
            let told: Vec<String> = lines.iter().map(|line| prose(line)).collect();
            let _ = writeln!(page, "<dt>{label}</dt><dd>{}</dd>", told.join("<br>"));
        }
        for Field { label, lines } in &account.commands {
            let _ = writeln!(page, "<dt>{label}</dt><dd><code>{}</code></dd>", escape(&lines.join("\n")));
        }
        page.push_str("</dl>\n");
        if !account.evidence.is_empty() {
            let _ = writeln!(
                page,
                "<details>\n<summary>evidence, {}</summary>\n<pre>{}</pre>\n</details>",
                plural(account.evidence.len(), "line", "lines"),
                escape(&account.evidence.join("\n"))
            );
        }
    }
    if !block.also.is_empty() {
        let count = plural(block.also.len(), "check", "checks");
        let _ = writeln!(page, "<p>also in {count}: {}</p>", names(&block.also));
    }
    page.push_str("</section>\n");
}

fn push_reasons(page: &mut String, result: &RunResult) {
    let reasons = reasons(outcomes(result));
    if reasons.is_empty() {
        return;
    }
    page.push_str("<h2>Not verified</h2>\n<ul>\n");
    for (reason, checks) in reasons {
        let count = plural(checks.len(), "check", "checks");
        let _ = writeln!(page, "<li>{} · {count}: {}</li>", prose(&reason), names(&checks));
    }
    page.push_str("</ul>\n");
}

/// Every check in one folded list, so that what conforms can be looked up, too.
fn push_checks(page: &mut String, result: &RunResult) {
    let count = plural(result.outcomes.len(), "check", "checks");
    let _ = writeln!(page, "<h2>Checks</h2>\n<details>\n<summary>{count}</summary>\n<table>");
    for outcome in outcomes(result) {
        let (class, word) = match Kind::of(outcome) {
            Some(kind) => (kind.word(), kind.word()),
            None if outcome.verdict.slug() == "conforms" => ("conforms", "conforms"),
            None => ("not-verified", "not verified"),
        };
        let _ = writeln!(
            page,
            "<tr><td class=\"{class}\">{word}</td><td class=\"wide\"><code>{}</code></td><td class=\"wide\">{}{}</td><td>{}</td></tr>",
            escape(outcome.id.as_str()),
            prose(outcome.title),
            figures(outcome),
            span(outcome.duration)
        );
    }
    page.push_str("</table>\n</details>\n");
}

/// What a check that conforms has measured.
fn figures(outcome: &Outcome) -> String {
    match outcome.verdict.figures() {
        [] => String::new(),
        figures => format!("<pre>{}</pre>", escape(&figures.join("\n"))),
    }
}

fn names(checks: &[CheckId]) -> String {
    checks.iter().map(|id| format!("<code>{}</code>", escape(id.as_str()))).collect::<Vec<_>>().join(", ")
}

/// Escaped for an element or a quoted attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Escaped, with code where backticks mark it in pairs.
fn prose(text: &str) -> String {
    let pieces: Vec<String> = text.split('`').map(escape).collect();
    if pieces.len().is_multiple_of(2) {
        return pieces.join("`");
    }
    pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| if index % 2 == 1 { format!("<code>{piece}</code>") } else { piece.clone() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_becomes_markup() {
        assert_eq!(escape("<b a=\"1\" c='2'>&"), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
        assert_eq!(prose("set `a<b` or `c`"), "set <code>a&lt;b</code> or <code>c</code>");
        assert_eq!(prose("one ` alone"), "one ` alone");
    }
}
