//! The files of a Python source tree.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders that hold what was installed or generated, not what was written.
const FOREIGN: &[&str] = &["site-packages", "node_modules", "__pycache__", "venv"];

/// A file, its path relative to the root of the tree.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl File {
    /// Directories between the root and the file.
    pub(super) fn depth(&self) -> usize {
        self.path.components().count().saturating_sub(1)
    }

    pub(super) fn is_python(&self) -> bool {
        matches!(self.path.extension().and_then(|extension| extension.to_str()), Some("py" | "pyi"))
    }

    pub(super) fn is_pyproject(&self) -> bool {
        self.path.file_name().is_some_and(|name| name == "pyproject.toml")
    }

    /// `requirements.txt`, `requirements-dev.in`, `requirements/base.txt`.
    pub(super) fn is_requirements(&self) -> bool {
        let named = |path: Option<&Path>| {
            path.and_then(Path::file_name).is_some_and(|name| name.to_string_lossy().starts_with("requirements"))
        };
        let extension = self.path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("txt" | "in")) && (named(Some(&self.path)) || named(self.path.parent()))
    }
}

/// Every file below `root` that may import or require something, by path. Links are not followed:
/// they may lead out of the tree, or round in it.
pub(super) fn files(root: &Path) -> io::Result<Vec<File>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (kind, name) = (entry.file_type()?, entry.file_name());
            let name = name.to_string_lossy();
            if kind.is_dir() && !name.starts_with('.') && !FOREIGN.contains(&&*name) {
                folders.push(entry.path());
            }
            if !kind.is_file() {
                continue;
            }
            let path = entry.path().strip_prefix(root).map(Path::to_owned).unwrap_or_else(|_| entry.path());
            let mut file = File { path, text: String::new() };
            if file.is_python() || file.is_pyproject() || file.is_requirements() {
                file.text = String::from_utf8_lossy(&fs::read(entry.path())?).into_owned();
                found.push(file);
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}
