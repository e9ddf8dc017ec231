//! What a Python project asks to be installed: `requirements.txt` and `pyproject.toml`.

use toml_edit::{Document, Item, Value};

/// Keys of `pyproject.toml` below which requirements stand, in the standard and in the tools' own tables.
const SECTIONS: &[&str] =
    &["dependencies", "dev-dependencies", "optional-dependencies", "dependency-groups", "requires", "sources"];

/// A requirement as it is written, and its line from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    pub(super) text: String,
    pub(super) line: usize,
}

impl Requirement {
    /// Whether it asks for `package`: by name, path or repository.
    pub(super) fn asks_for(&self, package: &str) -> bool {
        // What follows is a condition (PEP 508).
        let text = self.text.split("; ").next().unwrap_or_default();
        text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.')))
            .map(|word| word.strip_suffix(".git").unwrap_or(word))
            .any(|word| normalised(word) == normalised(package))
    }
}

/// A distribution's name for comparison (PEP 503).
fn normalised(name: &str) -> String {
    let words = name.split(['-', '_', '.']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

/// The lines of a `requirements.txt` that ask for something.
pub(super) fn of_requirements(text: &str) -> Vec<Requirement> {
    let lines = text.lines().enumerate().map(|(index, line)| {
        // A `#` inside a word is part of a URL.
        let end = line.find(" #").or_else(|| line.starts_with('#').then_some(0)).unwrap_or(line.len());
        Requirement { text: line[..end].trim().trim_end_matches('\\').to_owned(), line: index + 1 }
    });
    lines.filter(|requirement| !requirement.text.is_empty()).collect()
}

/// The requirements of a `pyproject.toml`; `None` when it is no TOML.
pub(super) fn of_pyproject(text: &str) -> Option<Vec<Requirement>> {
    let document = Document::parse(text).ok()?;
    let mut reader = Reader { text, found: Vec::new() };
    reader.item(document.as_item(), false);
    Some(reader.found)
}

struct Reader<'t> {
    text: &'t str,
    found: Vec<Requirement>,
}

impl Reader<'_> {
    fn push(&mut self, text: &str, place: Option<std::ops::Range<usize>>) {
        let before = place.and_then(|place| self.text.get(..place.start)).unwrap_or_default();
        self.found.push(Requirement { text: text.to_owned(), line: before.matches('\n').count() + 1 });
    }

    fn item(&mut self, item: &Item, inside: bool) {
        if let Some(table) = item.as_table_like() {
            for (name, child) in table.iter() {
                if inside {
                    self.push(name, table.key(name).and_then(toml_edit::Key::span));
                }
                self.item(child, inside || SECTIONS.contains(&name));
            }
        } else if let Some(tables) = item.as_array_of_tables() {
            for table in tables {
                self.item(&Item::Table(table.clone()), inside);
            }
        } else if let Some(value) = item.as_value() {
            self.value(value, inside);
        }
    }

    fn value(&mut self, value: &Value, inside: bool) {
        match value {
            Value::String(text) if inside => self.push(text.value(), text.span()),
            Value::Array(values) => values.iter().for_each(|value| self.value(value, inside)),
            Value::InlineTable(_) => self.item(&Item::Value(value.clone()), inside),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(text: &str) -> bool {
        Requirement { text: text.into(), line: 1 }.asks_for("netra_backend")
    }

    #[test]
    fn a_requirement_names_a_package_a_path_or_a_repository() {
        for text in [
            "netra_backend",
            "Netra-Backend[all]>=1.0; python_version > \"3\"",
            "-e ../netra_backend",
            "x @ git+https://git.example/org/netra-backend.git@main#egg=x",
            "-r ../netra_backend/requirements.txt",
        ] {
            assert!(asks(text), "{text}");
        }
        for text in ["netra-backend-client", "fastapi==0.115.0", "httpx; extra == \"netra_backend\""] {
            assert!(!asks(text), "{text}");
        }
    }

    #[test]
    fn comments_are_no_requirements() {
        let found = of_requirements("# netra-backend\nfastapi # not netra-backend\n\nhttpx>=0.27 \\\n");
        let texts: Vec<_> = found.iter().map(|found| (found.text.as_str(), found.line)).collect();
        assert_eq!(texts, [("fastapi", 2), ("httpx>=0.27 ", 4)]);
    }

    #[test]
    fn every_table_of_a_pyproject_is_read() {
        let text = r#"
[project]
name = "auth"
dependencies = ["fastapi", "netra-backend>=1"]
[tool.poetry.group.dev.dependencies]
netra_backend = { path = "../main" }
[dependency-groups]
test = ["pytest", { include-group = "lint" }]
"#;
        let found = of_pyproject(text).unwrap();
        let asking: Vec<_> = found.iter().filter(|it| it.asks_for("netra_backend")).map(|it| it.line).collect();
        assert_eq!(asking, [4, 6]);
        assert!(found.iter().all(|it| it.text != "auth"));
        assert_eq!(of_pyproject("no toml"), None);
    }
}
