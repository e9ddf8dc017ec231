//! Raw profile → profile: the sense of each value, and of the values together.

mod credentials;
mod network;
mod numbers;
mod ready;
mod situations;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use globset::Glob;

use crate::model::{Effect, GateRules, Priority, Scenario, did_you_mean};

use super::derive::is_path;
use super::diagnostic::Problem;
use super::layers::{Layers, plain_reason};
use super::places::Places;
use super::raw::{
    RawBinding, RawConsent, RawEffect, RawEnvironment, RawFailOn, RawGate, RawPriority, RawProfile, RawScenario,
    RawUsers,
};
use super::resolved::{Environment, GateSettings, Profile, Users};
use super::tree::{Node, Path, Span};

/// The suites that every profile has.
const BUILT_IN_SUITES: [&str; 2] = ["smoke", "full"];
/// Turns raw values into resolved ones and collects what makes no sense.
pub(super) struct Resolver<'a> {
    tree: &'a Node,
    layers: &'a Layers,
    /// Values of which something has been said already.
    unusable: &'a [Path],
    pub(super) problems: Vec<Problem>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(tree: &'a Node, layers: &'a Layers, unusable: &'a [Path]) -> Self {
        Self { tree, layers, unusable, problems: Vec::new() }
    }

    /// The profile; `None` when a problem stands in its way, which is then in `problems`.
    pub(super) fn profile(&mut self, raw: RawProfile) -> Option<Profile> {
        let environment = raw.environment.map(environment);
        let environment = self.required("environment", environment);
        let contract = self.contract(raw.contract);
        let urls = self.urls(&raw.urls);
        let headers = self.headers(raw.headers);
        let tls = self.tls(&raw.tls);
        let proxy = self.proxy(raw.proxy);
        let resolve = self.addresses(raw.resolve);
        let pace = self.pace(&raw.pace);
        let credentials = self.credentials(raw.credentials, environment);
        let service = self.service(raw.service);
        let users = self.users(raw.users);
        let suite = self.suite(raw.suite, &raw.suites);
        let allow = self.allow(raw.allow, environment);
        let triggers = self.triggers(raw.triggers);
        self.check_prompts(&raw.prompts);
        let thresholds = self.thresholds(&raw.thresholds);
        let limits = self.limits(&raw.limits);
        let ready = self.ready(raw.ready);
        let independence = self.independence(raw.independence);
        let gate = self.gate(raw.gate, raw.origin);
        Some(Profile {
            name: self.layers.list.first()?.name.clone(),
            contract: contract?,
            environment: environment?,
            urls: urls?,
            headers,
            tls,
            proxy,
            resolve,
            pace: pace?,
            credentials: credentials?,
            service,
            users: users?,
            suite: suite?,
            suites: raw.suites,
            allow,
            triggers,
            prompts: raw.prompts,
            thresholds: thresholds?,
            limits: limits?,
            ready: ready?,
            independence: independence?,
            browser: raw.browser.command,
            gate: gate?,
            correlation: raw.correlation.unwrap_or(true),
            places: Places::default(),
        })
    }

    /// Adds a problem of the value at `path`, unless something has been said of it already.
    fn wrong(&mut self, path: &Path, message: String, label: &str, help: impl Into<String>) {
        if self.unusable.contains(path) {
            return;
        }
        let problem = Problem::new(message).help(help);
        self.problems.push(match self.tree.at(path).map(|node| node.span) {
            Some(span) => problem.at(span, label),
            None => problem,
        });
    }

    /// Adds that `path` is missing, unless something has been said of it already.
    fn missing(&mut self, path: &Path, message: String, help: impl Into<String>) {
        let said = |unusable: &Path| unusable.starts_with(path) || path.starts_with(unusable);
        if !self.layers.broken && !self.unusable.iter().any(said) {
            let problem = Problem::new(message).help(help);
            self.problems.push(match self.own_place(path) {
                Some(span) => problem.at(span, "missing here"),
                None => problem,
            });
        }
    }

    /// The key in the profile's own file below which `path` would stand, else the file's first line.
    fn own_place(&self, path: &Path) -> Option<Span> {
        let layer = self.layers.list.first()?;
        let root = layer.root.as_ref()?;
        let key = path.ancestors().find_map(|ancestor| root.entry_at(&ancestor)).map(|entry| entry.key_span);
        let first_line = layer.text.find('\n').unwrap_or(layer.text.len());
        Some(key.unwrap_or(Span { layer: 0, start: 0, end: first_line }))
    }

    fn span(&self, path: &Path) -> Option<Span> {
        self.tree.at(path).map(|node| node.span)
    }

    fn required<T>(&mut self, key: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.missing(&Path::dotted(key), format!("`{key}` is missing"), nested_example(key));
        }
        value
    }

    /// Seconds; the schema has bounded them.
    fn seconds(&mut self, key: &str, value: Option<f64>) -> Option<Duration> {
        self.required(key, value).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    /// A file or directory, relative to the layer that names it.
    fn existing(&mut self, path: &Path, name: Option<&str>, directory: bool) -> Option<PathBuf> {
        let name = name?;
        let layer = self.span(path).and_then(|span| self.layers.list.get(span.layer))?;
        let file = layer.base.join(name);
        let reason = match std::fs::metadata(&file) {
            Ok(metadata) if metadata.is_dir() == directory => return Some(file),
            Ok(_) if directory => "it is no directory".to_owned(),
            Ok(_) => "it is a directory".to_owned(),
            Err(error) => plain_reason(&error),
        };
        let help = "the path is relative to the file that names it";
        self.wrong(path, format!("`{path}` cannot be read: {reason}"), "names it", help);
        None
    }

    fn contract(&mut self, raw: Option<String>) -> Option<String> {
        let contract = self.required("contract", raw)?;
        if is_path(&contract) {
            let file = self.existing(&Path::dotted("contract"), Some(&contract), false)?;
            return Some(file.display().to_string());
        }
        Some(contract)
    }

    fn users(&mut self, raw: RawUsers) -> Option<Users> {
        let domain = self.required("users.domain", raw.domain);
        if let Some(domain) = domain.as_deref().filter(|domain| url::Host::parse(domain).is_err()) {
            let help = match domain.rsplit_once('@') {
                Some((_, host)) => format!("the part after the `@` only: `{host}`"),
                None => "for example `example.com`".to_owned(),
            };
            self.wrong(&Path::dotted("users.domain"), "`users.domain` is no domain".into(), "no domain", help);
        }
        let email = self.required("users.email", raw.email);
        if let Some(email) = &email {
            let path = Path::dotted("users.email");
            // Of the domain something may have been said already.
            self.check_address(&path, &email.replace("{domain}", "example.com"));
            if raw.count != Some(1) && !email.contains("{n}") {
                let help = "for example `netra-check+{n}@{domain}`: each number is another user";
                self.wrong(&path, "`users.email` gives every user one address".into(), "has no `{n}`", help);
            }
        }
        let email = email.zip(domain.as_deref()).map(|(email, domain)| email.replace("{domain}", domain));
        let count = self.required("users.count", raw.count);
        let states_at = Path::dotted("users.states");
        let states = raw
            .states
            .into_iter()
            .filter_map(|(state, login)| {
                let login = self.login(&states_at.join(&state), login)?;
                Some((state, login))
            })
            .collect();
        Some(Users {
            domain: domain?,
            email: email?,
            count: count? as usize,
            states,
            oauth_providers: raw.oauth_providers,
            oauth_automatic: raw.oauth_consent == Some(RawConsent::Automatic),
        })
    }

    fn suite(&mut self, raw: Option<String>, suites: &BTreeMap<String, Vec<String>>) -> Option<String> {
        let suites_at = Path::dotted("suites");
        for (name, globs) in suites {
            let path = suites_at.join(name);
            if BUILT_IN_SUITES.contains(&name.as_str()) {
                self.wrong(&path, format!("the suite `{name}` is built in"), "its globs", "give yours another name");
            }
            if globs.is_empty() {
                let help = "for example `[handshake/*, format/envelope-consistent]`";
                self.wrong(&path, format!("the suite `{name}` selects nothing"), "no globs", help);
            }
            self.check_globs(&path, globs);
        }
        let suite = self.required("suite", raw)?;
        let known: Vec<&str> = BUILT_IN_SUITES.into_iter().chain(suites.keys().map(String::as_str)).collect();
        if known.contains(&suite.as_str()) {
            return Some(suite);
        }
        let mut help = did_you_mean(&suite, known.iter().copied())
            .map_or_else(String::new, |suggestion| format!("did you mean `{suggestion}`? "));
        help += &format!("known suites: {}; `suites` defines more", known.join(", "));
        self.wrong(&Path::dotted("suite"), format!("there is no suite `{suite}`"), "unknown", help);
        None
    }

    fn check_globs(&mut self, path: &Path, globs: &[String]) {
        for (index, glob) in globs.iter().enumerate() {
            if let Err(error) = Glob::new(glob) {
                let path = path.join(&index.to_string());
                let help = "for example `handshake/*` or `*/{token,session}-*`";
                self.wrong(&path, format!("`{path}` is no glob: {}", error.kind()), "no glob", help);
            }
        }
    }

    fn allow(&mut self, raw: Option<Vec<RawEffect>>, environment: Option<Environment>) -> BTreeSet<Effect> {
        let mut effects: BTreeSet<Effect> = raw.unwrap_or_default().into_iter().map(effect).collect();
        effects.insert(Effect::Read);
        let (allow, environment_at) = (Path::dotted("allow"), Path::dotted("environment"));
        if let (Some(Environment::Production), Some(allow), Some(environment)) =
            (environment, self.span(&allow), self.span(&environment_at))
            // What was allowed for another environment was not said of production.
            && effects.len() > 1
            && self.layers.height(allow.layer) < self.layers.height(environment.layer)
        {
            let also: Vec<&str> = effects.iter().filter(|effect| **effect != Effect::Read).map(|e| e.slug()).collect();
            let problem = Problem::new("effects on production must be allowed where it is called production");
            self.problems.push(
                problem
                    .at(environment, "production")
                    .because(allow, format!("this inherited `allow` would permit {} there", also.join(", ")))
                    .help("add `allow: [read]` beside it, or the effects that production may feel"),
            );
        }
        effects
    }

    fn check_prompts(&mut self, prompts: &[String]) {
        for (index, _) in prompts.iter().enumerate().filter(|(_, prompt)| prompt.trim().is_empty()) {
            let path = Path::dotted("prompts").join(&index.to_string());
            self.wrong(&path, format!("`{path}` is empty"), "empty", "a prompt has at least one character");
        }
    }

    fn gate(&mut self, raw: RawGate, origin: Option<RawBinding>) -> Option<GateSettings> {
        self.check_globs(&Path::dotted("gate.required"), &raw.required);
        let fails_on = |what| raw.fail_on.contains(&what);
        let rules = GateRules {
            strict: raw.strict.unwrap_or(false) || fails_on(RawFailOn::Warning),
            min_checks: raw.min_checks.unwrap_or(0) as usize,
            fail_on_not_verified: fails_on(RawFailOn::NotVerified),
            fail_on_inconclusive: fails_on(RawFailOn::Inconclusive),
            priorities: raw.priorities.iter().copied().map(priority).collect(),
            scenarios: raw.scenarios.iter().copied().map(scenario).collect(),
        };
        Some(GateSettings { required: raw.required, rules, origin_should: origin == Some(RawBinding::Should) })
    }
}

