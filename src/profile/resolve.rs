//! Raw profile → profile: the sense of each value, and of the values together.

mod credentials;
mod situations;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use globset::Glob;
use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use crate::model::Effect;

use super::diagnostic::Problem;
use super::layers::{Layers, plain_reason};
use super::raw::{
    RawBinding, RawConsent, RawEffect, RawEnvironment, RawGate, RawLimits, RawPace, RawProfile, RawProxy, RawSecret,
    RawThresholds, RawTls, RawUrls,
};
use super::resolved::{
    Environment, GateSettings, Limits, Pace, Profile, Proxy, Ready, Secret, Thresholds, Tls, Urls, Users,
};
use super::shape::did_you_mean;
use super::tree::{Node, Path, Span};

/// The suites that every profile has.
const BUILT_IN_SUITES: [&str; 2] = ["smoke", "full"];
/// Headers that the checker itself sets, or that HTTP owns.
const OWN_HEADERS: [&str; 8] =
    ["authorization", "connection", "content-length", "content-type", "host", "origin", "transfer-encoding", "upgrade"];

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
        let within = self.seconds("ready.within_s", raw.ready.within_s);
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
            ready: Ready { within: within? },
            independence: independence?,
            browser: raw.browser.command,
            gate: gate?,
        })
    }

    /// Adds a problem of the value at `path`.
    fn wrong(&mut self, path: &Path, message: String, label: &str, help: impl Into<String>) {
        let problem = Problem::new(message).help(help);
        self.problems.push(match self.tree.at(path).map(|node| node.span) {
            Some(span) => problem.at(span, label),
            None => problem,
        });
    }

    /// Adds that `path` is missing, unless something has been said of it already.
    fn missing(&mut self, path: &Path, message: String, help: impl Into<String>) {
        let said = |unusable: &Path| unusable.starts_with(path) || path.starts_with(unusable);
        if !self.unusable.iter().any(said) {
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
        if contract.contains(['/', '\\']) || contract.ends_with(".yaml") || contract.ends_with(".yml") {
            let file = self.existing(&Path::dotted("contract"), Some(&contract), false)?;
            return Some(file.display().to_string());
        }
        Some(contract)
    }

    fn urls(&mut self, raw: &RawUrls) -> Option<Urls> {
        const WEB: [&str; 2] = ["https", "http"];
        let auth = self.url("urls.auth", raw.auth.as_deref(), WEB, true);
        let backend = self.url("urls.backend", raw.backend.as_deref(), WEB, true);
        let websocket = self.url("urls.websocket", raw.websocket.as_deref(), ["wss", "ws"], true);
        let frontend = self.url("urls.frontend", raw.frontend.as_deref(), WEB, false);
        Some(Urls { auth: auth?, backend: backend?, websocket: websocket?, frontend })
    }

    fn url(&mut self, key: &str, raw: Option<&str>, schemes: [&str; 2], required: bool) -> Option<Url> {
        let raw = if required { self.required(key, raw)? } else { raw? };
        let [secure, plain] = schemes;
        let path = Path::dotted(key);
        let mut url = match Url::parse(raw) {
            Ok(url) => url,
            Err(error) => {
                let help = format!("write it with its scheme: `{secure}://HOST`");
                self.wrong(&path, format!("`{key}` is no URL: {error}"), "no URL", help);
                return None;
            }
        };
        if !schemes.contains(&url.scheme()) {
            let twin = if matches!(url.scheme(), "https" | "wss") { secure } else { plain };
            let rest = raw.split_once(':').map_or("", |(_, rest)| rest);
            let help = if matches!(url.scheme(), "http" | "https" | "ws" | "wss") {
                format!("did you mean `{twin}:{rest}`?")
            } else {
                format!("write it as `{secure}://HOST`")
            };
            let message = format!("`{key}` must be a `{secure}` or `{plain}` URL, not `{}`", url.scheme());
            self.wrong(&path, message, "wrong scheme", help);
            return None;
        }
        if !url.username().is_empty() || url.password().is_some() {
            let help = "give it to `credentials` or `headers`; a URL stands in every report";
            self.wrong(&path, format!("`{key}` must not hold a user or a password"), "holds user information", help);
            return None;
        }
        if url.query().is_some() || url.fragment().is_some() {
            let message = format!("`{key}` must have no query and no fragment");
            self.wrong(&path, message, "has one", "a base URL ends with its path");
            return None;
        }
        if schemes.contains(&"https") {
            let base = url.path().trim_end_matches('/').to_owned();
            url.set_path(&base);
        }
        Some(url)
    }

    fn headers(&mut self, raw: BTreeMap<String, RawSecret>) -> BTreeMap<String, Secret> {
        let mut headers = BTreeMap::new();
        for (name, value) in raw {
            let path = Path::dotted("headers").join(&name);
            let lower = name.to_ascii_lowercase();
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                self.wrong(&path, format!("`{name}` is no header name"), "its value", "letters, digits and `-`");
            } else if OWN_HEADERS.contains(&lower.as_str()) || lower.starts_with("sec-websocket") {
                let help = "an identity-aware proxy takes its credential in a header of its own";
                self.wrong(&path, format!("the header `{name}` is set by the checker itself"), "its value", help);
            } else if HeaderValue::from_str(&value.0).is_err() {
                let help = "a header is one line of visible characters";
                self.wrong(&path, format!("`{path}` cannot be a header's value"), "holds other characters", help);
            } else {
                headers.insert(name, Secret::new(value.0));
            }
        }
        headers
    }

    fn tls(&mut self, raw: &RawTls) -> Tls {
        let mut file = |key: &str, name: &Option<String>| self.existing(&Path::dotted(key), name.as_deref(), false);
        let ca_file = file("tls.ca_file", &raw.ca_file);
        let certificate = file("tls.client_cert_file", &raw.client_cert_file);
        let key = file("tls.client_key_file", &raw.client_key_file);
        if raw.client_cert_file.is_some() != raw.client_key_file.is_some() {
            let (there, absent) = if raw.client_cert_file.is_some() {
                ("tls.client_cert_file", "tls.client_key_file")
            } else {
                ("tls.client_key_file", "tls.client_cert_file")
            };
            let help = "a client certificate and its key come together";
            self.missing(&Path::dotted(absent), format!("`{there}` needs `{absent}`"), help);
        }
        Tls { ca_file, client: certificate.zip(key), require_tls13: raw.require_tls13.unwrap_or(false) }
    }

    fn proxy(&mut self, raw: RawProxy) -> Option<Proxy> {
        let path = Path::dotted("proxy.url");
        match Url::parse(&raw.url?.0) {
            Ok(url) if url.scheme() == "http" && url.has_host() => return Some(Proxy { url, except: raw.except }),
            _ => self.wrong(&path, "`proxy.url` is no HTTP proxy".into(), "this", "write `http://HOST:PORT`"),
        }
        None
    }

    fn addresses(&mut self, raw: BTreeMap<String, String>) -> BTreeMap<String, IpAddr> {
        let mut addresses = BTreeMap::new();
        for (host, address) in raw {
            let path = Path::dotted("resolve").join(&host);
            if let Ok(address) = address.parse::<IpAddr>() {
                addresses.insert(host, address);
            } else {
                self.wrong(
                    &path,
                    format!("`{path}` is no IP address"),
                    "no address",
                    "for example `127.0.0.1` or `::1`",
                );
            }
        }
        addresses
    }

    fn pace(&mut self, raw: &RawPace) -> Option<Pace> {
        let jobs = self.required("pace.jobs", raw.jobs);
        let connections = self.required("pace.connections", raw.connections);
        let requests_per_s = self.required("pace.requests_per_s", raw.requests_per_s);
        let sockets_per_user = self.required("pace.sockets_per_user", raw.sockets_per_user);
        Some(Pace {
            jobs: jobs? as usize,
            connections: connections? as usize,
            requests_per_s: requests_per_s?,
            sockets_per_user: sockets_per_user? as usize,
        })
    }

    fn users(&mut self, raw: super::raw::RawUsers) -> Option<Users> {
        let domain = self.required("users.domain", raw.domain);
        if let Some(domain) = domain.as_deref().filter(|domain| url::Host::parse(domain).is_err()) {
            let help = match domain.rsplit_once('@') {
                Some((_, host)) => format!("the part after the `@` only: `{host}`"),
                None => "for example `example.com`".to_owned(),
            };
            self.wrong(&Path::dotted("users.domain"), "`users.domain` is no domain".into(), "no domain", help);
        }
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

    fn thresholds(&mut self, raw: &RawThresholds) -> Option<Thresholds> {
        let reply = self.seconds("thresholds.reply_s", raw.reply_s);
        let welcome = self.seconds("thresholds.welcome_s", raw.welcome_s);
        let fast = self.seconds("thresholds.fast_s", raw.fast_s);
        let medium = self.seconds("thresholds.medium_s", raw.medium_s);
        let first_content = self.seconds("thresholds.first_content_s", raw.first_content_s);
        let run = self.seconds("thresholds.run_s", raw.run_s);
        let agent_error = self.seconds("thresholds.agent_error_s", raw.agent_error_s);
        let stop = self.seconds("thresholds.stop_s", raw.stop_s);
        let restore = self.seconds("thresholds.restore_s", raw.restore_s);
        Some(Thresholds {
            reply: reply?,
            welcome: welcome?,
            fast: fast?,
            medium: medium?,
            first_content: first_content?,
            run: run?,
            agent_error: agent_error?,
            stop: stop?,
            restore: restore?,
        })
    }

    fn limits(&mut self, raw: &RawLimits) -> Option<Limits> {
        let check = self.seconds("limits.check_s", raw.check_s);
        let run = self.seconds("limits.run_s", raw.run_s);
        let connect = self.seconds("limits.connect_s", raw.connect_s);
        let request = self.seconds("limits.request_s", raw.request_s);
        let settle = self.seconds("limits.settle_s", raw.settle_s);
        let short_token = self.seconds("limits.short_token_s", raw.short_token_s);
        let fresh_connections = self.required("limits.fresh_connections", raw.fresh_connections);
        if let Some((check, run)) = check.zip(run).filter(|(check, run)| check > run) {
            let message =
                format!("one check may take {} s, the whole run only {} s", check.as_secs_f64(), run.as_secs_f64());
            let path = Path::dotted("limits.check_s");
            self.wrong(&path, message, "longer than `limits.run_s`", "lower it, or raise `limits.run_s`");
        }
        Some(Limits {
            check: check?,
            run: run?,
            connect: connect?,
            request: request?,
            settle: settle?,
            short_token: short_token?,
            fresh_connections: fresh_connections? as usize,
            raw_frames: raw.raw_frames.unwrap_or(false),
        })
    }

    fn gate(&mut self, raw: RawGate, origin: Option<RawBinding>) -> Option<GateSettings> {
        self.check_globs(&Path::dotted("gate.required"), &raw.required);
        Some(GateSettings {
            required: raw.required,
            strict: raw.strict.unwrap_or(false),
            origin_should: origin == Some(RawBinding::Should),
        })
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

const fn effect(raw: RawEffect) -> Effect {
    match raw {
        RawEffect::Read => Effect::Read,
        RawEffect::Create => Effect::Create,
        RawEffect::Revoke => Effect::Revoke,
        RawEffect::Quota => Effect::Quota,
        RawEffect::Disrupt => Effect::Disrupt,
    }
}
