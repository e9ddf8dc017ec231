//! Where layers come from: built-in files, files on disk, `--set`, and the program itself.

use std::path::{Component, Path as FilePath, PathBuf};

use super::diagnostic::{Problem, Source};
use super::hide::hidden;
use super::marked;
use super::tree::{Entry, Node, Span, Value};
use crate::model::did_you_mean;

/// The lowest layer of every profile.
const DEFAULT: &str = "default";
const BUILT_IN: [(&str, &str); 7] = [
    (DEFAULT, include_str!("../../profiles/default.yaml")),
    (super::LOCAL, include_str!("../../profiles/local.yaml")),
    ("staging", include_str!("../../profiles/staging.yaml")),
    ("staging-2025-08", include_str!("../../profiles/staging-2025-08.yaml")),
    ("staging-2025-09", include_str!("../../profiles/staging-2025-09.yaml")),
    ("staging-2025-10", include_str!("../../profiles/staging-2025-10.yaml")),
    ("production", include_str!("../../profiles/production.yaml")),
];
/// Directory, below the working directory, whose files are profiles by name.
pub(super) const DIRECTORY: &str = "profiles";

/// Where a layer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Embedded in this executable.
    BuiltIn,
    /// A file on disk.
    File,
    /// A `--set` of the command line.
    Set,
    /// The program: `${…}` is text here.
    Program,
    /// What follows from the layers below.
    Derived,
}

/// One layer, parsed.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) label: String,
    /// File stem of a file; the label of anything else.
    pub(super) name: String,
    pub(super) text: String,
    /// What its relative paths are relative to.
    pub(super) base: PathBuf,
    pub(super) kind: Kind,
    /// `None` when its text could not be parsed.
    pub(super) root: Option<Node>,
}

impl Layer {
    /// Its text as it may be shown.
    pub(super) fn source(&self) -> Source {
        Source { label: self.label.clone(), text: hidden(&self.text, self.root.as_ref()) }
    }

    /// Whether it is the embedded `default.yaml`.
    pub(super) fn is_default(&self) -> bool {
        self.kind == Kind::BuiltIn && self.name == DEFAULT
    }
}

/// Values that the program itself gives, above every file and below `--set`.
#[derive(Clone, Debug)]
pub struct Overrides {
    label: String,
    assignments: Vec<String>,
}

impl Overrides {
    /// None yet; `label` is what reports call their source, `the reference` for example.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), assignments: Vec::new() }
    }

    /// Gives `key` (dotted, as in `--set`) a value. `${` in it is text.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<serde_json::Value>) -> Self {
        // JSON is YAML.
        self.assignments.push(format!("{key}={}", value.into()));
        self
    }

    /// The same as a profile file that inherits `parent`. It holds what was set, secrets included.
    pub fn to_yaml(&self, parent: &str) -> String {
        let mut root = serde_json::json!({ "inherits": parent });
        for (key, value) in self.assignments.iter().filter_map(|assignment| assignment.split_once('=')) {
            let mut place = &mut root;
            for part in key.split('.') {
                if !place.is_object() {
                    *place = serde_json::json!({});
                }
                let serde_json::Value::Object(members) = place else { continue };
                place = members.entry(part).or_insert(serde_json::Value::Null);
            }
            // In a file `${` would be a variable.
            *place = serde_json::from_str(&value.replace("${", "$${")).unwrap_or_default();
        }
        serde_yaml::to_string(&root).unwrap_or_default()
    }
}

/// All layers of a profile in the order in which they were read: the profile itself first.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) list: Vec<Layer>,
    /// Indices into `list`, lowest layer first.
    pub(super) order: Vec<usize>,
    /// A file in the chain could not be had, so what is missing may stand there.
    pub(super) broken: bool,
    pub(super) problems: Vec<Problem>,
}

impl Layers {
    /// Reads `name_or_path` and all that it inherits.
    pub(super) fn read(name_or_path: &str, directory: &FilePath) -> Self {
        let mut layers = Self::default();
        let found = match find(name_or_path, directory, directory, None) {
            Ok(found) => found,
            Err(problem) => {
                layers.problems.push(*problem);
                return layers;
            }
        };
        let mut chain = Vec::new();
        let mut next = Some(found);
        while let Some(found) = next.take() {
            let layer = layers.push(&found);
            layers.order.insert(0, layer);
            if layers.list[layer].is_default() {
                break;
            }
            chain.push(found);
            next = match layers.parent(layer, &chain, directory) {
                Ok(parent) => Some(parent),
                Err(problem) => {
                    layers.broken = true;
                    layers.problems.push(*problem);
                    find(DEFAULT, directory, directory, None).ok()
                }
            };
        }
        layers
    }