/// `urls.auth` as it would be written.
fn nested_example(key: &str) -> String {
    let lines: Vec<String> =
        key.split('.').enumerate().map(|(depth, step)| format!("{}{step}:", "  ".repeat(depth))).collect();
    format!("add it:\n{} …", lines.join("\n"))
}

const fn environment(raw: RawEnvironment) -> Environment {
    match raw {
        RawEnvironment::Development => Environment::Development,
        RawEnvironment::Test => Environment::Test,
        RawEnvironment::Staging => Environment::Staging,
        RawEnvironment::Production => Environment::Production,
    }
}

const fn priority(raw: RawPriority) -> Priority {
    match raw {
        RawPriority::P0 => Priority::P0,
        RawPriority::P1 => Priority::P1,
    }
}

const fn scenario(raw: RawScenario) -> Scenario {
    match raw {
        RawScenario::Handshake => Scenario::Handshake,
        RawScenario::Lifecycle => Scenario::Lifecycle,
        RawScenario::AuthSync => Scenario::AuthSync,
        RawScenario::Reconnection => Scenario::Reconnection,
        RawScenario::Isolation => Scenario::Isolation,
        RawScenario::Recovery => Scenario::Recovery,
        RawScenario::Format => Scenario::Format,
        RawScenario::Independence => Scenario::Independence,
        RawScenario::Threads => Scenario::Threads,
        RawScenario::Streaming => Scenario::Streaming,
    }
}

const fn effect(raw: RawEffect) -> Effect {
    match raw {
        RawEffect::Read => Effect::Read,
        RawEffect::Create => Effect::Create,
        RawEffect::Revoke => Effect::Revoke,
        RawEffect::Quota => Effect::Quota,
        RawEffect::Disrupt => Effect::Disrupt,
    }
}
