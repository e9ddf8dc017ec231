//! The modules that a Python file imports, by a real parser: a comment or a text that names a
//! package is no import, an import inside a function or a condition is one.

use tree_sitter::{Node, Parser};

/// Functions that import a module by its name.
const IMPORTERS: &[&str] = &["import_module", "__import__", "find_spec", "run_module"];

/// An import of a module that may lie outside the file's own source tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// Dotted name of the module, or of a name in it (`from app import core` may mean `app.core`).
    pub(super) module: String,
    /// Line of the statement or call, from 1.
    pub(super) line: usize,
}

/// Where a file is in its source tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Directories between the root of the tree and the file.
    pub(super) depth: usize,
    /// The root is itself a package, so that what lies in it is no top-level module.
    pub(super) root_is_package: bool,
}

impl Place {
    /// Whether a relative import with so many dots leaves the tree's own packages.
    const fn is_left_by(self, dots: usize) -> bool {
        let climbs = dots.saturating_sub(1);
        climbs > self.depth || (climbs == self.depth && !self.root_is_package)
    }
}

/// Whether `module` is `package` or lies in it.
pub(super) fn is_of(module: &str, package: &str) -> bool {
    module.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Every import in `text`, in order; relative ones only where they leave the tree. `None` when the
/// parser gives up.
pub(super) fn imports(text: &str, place: Place) -> Option<Vec<Import>> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_python::LANGUAGE.into()).ok()?;
    let tree = parser.parse(text, None)?;
    let mut reader = Reader { text, place, importers: IMPORTERS.to_vec(), found: Vec::new() };
    reader.read(tree.root_node());
    Some(reader.found)
}

struct Reader<'t> {
    text: &'t str,
    place: Place,
    importers: Vec<&'t str>,
    found: Vec<Import>,
}

impl<'t> Reader<'t> {
    fn read(&mut self, root: Node<'_>) {
        // A stack of its own: deeply nested code must not exhaust the thread's.
        let mut open = vec![root];
        while let Some(node) = open.pop() {
            match node.kind() {
                "import_statement" => self.plain(node),
                "import_from_statement" => self.from(node),
                "call" => self.call(node),
                _ => {}
            }
            let mut cursor = node.walk();
            let children: Vec<_> = node.children(&mut cursor).collect();
            open.extend(children.into_iter().rev());
        }
    }

