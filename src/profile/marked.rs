//! YAML text → tree with places.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput, Tag};

use super::diagnostic::Problem;
use super::tree::{Entry, Node, Span, Value};

/// Deeper than any profile; keeps the recursion away from the end of the stack.
const MAX_DEPTH: usize = 32;
/// More values than any profile has; an alias may not multiply beyond it.
const MAX_NODES: usize = 20_000;

/// Parses `text[start..]` of layer `layer`. What is wrong but not fatal is added to `problems`.
pub(super) fn parse(text: &str, start: usize, layer: usize, problems: &mut Vec<Problem>) -> Option<Node> {
    let part = &text[start..];
    let octets: Vec<usize> = part.char_indices().map(|(octet, _)| start + octet).chain([text.len()]).collect();
    let mut reader =
        Reader { parser: Parser::new_from_str(part), octets, text, layer, anchors: HashMap::new(), nodes: 0, problems };
    match reader.document() {
        Ok(node) => Some(node),
        Err(problem) => {
            problems.push(*problem);
            None
        }
    }
}

/// Boxed: it is the rare case.
type Fatal = Box<Problem>;

struct Reader<'t, 'p> {
    parser: Parser<'t, StrInput<'t>>,
    /// Character position → octet.
    octets: Vec<usize>,
    text: &'t str,
    layer: usize,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    problems: &'p mut Vec<Problem>,
}

impl<'t> Reader<'t, '_> {
    fn document(&mut self) -> Result<Node, Fatal> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(Box::new(
                        Problem::new("a profile is one YAML document")
                            .at(span, "a second one begins here")
                            .help("put it into a file of its own; `inherits` layers files"),
                    ));
                }
                Event::DocumentStart(_) => {}
                event => root = Some(self.node(event, span, 0)?),
            }
        }
        let whole = Span { layer: self.layer, start: self.text.len(), end: self.text.len() };
        Ok(root.unwrap_or(Node { span: whole, value: Value::Null }))
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Fatal> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.span(span.start.index(), span.end.index()))),
            Some(Err(error)) => {
                let at = error.marker().index();
                let message = format!("not YAML: {}", error.info());
                let span = self.span(at, at + 1);
                let line_start = self.text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
                let line = self.text[line_start..].lines().next().unwrap_or_default();
                let help = if line.contains(": ${") && line.contains(": {") {
                    "between `{` and `}` a variable needs quotes: `{key: \"${VARIABLE}\"}`"
                } else {
                    "indent with spaces; quote a value that holds `: `, ` #` or begins with one of `*&!|>%@`"
                };
                Err(Box::new(Problem::new(message).at(span, "here").help(help)))
            }
            None => Ok((Event::StreamEnd, self.span(usize::MAX, usize::MAX))),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Fatal> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return Err(Box::new(
                Problem::new("this is too large or too deeply nested for a profile").at(span, "stopped here"),
            ));
        }
        let (node, anchor) = match event {
            Event::Alias(id) => {
                let node = self.anchors.get(&id).cloned();
                let node = node.ok_or_else(|| {
                    Box::new(Problem::new("this alias stands inside its own anchor").at(span, "never ends"))
                })?;
                self.nodes += count(&node);
                (node, 0)
            }
            Event::Scalar(text, style, anchor, tag) => (self.scalar(&text, style, tag.as_deref(), span), anchor),
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), "seq", span);
                (self.list(span, depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), "map", span);
                (self.map(span, depth)?, anchor)
            }
            _ => (Node { span, value: Value::Null }, 0),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Node {
        let plain = style == ScalarStyle::Plain && tag.is_none_or(|tag| tag.suffix != "str");
        if tag.is_some_and(|tag| !tag.is_yaml_core_schema()) {
            self.refuse_tag(tag, "str", span);
        }
        let value = if plain { Value::plain(text) } else { Value::String { text: text.to_owned(), plain: false } };
        Node { span, value }
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<Node, Fatal> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd | Event::StreamEnd) {
                let end = items.last().map_or(span.end, |last: &Node| last.span.end.max(span.end));
                return Ok(Node { span: self.trimmed(start.start, end), value: Value::List(items) });
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn map(&mut self, start: Span, depth: usize) -> Result<Node, Fatal> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, key_span) = self.next()?;
            let key = match event {
                Event::MappingEnd | Event::StreamEnd => {
                    let end = entries.last().map_or(key_span.end, |last| last.node.span.end.max(key_span.end));
                    return Ok(Node { span: self.trimmed(start.start, end), value: Value::Map(entries) });
                }
                Event::Scalar(text, ..) => text.into_owned(),
                _ => {
                    return Err(Box::new(
                        Problem::new("a key must be a word")
                            .at(key_span, "not a word")
                            .help("a value that begins with `{` or `[` must be quoted, `\"{…}\"`"),
                    ));
                }
            };
            let (event, span) = self.next()?;
            let mut node = self.node(event, span, depth + 1)?;
            if matches!(node.value, Value::Null) && node.span.start == node.span.end {
                // An empty value has no octets of its own; its key stands for it.
                node.span = key_span;
            }
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let problem = Problem::new(format!("`{key}` is given twice"));
                self.problems.push(
                    problem.at(key_span, "here again").because(first.key_span, "first here").help("keep one of them"),
                );
            } else {
                entries.push(Entry { key, key_span, node });
            }
        }
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, core: &str, span: Span) {
        if let Some(tag) = tag.filter(|tag| !(tag.is_yaml_core_schema() && tag.suffix == core)) {
            let problem = Problem::new(format!("the tag `{tag}` means nothing in a profile"));
            self.problems.push(problem.at(span, "tagged").help("write the value without it"));
        }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let octet = |character: usize| self.octets.get(character).copied().unwrap_or(self.text.len());
        let start = octet(start);
        Span { layer: self.layer, start, end: octet(end).max(start) }
    }

    /// Without the white space that the parser counts to a block.
    fn trimmed(&self, start: usize, end: usize) -> Span {
        let end = start + self.text.get(start..end).map_or(0, |text| text.trim_end().len());
        Span { layer: self.layer, start, end }
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(count).sum(),
        Value::Map(entries) => entries.iter().map(|entry| count(&entry.node)).sum::<usize>(),
        _ => 0,
    }
}