    /// What `layer`, the last of `chain`, inherits.
    fn parent(&mut self, layer: usize, chain: &[Found], directory: &FilePath) -> Result<Found, Box<Problem>> {
        let entry = self.list[layer].root.as_ref().and_then(|root| root.entry("inherits"));
        let (Some(entry), Some(found)) = (entry, chain.last()) else {
            return find(DEFAULT, directory, directory, None);
        };
        let Value::String { text, .. } = &entry.node.value else {
            // `inherits: null` is none; the schema speaks of anything else.
            self.broken = !matches!(entry.node.value, Value::Null);
            return find(DEFAULT, directory, directory, None);
        };
        let span = entry.node.span;
        // A file may extend the built-in profile whose name it bears.
        let above = (found.name == *text && found.kind == Kind::File).then_some(found);
        let parent = find(text, directory, &found.base, above)
            .map_err(|problem| Box::new(problem.at(span, "inherited here")))?;
        if chain.iter().any(|found| found.identity == parent.identity) {
            let labels = chain.iter().chain([&parent]).map(|found| found.label.as_str());
            let circle = labels.collect::<Vec<_>>().join(" → ");
            let problem = Problem::new(format!("`inherits` goes round in a circle: {circle}"));
            return Err(Box::new(problem.at(span, "closes the circle").help("take this `inherits` away")));
        }
        Ok(parent)
    }

    fn push(&mut self, found: &Found) -> usize {
        let index = self.list.len();
        let mut root = marked::parse(&found.text, 0, index, &mut self.problems);
        if let Some(node) = &mut root {
            if matches!(node.value, Value::Null) {
                node.value = Value::Map(Vec::new());
            } else if !matches!(node.value, Value::Map(_)) {
                self.problems.push(
                    Problem::new("a profile is a mapping of keys to values")
                        .at(node.span, "not a mapping")
                        .help("begin with `inherits: staging`; `netra-check profile init NAME` writes a starter"),
                );
                root = None;
            }
        }
        let Found { name, label, text, base, kind, .. } = found.clone();
        self.list.push(Layer { label, name, text, base, kind, root });
        index
    }

    /// Adds what the program gives.
    pub(super) fn add_overrides(&mut self, overrides: &Overrides, directory: &FilePath) {
        for assignment in &overrides.assignments {
            self.add_assignment(&overrides.label, assignment, directory, Kind::Program);
        }
    }

    /// Adds what follows from the layers so far.
    pub(super) fn add_derived(&mut self, derived: &Overrides, directory: &FilePath) {
        for assignment in &derived.assignments {
            self.add_assignment(&derived.label, assignment, directory, Kind::Derived);
        }
    }

    /// Adds a `--set`.
    pub(super) fn add_set(&mut self, assignment: &str, directory: &FilePath) {
        self.add_assignment("--set", assignment, directory, Kind::Set);
    }

    fn add_assignment(&mut self, label: &str, text: &str, directory: &FilePath, kind: Kind) {
        let index = self.list.len();
        let root = assignment(text, index, &mut self.problems);
        self.list.push(Layer {
            label: label.to_owned(),
            name: label.to_owned(),
            text: text.to_owned(),
            base: directory.to_owned(),
            kind,
            root,
        });
        self.order.push(index);
    }

    /// How high `layer` lies.
    pub(super) fn height(&self, layer: usize) -> usize {
        self.order.iter().position(|index| *index == layer).unwrap_or(0)
    }

    /// `label:line` of a place; of an assignment just its label.
    pub(super) fn line(&self, span: Span) -> Option<String> {
        let layer = self.list.get(span.layer)?;
        if matches!(layer.kind, Kind::BuiltIn | Kind::File) {
            let source = Source { label: String::new(), text: layer.text.clone() };
            Some(format!("{}:{}", layer.label, source.position(span.start).0))
        } else {
            Some(layer.label.clone())
        }
    }

    /// All texts, as they may be shown.
    pub(super) fn sources(&self) -> Vec<Source> {
        self.list.iter().map(Layer::source).collect()
    }
}

/// `a.b."c.d"=VALUE` as nested mappings.
fn assignment(text: &str, layer: usize, problems: &mut Vec<Problem>) -> Option<Node> {
    let mut keys = Vec::new();
    let (mut start, mut quoted) = (0, false);
    let mut value_start = None;
    for (octet, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '.' | '=' if !quoted => {
                keys.push((start, octet));
                start = octet + 1;
                if character == '=' {
                    value_start = Some(start);
                    break;
                }
            }
            _ => {}
        }
    }
    let whole = Span { layer, start: 0, end: text.len() };
    let Some(value_start) = value_start else {
        let problem = Problem::new("`--set` needs KEY=VALUE").at(whole, "no `=`");
        problems.push(problem.help("for example `--set limits.check_s=60`"));
        return None;
    };
    if let Some((start, end)) = keys.iter().find(|(start, end)| start == end) {
        let problem = Problem::new("`--set` has a key without a name");
        problems.push(problem.at(Span { layer, start: *start, end: *end }, "empty"));
        return None;
    }
    let mut node = marked::parse(text, value_start, layer, problems)?;
    for (start, end) in keys.into_iter().rev() {
        let key_span = Span { layer, start, end };
        let key = text[start..end].trim_matches('"').to_owned();
        if matches!(node.value, Value::Null) && node.span.start == node.span.end {
            node.span = key_span;
        }
        node = Node { span: whole, value: Value::Map(vec![Entry { key, key_span, node }]) };
    }
    Some(node)
}

