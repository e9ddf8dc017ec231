//! A check's page: the one place where its title, requirement, source and defects are written.

use crate::model::Finding;

/// A page of `scenarios/<scenario>/<fact>.md`, parsed on demand.
///
/// Shape: `# Title`, a one-line quote with the requirement, `Source: …`, `Defects:` with one
/// `- `​`defect`​`: finding` line each, then prose.
#[derive(Clone, Copy, Debug)]
pub struct Page(&'static str);

/// A defect that must make the check fail, and the finding that must say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Catch {
    /// Name of the defect.
    pub defect: &'static str,
    /// The finding; `None` when the page names one that does not exist.
    pub finding: Option<Finding>,
}

impl Page {
    /// Wraps the text of a page.
    pub const fn new(text: &'static str) -> Self {
        Self(text)
    }

    /// The whole page, Markdown.
    pub const fn text(self) -> &'static str {
        self.0
    }

    /// Its heading.
    pub fn title(self) -> &'static str {
        self.0.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default()
    }

    /// The requirement sentence.
    pub fn requirement(self) -> &'static str {
        self.0.lines().find_map(|line| line.strip_prefix("> ")).unwrap_or_default()
    }

    /// Where the requirement comes from.
    pub fn source(self) -> &'static str {
        self.0.lines().find_map(|line| line.strip_prefix("Source: ")).unwrap_or_default()
    }

    /// The defects that must make the check fail.
    pub fn catches(self) -> impl Iterator<Item = Catch> {
        self.0.lines().skip_while(|line| *line != "Defects:").skip(1).map_while(|line| {
            let (defect, finding) = line.strip_prefix("- `")?.split_once("`: ")?;
            Some(Catch { defect, finding: Finding::ALL.iter().copied().find(|known| known.slug() == finding.trim()) })
        })
    }

    /// The prose after the head.
    pub fn prose(self) -> &'static str {
        self.0.find("\n## ").map_or("", |start| self.0[start..].trim_start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_page_is_read() {
        let page = Page::new(
            "# A title\n\n> It holds.\n\nSource: contract 5\n\nDefects:\n- `let-in`: accepted\n- `odd`: no-such\n\n## What\n",
        );
        assert_eq!((page.title(), page.requirement(), page.source()), ("A title", "It holds.", "contract 5"));
        let catches: Vec<_> = page.catches().collect();
        assert_eq!(catches[0], Catch { defect: "let-in", finding: Some(Finding::Accepted) });
        assert_eq!(catches[1], Catch { defect: "odd", finding: None });
        assert_eq!(page.prose(), "## What\n");
    }
}
