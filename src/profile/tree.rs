//! A profile as a tree whose every value knows where it was written.

use std::fmt;

use serde_json::Number;

/// Octets `start..end` of a layer's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Index of the layer.
    pub(super) layer: usize,
    /// First octet.
    pub(super) start: usize,
    /// One past the last octet.
    pub(super) end: usize,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) value: Value,
}

/// A YAML value of the core schema.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    /// `plain`: written without quotes, so that its type may be decided again after interpolation.
    String {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) node: Node,
}

impl Value {
    /// Types a scalar that was written without quotes, by YAML's core schema.
    pub(super) fn plain(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            "true" | "True" | "TRUE" => return Self::Bool(true),
            "false" | "False" | "FALSE" => return Self::Bool(false),
            _ => {}
        }
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let number = if let Some(octal) = text.strip_prefix("0o") {
            u64::from_str_radix(octal, 8).ok().map(Number::from)
        } else if let Some(hexadecimal) = text.strip_prefix("0x") {
            u64::from_str_radix(hexadecimal, 16).ok().map(Number::from)
        } else if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            text.parse::<i64>().ok().map(Number::from)
        } else if digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
            && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
        {
            text.parse::<f64>().ok().and_then(whole_or_float)
        } else {
            None
        };
        number.map_or_else(|| Self::String { text: text.to_owned(), plain: true }, Self::Number)
    }
}

/// `30.0` fits where an integer is wanted.
fn whole_or_float(float: f64) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if float.fract() == 0.0 && float.abs() < EXACT {
        format!("{float:.0}").parse::<i64>().ok().map(Number::from)
    } else {
        Number::from_f64(float)
    }
}

impl Node {
    /// The members of a mapping; none for anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The member `key` of a mapping.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The child `step` of a mapping or list.
    fn child(&self, step: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(_) => self.entry(step).map(|entry| &entry.node),
            Value::List(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// The node at `path`, if there.
    pub(super) fn at(&self, path: &Path) -> Option<&Self> {
        path.steps().iter().try_fold(self, |node, step| node.child(step))
    }

    /// The entry at `path`, where its parent is a mapping.
    pub(super) fn entry_at(&self, path: &Path) -> Option<&Entry> {
        self.at(&path.parent()?)?.entry(path.last()?)
    }

    /// Lays `upper` over `self`: mappings member by member, anything else as a whole. `whole` says
    /// which mappings are one value.
    pub(super) fn overlay(&mut self, upper: &Self, path: &Path, whole: &dyn Fn(&Path) -> bool) {
        if let (Value::Map(lower), Value::Map(members)) = (&mut self.value, &upper.value)
            && !whole(path)
        {
            self.span = upper.span;
            for member in members {
                if let Some(entry) = lower.iter_mut().find(|entry| entry.key == member.key) {
                    entry.node.overlay(&member.node, &path.join(&member.key), whole);
                    entry.key_span = member.key_span;
                } else {
                    lower.push(member.clone());
                }
            }
        } else {
            *self = upper.clone();
        }
    }

    /// Visits every scalar, with its path.
    pub(super) fn each_scalar(&mut self, path: &Path, visit: &mut dyn FnMut(&Path, &mut Self)) {
        match &mut self.value {
            Value::Map(entries) => {
                for entry in entries {
                    entry.node.each_scalar(&path.join(&entry.key), visit);
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    item.each_scalar(&path.join(&index.to_string()), visit);
                }
            }
            _ => visit(path, self),
        }
    }

    /// As JSON. A member that is `null` is a member that is not given.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(number) => number.clone().into(),
            Value::String { text, .. } => text.clone().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => entries
                .iter()
                .filter(|entry| !matches!(entry.node.value, Value::Null))
                .map(|entry| (entry.key.clone(), entry.node.to_json()))
                .collect(),
        }
    }

    /// Takes away what stands at `path`; the whole list, where it is in a list.
    pub(super) fn remove(&mut self, path: &Path) {
        let (Some((first, rest)), Value::Map(entries)) = (path.steps().split_first(), &mut self.value) else {
            return;
        };
        // A list without one of its items would be another list.
        entries.retain(|entry| entry.key != *first || (!rest.is_empty() && matches!(entry.node.value, Value::Map(_))));
        if let Some(entry) = entries.iter_mut().find(|entry| entry.key == *first) {
            entry.node.remove(&Path(rest.to_vec()));
        }
    }
}

/// The way from the root to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(Vec<String>);

impl Path {
    /// From `credentials.signing_key`.
    pub(super) fn dotted(keys: &str) -> Self {
        Self(keys.split('.').map(str::to_owned).collect())
    }

    /// From keys and list positions.
    pub(super) fn new(steps: impl IntoIterator<Item = String>) -> Self {
        Self(steps.into_iter().collect())
    }

    /// One step further.
    #[must_use]
    pub(super) fn join(&self, step: &str) -> Self {
        Self(self.0.iter().cloned().chain([step.to_owned()]).collect())
    }

    /// One step back; `None` at the root.
    pub(super) fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, rest)| Self(rest.to_vec()))
    }

    pub(super) fn last(&self) -> Option<&str> {
        self.0.last().map(String::as_str)
    }

    pub(super) fn steps(&self) -> &[String] {
        &self.0
    }

    pub(super) fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Itself and its parents up to the root.
    pub(super) fn ancestors(&self) -> impl Iterator<Item = Self> {
        (0..=self.0.len()).rev().map(|length| Self(self.0[..length].to_vec()))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            if step.bytes().all(|byte| byte.is_ascii_digit()) {
                write!(f, "[{step}]")?;
            } else {
                let dot = if index == 0 { "" } else { "." };
                if step.contains('.') { write!(f, "{dot}\"{step}\"")? } else { write!(f, "{dot}{step}")? }
            }
        }
        Ok(())
    }
}
