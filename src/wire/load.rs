//! From the text of a contract file to a contract, or to everything that is wrong with it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use globset::Glob;
use serde_json::{Map, Value};

use super::contract_file::{Carrier, ContractFile, MessageSpec};
use super::locate::locate;
use super::places::Places;
use super::shape::Shapes;
use super::token_form::TokenForm;
use super::{Contract, Endpoint, Kind, file_schema};

/// Contract files that are part of the program.
const BUILTIN: &[(&str, &str)] = &[
    ("netra-v1", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/contracts/netra-v1.yaml"))),
    ("netra-2025-08", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/contracts/netra-2025-08.yaml"))),
    ("netra-2025-09", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/contracts/netra-2025-09.yaml"))),
    ("netra-2025-10", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/contracts/netra-2025-10.yaml"))),
];

/// Those that have been asked for: a proof needs them for each of hundreds of references.
static LOADED: Mutex<BTreeMap<&'static str, Arc<Contract>>> = Mutex::new(BTreeMap::new());

/// A contract that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// No file and no built-in contract of this name.
    #[error("no contract `{name}`: built in are {known}; a path names a file of your own")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Names of the built-in ones.
        known: String,
    },
    /// The file cannot be read.
    #[error("contract {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no contract.
    #[error("contract {name}: {what}")]
    Malformed {
        /// Which contract.
        name: String,
        /// What is wrong, with line and column where there is one.
        what: String,
    },
}

impl Contract {
    /// Names of the contracts that are part of the program.
    pub fn builtin_names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|(name, _)| *name)
    }

    /// The built-in contract of this name, or the file of this path.
    ///
    /// # Errors
    /// [`ContractError`] when there is neither, or the file is no contract.
    pub fn load(name_or_path: &str) -> Result<Arc<Self>, ContractError> {
        if let Some((name, text)) = BUILTIN.iter().find(|(name, _)| *name == name_or_path) {
            let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(contract) = loaded.get(name) {
                return Ok(Arc::clone(contract));
            }
            let contract = Arc::new(Self::from_yaml(name, text)?);
            loaded.insert(name, Arc::clone(&contract));
            return Ok(contract);
        }
        Self::from_yaml(name_or_path, &Self::text(name_or_path)?).map(Arc::new)
    }

    /// The text of such a file.
    ///
    /// # Errors
    /// [`ContractError`] when there is neither.
    pub fn text(name_or_path: &str) -> Result<Cow<'static, str>, ContractError> {
        if let Some((_, text)) = BUILTIN.iter().find(|(name, _)| *name == name_or_path) {
            return Ok(Cow::Borrowed(text));
        }
        if !name_or_path.contains(['/', '.']) {
            return Err(ContractError::Unknown {
                name: name_or_path.to_owned(),
                known: Self::builtin_names().collect::<Vec<_>>().join(", "),
            });
        }
        let text = std::fs::read_to_string(name_or_path);
        text.map(Cow::Owned).map_err(|source| ContractError::Unreadable { path: name_or_path.to_owned(), source })
    }

    /// Everything that such a file says, with what it takes over from the contract that it extends.
    ///
    /// # Errors
    /// [`ContractError`] when there is no such file, or it is no YAML.
    pub fn whole(name_or_path: &str) -> Result<Value, ContractError> {
        let malformed = |what| ContractError::Malformed { name: name_or_path.to_owned(), what };
        let own: Value =
            serde_yaml::from_str(&Self::text(name_or_path)?).map_err(|error| malformed(error.to_string()))?;
        whole(own).map_err(malformed)
    }

    /// A contract from the text of its file; `name` is for error messages.
    ///
    /// # Errors
    /// [`ContractError::Malformed`] with everything that is wrong.
    pub fn from_yaml(name: &str, text: &str) -> Result<Self, ContractError> {
        let malformed = |what: String| ContractError::Malformed { name: name.to_owned(), what };
        let own: Value = serde_yaml::from_str(text).map_err(|error| malformed(error.to_string()))?;
        let whole = whole(own).map_err(malformed)?;
        let mut problems = Problems { text, told: Vec::new() };
        for (path, what) in file_schema::judge(&whole) {
            problems.at(&path.iter().map(String::as_str).collect::<Vec<_>>(), what);
        }
        if !problems.told.is_empty() {
            return Err(malformed(problems.all()));
        }
        // The schema is generated from the types that are read here; what it let pass is read.
        let file: ContractFile = serde_json::from_value(whole)
            .map_err(|error| malformed(placed(locate(text, &[quoted(&error.to_string())]), &error.to_string())))?;
        for endpoint in file.http.keys() {
            if !Endpoint::ALL.iter().any(|known| known.slug() == endpoint) {
                problems.at(&["http", endpoint], format!("http: no call is known as `{endpoint}`"));
            }
        }
        if file.carriers.is_empty() {
            problems.at(&["carriers"], "carriers: none; expected for example `[header, subprotocol]`".into());
        }
        if file.carriers.contains(&Carrier::Ticket) && !file.http.contains_key(Endpoint::WsTicket.slug()) {
            let what = "carriers: a `ticket` is had from a call; expected `http.ws_ticket` with its method and path";
            problems.at(&["carriers"], what.into());
        }
        for (key, places) in [("type", &file.envelope.r#type), ("payload", &file.envelope.payload)] {
            let mut wrong = |what| problems.at(&["envelope", key], format!("envelope.{key}: {what}"));
            if places.all().is_empty() {
                wrong("no place; expected a JSON pointer, or several".into());
            }
            for place in places.all().iter().filter(|place| !place.is_empty() && !place.starts_with('/')) {
                wrong(format!("`{place}` is no JSON pointer: it begins with `/`"));
            }
        }
        let client_names = names("client", &file.messages.client, &mut problems);
        let server_names = names("server", &file.messages.server, &mut problems);
        let mut compile = |at: &[&str], schema: &Value| {
            let compiled = jsonschema::draft202012::new(&with_definitions(schema, &file.shapes));
            compiled.map_err(|error| problems.at(at, format!("schema of {}: {error}", at.concat()))).ok()
        };
        let mut payload_schemas = BTreeMap::new();
        for (slug, spec) in file.messages.client.iter().chain(&file.messages.server) {
            if let (Some(kind), Some(schema)) = (Kind::named(slug), &spec.payload.schema) {
                payload_schemas.extend(compile(&[slug], schema).map(|validator| (kind, validator)));
            }
        }
        let mut shape_schemas = BTreeMap::new();
        for (name, shape) in &file.shapes.0 {
            if let Some(schema) = &shape.schema {
                shape_schemas.extend(compile(&[name], schema).map(|validator| (name.clone(), validator)));
            }
        }
        let mut unpromised = Vec::new();
        for (checks, what) in &file.unpromised {
            match Glob::new(checks) {
                Ok(glob) => unpromised.push((glob.compile_matcher(), what.clone())),
                Err(error) => problems.at(&["unpromised", checks], format!("unpromised: `{checks}`: {error}")),
            }
        }
        let mut token_forms = Vec::new();
        for template in file.subprotocol.token.all() {
            match TokenForm::parse(template) {
                Ok(form) => token_forms.push(form),
                Err(problem) => problems.at(&["subprotocol", "token"], format!("subprotocol.token: {problem}")),
            }
        }
        if file.subprotocol.token.all().is_empty() {
            let what = "subprotocol.token: no template; expected one like `jwt.{base64url}`";
            problems.at(&["subprotocol", "token"], what.into());
        }
        if problems.told.is_empty() {
            Ok(Self { client_names, server_names, payload_schemas, shape_schemas, token_forms, unpromised, file })
        } else {
            Err(malformed(problems.all()))
        }
    }
}

