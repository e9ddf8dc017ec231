//! From a name to a profile: read, merge, interpolate, fetch, judge the shape, judge the sense. Each
//! step goes on with what the earlier ones left usable, so that all errors are told at once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path as FilePath;

use super::diagnostic::{Diagnostics, Problem};
use super::interpolate::{Fault, interpolate};
use super::layers::{Kind, Layers, Overrides};
use super::places::Places;
use super::raw::RawProfile;
use super::resolve::Resolver;
use super::resolved::Profile;
use super::tree::{Node, Path, Span, Value};
use super::{derive, secrets, shape, show};

/// Secrets shorter than this are not searched for in reports: they would be found everywhere.
const SEARCHED_FROM: usize = 8;

/// What is to be loaded, and from where. Nothing else is looked at: no global state, no environment.
#[derive(Clone, Copy)]
pub struct LoadRequest<'a> {
    /// A profile's name, or the path of its file (with `/` or `.yaml`).
    pub name_or_path: &'a str,
    /// The `--set KEY=VALUE` of the command line, the topmost layer.
    pub sets: &'a [String],
    /// What the program knows, above the files and below `--set`.
    pub overrides: Option<&'a Overrides>,
    /// Looks up an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Working directory: `profiles/` is looked for here.
    pub directory: &'a FilePath,
}

impl fmt::Debug for LoadRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadRequest").field("name_or_path", &self.name_or_path).finish_non_exhaustive()
    }
}

/// A profile, and where each of its values was written.
pub struct Loaded {
    /// The profile.
    pub profile: Profile,
    /// What is doubtful, but no error.
    pub warnings: Diagnostics,
    tree: Node,
    layers: Layers,
}

impl fmt::Debug for Loaded {
    // The tree holds the secrets in the clear.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("profile", &self.profile).field("layers", &self.layers()).finish_non_exhaustive()
    }
}

impl Loaded {
    /// Where the value of `key` (dotted) was written: `profiles/staging.yaml:12`, `--set`.
    pub fn line_of(&self, key: &str) -> Option<String> {
        self.layers.line(self.tree.entry_at(&Path::dotted(key))?.key_span)
    }

    /// What the profile is made of, lowest layer first.
    pub fn layers(&self) -> Vec<&str> {
        let layers = self.layers.order.iter().filter_map(|index| self.layers.list.get(*index));
        let mut labels: Vec<&str> =
            layers.filter(|layer| layer.kind != Kind::Derived).map(|layer| layer.label.as_str()).collect();
        labels.dedup();
        labels
    }

    /// The `--set KEY=VALUE` that were laid over it, each secret as `…`.
    pub fn sets(&self) -> Vec<String> {
        let sets = self.layers.list.iter().filter(|layer| layer.kind == Kind::Set);
        sets.map(|layer| shortened(&layer.source().text)).collect()
    }

    /// The resolved profile as YAML, secrets hidden, each value with its source.
    pub fn show(&self) -> String {
        show::resolved(&self.tree, &self.layers)
    }
}

/// Loads a profile with everything below and above it.
///
/// # Errors
///
/// Everything that is wrong with it, at once.
pub fn load(request: LoadRequest<'_>) -> Result<Loaded, Diagnostics> {
    let mut layers = Layers::read(request.name_or_path, request.directory);
    if layers.list.is_empty() {
        return Err(Diagnostics::errors(layers.problems, Vec::new()));
    }
    if let Some(overrides) = request.overrides {
        layers.add_overrides(overrides, request.directory);
    }
    for set in request.sets {
        layers.add_set(set, request.directory);
    }
    let mut problems = std::mem::take(&mut layers.problems);
    if layers.list.iter().any(|layer| layer.root.is_none()) {
        return Err(Diagnostics::errors(problems, layers.sources()));
    }
    refuse_inherits(&layers, &mut problems);

    let mut tree = merged(&layers);
    let mut unusable = Vec::new();
    fill_in(&mut tree, &layers, request.env, &mut unusable, &mut problems);
    let mut unfetched = Vec::new();
    secrets::fetch(&mut tree, &Path::default(), &layers, &mut unusable, &mut unfetched);
    derive::thresholds(&mut tree, &mut layers, request.directory);
    derive::allow(&mut tree, &mut layers, request.directory, &unusable);
    for (path, problem) in unfetched {
        unusable.push(path);
        problems.push(problem);
    }

    let mut usable = tree.clone();
    // Text that could not be filled in is text still, so that its neighbours can be judged.
    unusable.iter().filter(|path| !shape::is_free_text(path)).for_each(|path| usable.remove(path));
    for (path, problem) in shape::judge(&usable) {
        problems.push(problem);
        // Half a source of a secret is no secret.
        let secret = path.ancestors().find(shape::is_secret);
        let whole = secret.unwrap_or(path);
        usable.remove(&whole);
        unusable.push(whole);
    }

    let mut resolver = Resolver::new(&tree, &layers, &unusable);
    let profile = match serde_json::from_value::<RawProfile>(usable.to_json()) {
        Ok(raw) => resolver.profile(raw),
        // The schema is generated from the types that are read here; what it let pass is read.
        Err(error) if problems.is_empty() => {
            problems.push(Problem::new(format!("the profile cannot be read: {error}")));
            None
        }
        Err(_) => None,
    };
    problems.append(&mut resolver.problems);
    let sources = layers.sources();
    match profile {
        Some(mut profile) if problems.is_empty() => {
            profile.places = Places::of(&tree, &layers);
            let warnings = Diagnostics::warnings(short_secrets(&mut tree), sources);
            Ok(Loaded { profile, warnings, tree, layers })
        }
        _ => Err(Diagnostics::errors(problems, sources)),
    }
}

