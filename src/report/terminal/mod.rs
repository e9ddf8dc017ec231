//! What a person sees while a run goes on and when it ends.

mod summary;

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::group::Kind;
use super::text::{self, REFERENCE, plural, visible};
use crate::model::{CheckId, Event, ExitCode, NotReady, Outcome, RunFacts, RunResult, Scenario, Sink, Totals, Verdict};

pub use summary::{Ending, block, summary};

/// Width where none can be asked for: a log is read on a wide screen.
const WIDTH_OF_A_LOG: usize = 100;

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// The headline and the deviations.
    Quiet,
    /// Also what was not verified or not judged, and the table.
    #[default]
    Normal,
    /// Also each scenario as it begins and each check as it ends, with what was measured.
    Verbose,
}

/// How it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// With colours.
    pub color: bool,
    /// Columns.
    pub width: usize,
    /// How much is told.
    pub verbosity: Verbosity,
}

impl Look {
    /// What standard output can show; `color` is the user's wish, `Auto` heeds `NO_COLOR` and pipes.
    pub fn of_stdout(color: ColorChoice, verbosity: Verbosity) -> Self {
        let stdout = std::io::stdout();
        let color = match color {
            ColorChoice::Auto => AutoStream::choice(&stdout) != ColorChoice::Never,
            ColorChoice::Always | ColorChoice::AlwaysAnsi => true,
            ColorChoice::Never => false,
        };
        let width = terminal_size::terminal_size().map_or(WIDTH_OF_A_LOG, |(width, _)| usize::from(width.0));
        Self { color, width, verbosity }
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn bold(&self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    fn dim(&self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    /// A verdict's word in its colour.
    fn verdict(&self, kind: Kind, text: &str) -> String {
        let color = match kind {
            Kind::Deviation => AnsiColor::Red,
            Kind::Warning => AnsiColor::Yellow,
            Kind::Inconclusive => AnsiColor::Magenta,
        };
        self.paint(color.on_default().bold(), text)
    }
}

/// The sink for people. It ends with the headline; [`closing`] follows once the reports are written,
/// because they may still change the exit code.
pub struct Terminal {
    out: Box<dyn Write + Send>,
    look: Look,
    bar: ProgressBar,
    facts: Option<Arc<RunFacts>>,
    running: Vec<CheckId>,
    totals: Totals,
    waited: Option<String>,
}

impl Terminal {
    /// Writes to standard output; with `progress`, a bar on standard error, where that is a terminal
    /// that is read by a person (no `NO_COLOR`, no CI).
    pub fn stdout(look: Look, progress: bool) -> Self {
        let told_off = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let person = std::io::stderr().is_terminal() && std::io::stdout().is_terminal();
        let bar = progress && person && !told_off("NO_COLOR") && !told_off("CI") && look.verbosity > Verbosity::Quiet;
        let target = if bar { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self::to(Box::new(std::io::stdout()), look, target)
    }

    /// Writes to `out`, and draws the bar on `target`; with a hidden one, lines stand for it.
    pub fn to(out: Box<dyn Write + Send>, look: Look, target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(None, target);
        Self { out, look, bar, facts: None, running: Vec::new(), totals: Totals::default(), waited: None }
    }

    /// The progress bar, hidden or not: whoever writes to the terminal meanwhile does so in its `suspend`.
    pub fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// Prints `text` above the bar.
    fn print(&mut self, text: &str) {
        let out = &mut self.out;
        // A closed pipe ends the reading, not the run: the reports are still to be written.
        self.bar.suspend(|| {
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        });
    }

    fn started(&mut self, facts: &Arc<RunFacts>) {
        self.facts = Some(Arc::clone(facts));
        if facts.reference {
            self.print(&format!("{}\n", self.look.bold(REFERENCE)));
        }
        if self.look.verbosity > Verbosity::Quiet {
            let line = format!(
                "{} with profile {}, contract {}, seed {}",
                plural(facts.planned.len(), "check", "checks"),
                facts.profile,
                facts.contract,
                facts.seed
            );
            self.print(&format!("{}\n", self.look.dim(&line)));
        }
        self.bar.set_length(facts.planned.len() as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {elapsed} {wide_msg}") {
            self.bar.set_style(style.progress_chars("━╸─"));
        }
        if !self.bar.is_hidden() {
            self.bar.enable_steady_tick(Duration::from_millis(500));
        }
    }

    /// Each obstacle once: what changes is told, not that it lasts.
    fn waiting(&mut self, why: &NotReady) {
        let line = format!("waiting for {} of {}: {}", why.step, why.subject, visible(&text::clip(&why.seen, 160)));
        self.bar.set_message(line.clone());
        if self.look.verbosity > Verbosity::Quiet && self.waited.replace(line.clone()).as_ref() != Some(&line) {
            self.print(&format!("{}\n", self.look.dim(&line)));
        }
    }

    fn ready(&mut self, facts: &Arc<RunFacts>) {
        self.facts = Some(Arc::clone(facts));
        self.bar.set_message("");
        if let Some(revision) = facts.revision.as_deref().filter(|_| self.look.verbosity > Verbosity::Quiet) {
            self.print(&format!("{}\n", self.look.dim(&format!("revision {}", visible(revision)))));
        }
    }

    fn scenario(&mut self, scenario: Scenario) {
        if self.look.verbosity < Verbosity::Verbose {
            return;
        }
        let planned = self.facts.iter().flat_map(|facts| &facts.planned).filter(|id| id.scenario() == scenario).count();
        let line = format!("{:>2} {} ({})", scenario.number(), scenario.title(), plural(planned, "check", "checks"));
        self.print(&format!("{}\n", self.look.dim(&line)));
    }

    fn finished(&mut self, outcome: &Outcome) {
        self.running.retain(|id| *id != outcome.id);
        let one = Totals::of([outcome], 0);
        self.totals.deviates += one.deviates;
        self.totals.inconclusive += one.inconclusive;
        self.bar.inc(1);
        self.tell_running();
        let told = if self.bar.is_hidden() { Verbosity::Normal } else { Verbosity::Verbose };
        if self.look.verbosity >= told
            && let Some(line) = self.line(outcome)
        {
            self.print(&line);
        }
    }

    /// The line of a check: of one that conforms, with what it has measured, only for who wants each told.
    fn line(&self, outcome: &Outcome) -> Option<String> {
        let (word, why) = match &outcome.verdict {
            Verdict::Conforms(_) if self.look.verbosity < Verbosity::Verbose => return None,
            Verdict::Conforms(conforms) => {
                let figures = conforms.figures().iter().map(|figure| format!("\n{:14}{}", "", visible(figure)));
                let figures: String = figures.collect();
                return Some(format!("conforms      {}  {}{figures}\n", outcome.id, text::span(outcome.duration)));
            }
            // One cause is often that of many: the blocks at the end tell each once.
            Verdict::Inconclusive(_) | Verdict::NotVerified(_) if self.look.verbosity < Verbosity::Verbose => {
                return None;
            }
            Verdict::Deviates(deviation) => (None, format!("{}: {}", deviation.finding, deviation.seen)),
            Verdict::Inconclusive(inconclusive) => (None, inconclusive.what.clone()),
            Verdict::NotVerified(reason) => (Some(self.look.dim("not verified")), reason.to_string()),
        };
        let word =
            word.or_else(|| Kind::of(outcome).map(|kind| self.look.verdict(kind, &format!("{:<12}", kind.word()))))?;
        Some(format!("{word}  {}  {}\n", outcome.id, visible(&text::clip(&why, 160))))
    }

    fn tell_running(&self) {
        let mut message = String::new();
        if self.totals.deviates > 0 {
            message.push_str(&format!("{} · ", plural(self.totals.deviates, "deviates", "deviate")));
        }
        if self.totals.inconclusive > 0 {
            message.push_str(&format!("{} inconclusive · ", self.totals.inconclusive));
        }
        message.push_str(&self.running.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", "));
        self.bar.set_message(message);
    }

    fn ended(&mut self, result: &RunResult) {
        self.bar.finish_and_clear();
        let summary = summary(&Ending::of(result), &self.look);
        self.print(&summary);
    }
}

impl Sink for Terminal {
    fn on(&mut self, event: &Event) {
        match event {
            Event::RunStarted(facts) => self.started(facts),
            Event::Waiting(why) => self.waiting(why),
            Event::Ready(facts) => self.ready(facts),
            Event::ScenarioStarted(scenario) => self.scenario(*scenario),
            Event::CheckStarted(id) => {
                self.running.push(*id);
                self.tell_running();
            }
            Event::CheckFinished(outcome) => self.finished(outcome),
            Event::RunFinished(result) => self.ended(result),
        }
    }
}

/// The last lines of a run, once nothing can change the exit code any more.
pub fn closing(facts: &RunFacts, code: ExitCode, look: &Look) -> String {
    let mut lines = String::new();
    if look.verbosity > Verbosity::Quiet {
        lines.push_str(&text::exit(code));
        lines.push('\n');
    }
    if facts.reference {
        lines.push_str(&look.bold(REFERENCE));
        lines.push('\n');
    }
    lines
}