#[derive(Clone, Debug)]
struct Found {
    name: String,
    /// Equal for two ways to one file.
    identity: PathBuf,
    label: String,
    text: String,
    base: PathBuf,
    kind: Kind,
}

/// Finds a profile by name or path; paths are relative to `base`. `above` is the file that inherits
/// its own name and so means the built-in one.
fn find(
    name_or_path: &str,
    directory: &FilePath,
    base: &FilePath,
    above: Option<&Found>,
) -> Result<Found, Box<Problem>> {
    let is_path = name_or_path.contains(['/', '\\']) || [".yaml", ".yml"].iter().any(|end| name_or_path.ends_with(end));
    if is_path {
        return read(&base.join(name_or_path), directory);
    }
    let built_in = BUILT_IN.iter().find(|(name, _)| *name == name_or_path);
    let reserved = [super::LOCAL, DEFAULT].contains(&name_or_path);
    if !reserved && above.is_none() && !name_or_path.is_empty() {
        let file = directory.join(DIRECTORY).join(format!("{name_or_path}.yaml"));
        if file.is_file() {
            return read(&file, directory);
        }
    }
    if let Some((name, text)) = built_in {
        return Ok(Found {
            name: (*name).to_owned(),
            identity: PathBuf::from(format!("built-in {name}")),
            label: format!("built-in {name}.yaml"),
            text: (*text).to_owned(),
            base: directory.to_owned(),
            kind: Kind::BuiltIn,
        });
    }
    let known = known(directory);
    let mut help = did_you_mean(name_or_path, known.iter().map(|(name, _)| name.as_str()))
        .map_or_else(String::new, |suggestion| format!("did you mean `{suggestion}`? "));
    let list: Vec<String> = known.iter().map(|(name, source)| format!("{name} ({source})")).collect();
    help += &format!("known profiles: {}; `netra-check profile init NAME` makes one", list.join(", "));
    Err(Box::new(Problem::new(format!("there is no profile `{name_or_path}`")).help(help)))
}

fn read(file: &FilePath, directory: &FilePath) -> Result<Found, Box<Problem>> {
    let label = tidy(file.strip_prefix(directory).unwrap_or(file)).display().to_string();
    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if [super::LOCAL, DEFAULT].contains(&name.as_str()) {
        let problem = Problem::new(format!("`{label}` bears the name of a built-in profile"));
        return Err(Box::new(problem.help(format!(
            "`{name}` in a report must mean the built-in one; give the file another name, it may say `inherits: {name}`"
        ))));
    }
    match std::fs::read(file).map(String::from_utf8) {
        Ok(Ok(text)) => Ok(Found {
            name,
            identity: file.canonicalize().unwrap_or_else(|_| file.to_owned()),
            label,
            text: text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text),
            base: file.parent().unwrap_or(directory).to_owned(),
            kind: Kind::File,
        }),
        Ok(Err(_)) => Err(Box::new(Problem::new(format!("`{label}` is not UTF-8 text")).help("save it as UTF-8"))),
        Err(error) => Err(Box::new(
            Problem::new(format!("cannot read the profile `{label}`: {}", plain_reason(&error)))
                .help("a name without `/` and `.yaml` is looked for in `./profiles` and among the built-in ones"),
        )),
    }
}

/// Without `.` and, where a name precedes it, `..`: for a person, not for opening.
fn tidy(path: &FilePath) -> PathBuf {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(tidy.components().next_back(), Some(Component::Normal(_))) => {
                tidy.pop();
            }
            component => tidy.push(component),
        }
    }
    tidy
}

/// Without the number of the operating system's error.
pub(super) fn plain_reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        std::io::ErrorKind::IsADirectory => "it is a directory".into(),
        _ => error.to_string(),
    }
}

/// The profiles that `--profile` knows by name, sorted: name and `built-in` or the file. A file in
/// `directory/profiles` wins over a built-in profile of its name.
pub fn known(directory: &FilePath) -> Vec<(String, String)> {
    let mut known: std::collections::BTreeMap<String, String> = BUILT_IN
        .iter()
        .filter(|(name, _)| *name != DEFAULT)
        .map(|(name, _)| ((*name).to_owned(), "built-in".to_owned()))
        .collect();
    let files = std::fs::read_dir(directory.join(DIRECTORY)).into_iter().flatten().flatten();
    for path in files.map(|file| file.path()) {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let yaml = path.extension().is_some_and(|extension| extension == "yaml");
        if yaml && ![super::LOCAL, DEFAULT].contains(&stem) {
            known.insert(stem.to_owned(), format!("{DIRECTORY}/{stem}.yaml"));
        }
    }
    known.into_iter().collect()
}