/// What is wrong with a file, all of it.
struct Problems<'t> {
    text: &'t str,
    /// Each with line and column, where the file says it itself.
    told: Vec<(Option<(usize, usize)>, String)>,
}

impl Problems<'_> {
    /// `what` is wrong at the key of this path.
    fn at(&mut self, path: &[&str], what: String) {
        self.told.push((locate(self.text, path), what));
    }

    /// All of it as one text, in the order of the file.
    fn all(mut self) -> String {
        self.told.sort_by_key(|(place, _)| *place);
        let told: Vec<_> = self.told.iter().map(|(place, what)| placed(*place, what)).collect();
        match told.as_slice() {
            [only] => only.clone(),
            several => format!("{} problems\n  {}", several.len(), several.join("\n  ")),
        }
    }
}

fn placed(place: Option<(usize, usize)>, what: &str) -> String {
    place.map_or_else(|| what.to_owned(), |(line, column)| format!("{line}:{column}: {what}"))
}

/// The first word in backticks.
fn quoted(message: &str) -> &str {
    message.split('`').nth(1).unwrap_or_default()
}

/// Messages by their names on the wire.
fn names(side: &str, specs: &BTreeMap<String, MessageSpec>, problems: &mut Problems<'_>) -> BTreeMap<String, Kind> {
    let mut names: BTreeMap<String, Kind> = BTreeMap::new();
    for (slug, spec) in specs {
        let path = ["messages", side, slug];
        let Some(kind) = Kind::named(slug) else {
            problems.at(&path, format!("messages: no message is known as `{slug}`"));
            continue;
        };
        let own = std::slice::from_ref(slug);
        for name in spec.name.as_ref().map_or(own, Places::all) {
            if let Some(other) = names.insert(name.clone(), kind.clone()) {
                problems.at(&path, format!("messages: both {other} and {slug} are called `{name}`"));
            }
        }
    }
    names
}

/// A contract that extends a built-in one, with all that it does not say itself. A member that is `null` is not there.
fn whole(mut own: Value) -> Result<Value, String> {
    let Some(extends) = own.as_object_mut().and_then(|members| members.shift_remove("extends")) else { return Ok(own) };
    let base = extends.as_str().and_then(|name| BUILTIN.iter().find(|(known, _)| *known == name));
    let Some((name, text)) = base else {
        let known: Vec<_> = Contract::builtin_names().collect();
        return Err(format!("extends: {extends} is no built-in contract: these are {}", known.join(", ")));
    };
    let base: Value = serde_yaml::from_str(text).map_err(|error| format!("{name}: {error}"))?;
    let mut base = whole(base)?;
    lay_over(&mut base, own);
    Ok(base)
}

/// Objects are merged; everything else is replaced, and `null` removes.
fn lay_over(base: &mut Value, own: Value) {
    match (base, own) {
        (Value::Object(base), Value::Object(own)) => {
            for (name, member) in own {
                match base.get_mut(&name) {
                    _ if member.is_null() => drop(base.shift_remove(&name)),
                    Some(known) => lay_over(known, member),
                    None => drop(base.insert(name, member)),
                }
            }
        }
        (base, own) => *base = own,
    }
}

/// `schema` with the contract's shapes as its `$defs`, so that `#/$defs/thread` works everywhere.
fn with_definitions(schema: &Value, shapes: &Shapes) -> Value {
    let mut schema = schema.clone();
    if let Value::Object(members) = &mut schema {
        let definitions: Map<String, Value> =
            shapes.0.iter().filter_map(|(name, shape)| Some((name.clone(), shape.schema.clone()?))).collect();
        members.insert("$defs".into(), Value::Object(definitions));
    }
    schema
}
