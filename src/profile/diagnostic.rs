//! What is wrong with a profile: said with file, line, column, caret and the next step.

use std::fmt;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode};

use super::tree::Span;

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) message: String,
    /// Where, and what to write below the caret.
    pub(super) at: Option<(Span, String)>,
    /// The place that is the cause, where it is another one.
    pub(super) cause: Option<(Span, String)>,
    pub(super) help: Option<String>,
}

impl Problem {
    /// A problem of the profile as a whole.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), at: None, cause: None, help: None }
    }

    /// Points at `span`, with a few words under the caret.
    #[must_use]
    pub(super) fn at(mut self, span: Span, label: impl Into<String>) -> Self {
        self.at = Some((span, label.into()));
        self
    }

    /// Points at the place that brought it about.
    #[must_use]
    pub(super) fn because(mut self, span: Span, label: impl Into<String>) -> Self {
        self.cause = Some((span, label.into()));
        self
    }

    /// Says how to go on.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A text that problems point into, secrets already hidden.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// What stands before `:line:column`.
    pub(super) label: String,
    pub(super) text: String,
}

impl Source {
    /// Line and column of an octet, both from 1; columns count characters.
    pub(super) fn position(&self, octet: usize) -> (usize, usize) {
        let before = self.text.get(..octet).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// Everything that is wrong with (or doubtful about) a profile, in the order of its lines: the profile
/// itself first, then what it inherits, then `--set`.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    problems: Vec<Problem>,
    sources: Vec<Source>,
    severity: Severity,
}

impl Diagnostics {
    /// Errors.
    pub(super) fn errors(problems: Vec<Problem>, sources: Vec<Source>) -> Self {
        Self::sorted(problems, sources, Severity::Error)
    }

    /// Warnings.
    pub(super) fn warnings(problems: Vec<Problem>, sources: Vec<Source>) -> Self {
        Self::sorted(problems, sources, Severity::Warning)
    }

    fn sorted(mut problems: Vec<Problem>, sources: Vec<Source>, severity: Severity) -> Self {
        problems.sort_by_key(|problem| problem.at.as_ref().map_or((0, 0), |(span, _)| (span.layer, span.start)));
        Self { problems, sources, severity }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.problems.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// `file:line:column` (where it has a place) and message of each.
    pub fn messages(&self) -> impl Iterator<Item = (Option<String>, &str)> {
        self.problems.iter().map(|problem| {
            let place = problem.at.as_ref().and_then(|(span, _)| {
                let source = self.sources.get(span.layer)?;
                let (line, column) = source.position(span.start);
                Some(format!("{}:{line}:{column}", source.label))
            });
            (place, problem.message.as_str())
        })
    }

    /// As a person reads them: message, place, source line with a caret, help.
    pub fn render(&self, colour: bool) -> String {
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(100)
            .with_context_lines(1)
            .with_show_related_as_nested(true)
            .without_syntax_highlighting();
        let mut text = String::new();
        for problem in &self.problems {
            let view = View::of(problem, &self.sources, self.severity);
            // Rendering into a string fails only when a span leaves its text; the message still counts.
            if handler.render_report(&mut text, &view).is_err() {
                text.push_str(&problem.message);
            }
            text.push('\n');
        }
        // The handler pads empty lines.
        text.lines().map(str::trim_end).fold(String::new(), |lines, line| lines + line + "\n")
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// A problem in the form that the renderer asks for.
#[derive(Debug)]
struct View {
    message: String,
    severity: Severity,
    source: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
    help: Option<String>,
    elsewhere: Vec<View>,
}

impl View {
    fn of(problem: &Problem, sources: &[Source], severity: Severity) -> Self {
        let label = |(span, text): &(Span, String)| {
            LabeledSpan::new((!text.is_empty()).then(|| text.clone()), span.start, span.end.saturating_sub(span.start))
        };
        let named =
            |layer: usize| sources.get(layer).map(|source| NamedSource::new(&source.label, source.text.clone()));
        let mut view = Self {
            message: problem.message.clone(),
            severity,
            source: problem.at.as_ref().and_then(|(span, _)| named(span.layer)),
            labels: problem.at.iter().map(label).collect(),
            help: problem.help.clone(),
            elsewhere: Vec::new(),
        };
        if let Some(cause) = &problem.cause {
            if problem.at.as_ref().is_some_and(|(span, _)| span.layer == cause.0.layer) {
                view.labels.push(label(cause));
            } else {
                view.elsewhere.push(Self {
                    message: cause.1.clone(),
                    severity: Severity::Advice,
                    source: named(cause.0.layer),
                    labels: vec![label(&(cause.0, String::new()))],
                    help: None,
                    elsewhere: Vec::new(),
                });
            }
        }
        view
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for View {}

impl miette::Diagnostic for View {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty()).then(|| Box::new(self.labels.iter().cloned()) as _)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        (!self.elsewhere.is_empty())
            .then(|| Box::new(self.elsewhere.iter().map(|view| view as &dyn miette::Diagnostic)) as _)
    }
}