    fn text_of(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    fn push(&mut self, module: String, at: Node<'_>) {
        // `a . b` is legal Python.
        let module = module.split_whitespace().collect();
        self.found.push(Import { module, line: at.start_position().row + 1 });
    }

    /// The imported names of a statement, without their aliases.
    fn names(&mut self, statement: Node<'_>) -> Vec<&'t str> {
        let mut cursor = statement.walk();
        let nodes: Vec<_> = statement.children_by_field_name("name", &mut cursor).collect();
        let mut names = Vec::new();
        for node in nodes {
            let name = self.text_of(node.child_by_field_name("name").unwrap_or(node));
            if let Some(alias) = node.child_by_field_name("alias")
                && IMPORTERS.contains(&name)
            {
                self.importers.push(self.text_of(alias));
            }
            names.push(name);
        }
        names
    }

    /// `import a.b, c as d`
    fn plain(&mut self, statement: Node<'_>) {
        for name in self.names(statement) {
            self.push(name.to_owned(), statement);
        }
    }

    /// `from a.b import c`, `from ..a import c`, `from . import c`
    fn from(&mut self, statement: Node<'_>) {
        let names = self.names(statement);
        let Some(module) = statement.child_by_field_name("module_name") else { return };
        let module = self.text_of(module);
        let name = module.trim_start_matches(|c: char| c == '.' || c.is_whitespace());
        let dots = module[..module.len() - name.len()].matches('.').count();
        if dots > 0 && !self.place.is_left_by(dots) {
            return;
        }
        if !name.is_empty() {
            self.push(name.to_owned(), statement);
        }
        for imported in names {
            let inside = if name.is_empty() { imported.to_owned() } else { format!("{name}.{imported}") };
            self.push(inside, statement);
        }
    }

    /// `importlib.import_module("a.b")`, `__import__("a")`, `load(".b", package="a")`
    fn call(&mut self, call: Node<'_>) {
        let Some(function) = call.child_by_field_name("function") else { return };
        let function = self.text_of(function);
        let function = function.rsplit('.').next().unwrap_or_default().trim();
        if !self.importers.contains(&function) {
            return;
        }
        let Some(arguments) = call.child_by_field_name("arguments") else { return };
        let Some(module) = self.literal(arguments, 0, &["name", "mod_name"]) else { return };
        if !module.starts_with('.') {
            self.push(module, call);
        } else if let Some(package) = self.literal(arguments, 1, &["package"]) {
            self.push(format!("{package}.{}", module.trim_start_matches('.')), call);
        }
    }

    /// An argument that is a text known before the program runs.
    fn literal(&self, arguments: Node<'_>, position: usize, keywords: &[&str]) -> Option<String> {
        let mut cursor = arguments.walk();
        let all: Vec<_> = arguments.named_children(&mut cursor).filter(|node| node.kind() != "comment").collect();
        let named = all.iter().find_map(|node| {
            let name = node.child_by_field_name("name")?;
            let is_it = node.kind() == "keyword_argument" && keywords.contains(&self.text_of(name));
            is_it.then(|| node.child_by_field_name("value")).flatten()
        });
        let positional = all.get(position).copied().filter(|node| node.kind() != "keyword_argument");
        self.string(named.or(positional)?)
    }

    fn string(&self, node: Node<'_>) -> Option<String> {
        let mut cursor = node.walk();
        match node.kind() {
            "concatenated_string" => node.named_children(&mut cursor).map(|part| self.string(part)).collect(),
            "string" => {
                let mut text = String::new();
                for part in node.named_children(&mut cursor) {
                    match part.kind() {
                        "string_content" => text.push_str(self.text_of(part)),
                        // What it holds is known at run time only.
                        "interpolation" => return None,
                        _ => {}
                    }
                }
                Some(text)
            }
            "parenthesized_expression" => self.string(node.named_child(0)?),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { depth: 2, root_is_package: false };

    fn modules(text: &str) -> Vec<String> {
        imports(text, PLACE).unwrap().into_iter().map(|import| import.module).collect()
    }

    #[test]
    fn every_form_of_import_is_seen() {
        assert_eq!(modules("import a.b as c, d\n"), ["a.b", "d"]);
        assert_eq!(modules("from a.b import (c as d, e,)\n"), ["a.b", "a.b.c", "a.b.e"]);
        assert_eq!(modules("from a import *\n"), ["a"]);
        assert_eq!(
            modules("def f():\n    try:\n        import a\n    except ImportError:\n        import b\n"),
            ["a", "b"]
        );
        assert_eq!(modules("if TYPE_CHECKING:\n    from a import T\n"), ["a", "a.T"]);
        assert_eq!(modules("x = 1; import a\n"), ["a"]);
    }

    #[test]
    fn imports_by_name_are_seen_where_the_name_is_known() {
        assert_eq!(modules("import importlib\nm = importlib.import_module('a.b')\n"), ["importlib", "a.b"]);
        assert_eq!(modules("__import__(name=\"a\" '.b')\n"), ["a.b"]);
        assert_eq!(
            modules("from importlib import import_module as load\nload(('a'))\nload('.b', package='a')\n"),
            ["importlib", "importlib.import_module", "a", "a.b"]
        );
        assert!(modules("import_module(f'{name}.b')\nimport_module(name)\nload('a')\n").is_empty());
    }

    #[test]
    fn relative_imports_count_where_they_leave_the_tree() {
        assert!(modules("from . import a\nfrom ..a import b\n").is_empty());
        assert_eq!(modules("from ...a import b\n"), ["a", "a.b"]);
        assert_eq!(modules("from .... import a\n"), ["a"]);
        let inside = Place { depth: 0, root_is_package: true };
        assert_eq!(imports("from .a import b\n", inside), Some(Vec::new()));
    }

    #[test]
    fn texts_and_comments_are_no_imports() {
        assert!(modules("# import a\nx = 'import a'\n\"\"\"\nfrom a import b\n\"\"\"\n").is_empty());
    }

    #[test]
    fn a_broken_file_is_read_as_far_as_it_goes() {
        let found = imports("def broken(:\n    pass\n\nimport a\n", PLACE).unwrap();
        assert_eq!(found, [Import { module: "a".into(), line: 4 }]);
    }

    #[test]
    fn a_longer_name_is_another_package() {
        assert!(is_of("netra_backend", "netra_backend") && is_of("netra_backend.app", "netra_backend"));
        assert!(!is_of("netra_backend_client", "netra_backend") && !is_of("netra", "netra_backend"));
    }
}