/// Only a file can inherit.
fn refuse_inherits(layers: &Layers, problems: &mut Vec<Problem>) {
    for layer in layers.list.iter().filter(|layer| matches!(layer.kind, Kind::Set | Kind::Program)) {
        if let Some(entry) = layer.root.as_ref().and_then(|root| root.entry("inherits")) {
            let problem = Problem::new("`inherits` cannot be set").at(entry.key_span, "not here");
            problems.push(problem.help("choose the profile with `--profile`"));
        }
    }
}

fn merged(layers: &Layers) -> Node {
    let nowhere = Span { layer: 0, start: 0, end: 0 };
    let mut tree = Node { span: nowhere, value: Value::Map(Vec::new()) };
    for root in layers.order.iter().filter_map(|index| layers.list.get(*index)?.root.as_ref()) {
        // Two sources of one secret do not add up.
        tree.overlay(root, &Path::default(), &shape::is_secret);
    }
    tree
}

/// Fills in the variables of every value that a layer has not covered. Their type is decided afterwards.
fn fill_in(
    tree: &mut Node,
    layers: &Layers,
    env: &dyn Fn(&str) -> Option<String>,
    unusable: &mut Vec<Path>,
    problems: &mut Vec<Problem>,
) {
    let mut missing: BTreeMap<String, Missing> = BTreeMap::new();
    tree.each_scalar(&Path::default(), &mut |path, node| {
        let Value::String { text, plain } = &node.value else { return };
        let layer = layers.list.get(node.span.layer);
        if shape::at(path).is_none() || layer.is_none_or(|layer| layer.kind == Kind::Program) {
            return;
        }
        match interpolate(text, env) {
            Ok(None) => {}
            // As `key:` without a value is null.
            Ok(Some(filled)) if *plain && filled.is_empty() => node.value = Value::Null,
            Ok(Some(filled)) if *plain && !shape::admits_string(path) => node.value = Value::plain(&filled),
            Ok(Some(text)) => node.value = Value::String { text, plain: false },
            Err(faults) => {
                unusable.push(path.clone());
                for fault in faults {
                    match fault {
                        Fault::Missing { variable, message, empty } => {
                            let span = narrowed(node.span, layers, &variable);
                            let entry =
                                missing.entry(variable).or_insert_with(|| Missing { empty, ..Missing::default() });
                            entry.message = entry.message.take().or(message);
                            entry.uses.push((path.clone(), span));
                        }
                        Fault::Malformed(reason) => problems.push(
                            Problem::new(format!("`{path}`: {reason}"))
                                .at(node.span, "cannot be filled in")
                                .help("write `${VAR}`, `${VAR:-default}` or `${VAR:?message}`; `$${` stands for `${`"),
                        ),
                    }
                }
            }
        }
    });
    problems.extend(missing.into_iter().filter_map(|(variable, missing)| missing.problem(&variable, layers)));
}

/// A variable that is not there, and all values that need it.
#[derive(Default)]
struct Missing {
    empty: bool,
    message: Option<String>,
    uses: Vec<(Path, Span)>,
}

impl Missing {
    fn problem(self, variable: &str, layers: &Layers) -> Option<Problem> {
        let (path, span) = self.uses.first()?;
        let state = if self.empty { "is empty" } else { "is not set" };
        let mut message = format!("the variable {variable} {state}");
        if let Some(why) = &self.message {
            message += &format!(": {why}");
        }
        let mut help = format!("export {variable}=…");
        let others: Vec<String> = self.uses[1..].iter().map(|(path, _)| format!("`{path}`")).collect();
        if !others.is_empty() {
            help += &format!(
                "\n{} it, too",
                if others.len() == 1 { format!("{} needs", others[0]) } else { format!("{} need", others.join(", ")) }
            );
        }
        if layers.list.get(span.layer).is_some_and(|layer| layer.kind == Kind::BuiltIn) && span.layer != 0 {
            help += &format!("\nor give `{path}` a value of its own in your profile");
        }
        Some(Problem::new(message).at(*span, format!("`{path}` needs it")).help(help))
    }
}

/// The `${VARIABLE…}` itself, where the scalar is written as it is read.
fn narrowed(span: Span, layers: &Layers, variable: &str) -> Span {
    let text = layers.list.get(span.layer).and_then(|layer| layer.text.get(span.start..span.end)).unwrap_or_default();
    let found = text.match_indices(&format!("${{{variable}")).map(|(start, _)| start).find(|start| {
        !text[start + 2 + variable.len()..].starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
    });
    match found.and_then(|start| Some((start, text[start..].find('}')? + 1))) {
        Some((start, length)) => Span { start: span.start + start, end: span.start + start + length, ..span },
        None => span,
    }
}

/// `text` with what was blanked out as one `…`: its length is nobody's business.
fn shortened(text: &str) -> String {
    let mut pieces = text.split('*');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |shown, piece| {
        let ellipsis = if shown.ends_with('…') { "" } else { "…" };
        shown + ellipsis + piece
    })
}

fn short_secrets(tree: &mut Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    tree.each_scalar(&Path::default(), &mut |path, node| {
        let Value::String { text, .. } = &node.value else { return };
        if shape::is_secret(path) && (1..SEARCHED_FROM).contains(&text.chars().count()) {
            problems.push(
                Problem::new(format!("`{path}` is shorter than {SEARCHED_FROM} characters"))
                    .at(node.span, "short")
                    .help("reports are not searched for it: so short a text is found everywhere"),
            );
        }
    });
    problems
}
