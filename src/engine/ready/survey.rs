//! Every step of readiness once, each told as it is made, and what else a run stands on: for `doctor`.

use time::OffsetDateTime;
use url::{Host, Url};

use super::super::preflight::Known;
use super::health::Samples;
use super::revision::Revisions;
use super::way::{Door, doors, name_of, no_way, open};
use super::{Obstacle, login, recorder};
use crate::model::{NotReady, Origin};
use crate::profile::Environment;
use crate::target::{FaultKind, Login, Recorder, Target, Upgraded, Way, health_of};
use crate::wire::{Endpoint, WsConfig};

/// Skew of a clock that moves the border between a valid and an expired token noticeably, seconds.
const NOTABLE_SKEW_S: f64 = 1.0;
/// A certificate that ends sooner is worth a word.
const NOTABLE_DAYS: i64 = 14;

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// As it must be.
    Ok,
    /// A run can be made; something about it should be known.
    Warn,
    /// No run can be made.
    Fail,
}

impl Grade {
    /// Its word.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// A step, and what was seen.
#[derive(Clone, Debug)]
pub struct Step {
    /// `dns`, `tcp`, `tls`, `health` …
    pub name: &'static str,
    /// Of what: an origin, a method.
    pub subject: String,
    /// How it went.
    pub grade: Grade,
    /// What was there, in one redacted line; where it failed, also what was expected.
    pub seen: String,
    /// What a person does about it.
    pub next: Option<String>,
}

impl Step {
    /// A step that went well.
    pub fn ok(name: &'static str, subject: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { name, subject: subject.into(), grade: Grade::Ok, seen: seen.into(), next: None }
    }

    /// One that did, but …
    pub fn warn(
        name: &'static str,
        subject: impl Into<String>,
        seen: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { grade: Grade::Warn, next: Some(next.into()), ..Self::ok(name, subject, seen) }
    }
}

impl From<Obstacle> for Step {
    fn from(obstacle: Obstacle) -> Self {
        let NotReady { step, subject, expected, seen, next, .. } = *obstacle.why;
        let seen = format!("{seen}; expected {expected}");
        Self { name: step, subject, grade: Grade::Fail, seen, next: Some(next) }
    }
}

/// Asks everything once, and tells each step as it is made. What a failed step stands in the way of is not asked.
/// Answers with what is known of the target before the first check, where it could be asked.
pub async fn survey(target: &Target, tell: &mut dyn FnMut(Step)) -> Option<Known> {
    let recorder = recorder(target);
    let mut shut = Vec::new();
    for door in doors(target) {
        if !through(target, &door, tell).await {
            shut.extend(door.names);
        }
    }
    let reached = |name| !shut.contains(&name);
    let mut well = Vec::new();
    for origin in Origin::ALL {
        if target.profile().urls.of(origin).is_some() && reached(name_of(origin)) {
            let samples = Samples::take(target, &recorder, origin).await;
            if health(target, &samples, tell) {
                clock(target, &samples, tell);
                well.push(samples);
            }
        }
    }
    revision(target, &recorder, &well, tell).await;
    let is_well = |origin| well.iter().any(|samples| samples.origin == origin);
    let login = if is_well(Origin::Auth) { log_in(target, &recorder, tell).await } else { None };
    let config = if is_well(Origin::Backend) { config(target, &recorder, tell).await } else { None };
    if let Some(login) = login.filter(|_| reached("websocket") && reached("backend")) {
        upgrade(target, &recorder, &login, tell).await;
    }
    let keys = if is_well(Origin::Auth) { target.jwks(&recorder).await.ok() } else { None };
    Some(Known { config: config?, publishes_keys: keys?.is_some() })
}

/// Name, connection, TLS; whether the door is open.
async fn through(target: &Target, door: &Door, tell: &mut dyn FnMut(Step)) -> bool {
    let addresses = match target.addresses(&door.url).await {
        Ok(addresses) => addresses,
        Err(none) => {
            tell(no_way(target, door, &none).into());
            return false;
        }
    };
    let list = addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ");
    if matches!(door.url.host(), Some(Host::Domain(_))) {
        tell(Step::ok("dns", door.name, format!("{} → {list}", door.url.host_str().unwrap_or_default())));
    }
    match open(target, door).await {
        Ok(way) => {
            connected(target, door, &way, tell);
            true
        }
        Err(obstacle) => {
            if obstacle.why.step == "tls" {
                tell(Step::ok("tcp", door.name, format!("connected to {list}")));
            }
            tell(obstacle.into());
            false
        }
    }
}

fn connected(target: &Target, door: &Door, way: &Way, tell: &mut dyn FnMut(Step)) {
    let peer = way.peer.map_or_else(|| "its peer".to_owned(), |peer| peer.to_string());
    let took = way.took.as_secs_f64() * 1_000.0;
    let through = way.proxy.as_ref().map_or("no proxy".to_owned(), |proxy| format!("through the proxy {proxy}"));
    tell(Step::ok("tcp", door.name, format!("connected to {peer} in {took:.0} ms, {through}")));
    match &way.tls {
        Some(tls) => {
            let Some(certificate) = &tls.certificate else {
                tell(Step::ok("tls", door.name, format!("{}, a certificate that cannot be shown", tls.version)));
                return;
            };
            let days = (certificate.expires - OffsetDateTime::now_utc()).whole_days();
            let until = certificate.expires.date();
            let seen = format!("{}, issued by {}, valid until {until} ({days} days)", tls.version, certificate.issuer);
            tell(match days {
                ..NOTABLE_DAYS => Step::warn("tls", door.name, seen, "renew the certificate"),
                _ => Step::ok("tls", door.name, seen),
            });
        }
        None => {
            let public = matches!(target.profile().environment, Environment::Staging | Environment::Production);
            if public && !is_loopback(&door.url) {
                let next = format!("tokens travel in the clear: use `https` or `wss` in `urls.{}`", door.name);
                tell(Step::warn("tls", door.name, format!("none, {}", door.url.scheme()), next));
            }
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn health(target: &Target, samples: &Samples, tell: &mut dyn FnMut(Step)) -> bool {
    let name = name_of(samples.origin);
    if let Err(obstacle) = samples.healthy(target) {
        tell(obstacle.into());
        return false;
    }
    let count = samples.answers.len();
    let versions = samples.answers.iter().flatten().map(|answer| {
        let body = answer.logical_body(target.contract(), health_of(samples.origin));
        body.and_then(|body| body.get("version")?.as_str().map(|version| target.redactor().redact(version)))
    });
    let mut versions: Vec<Option<String>> = versions.collect();
    versions.dedup();
    let version = match versions.as_slice() {
        [Some(version)] => format!("version {version}"),
        [None] => "tells no version".into(),
        _ => "tells several versions".into(),
    };
    let seen = format!("healthy in {count} of {count} samples, {version}");
    tell(match samples.is_no_health() {
        true => {
            Step::warn("health", name, "answers, but not with JSON health", "serve the health that the contract has")
        }
        false => Step::ok("health", name, seen),
    });
    true
}

fn clock(target: &Target, samples: &Samples, tell: &mut dyn FnMut(Step)) {
    let name = name_of(samples.origin);
    let answers = samples.answers.iter().flatten();
    let skews = answers.filter_map(|answer| target.skew(answer, health_of(samples.origin)));
    let Some(skew) = skews.min_by(|left, right| left.abs().total_cmp(&right.abs())) else {
        if samples.origin != Origin::Frontend {
            tell(Step::warn("clock", name, "tells no time", "serve `timestamp` in its health, or the header `Date`"));
        }
        return;
    };
    // Without a negative zero.
    let seen = format!("{:+.0} ms against this machine", (skew * 1_000.0).round() + 0.0);
    tell(match skew.abs() {
        ..=NOTABLE_SKEW_S => Step::ok("clock", name, seen),
        _ => Step::warn("clock", name, seen, "synchronise the clocks: tokens expire by them"),
    });
}

async fn revision(target: &Target, recorder: &Recorder, samples: &[Samples], tell: &mut dyn FnMut(Step)) {
    let revisions = match Revisions::of(target, recorder, samples).await {
        Ok(revisions) => revisions,
        Err(obstacle) => return tell(obstacle.into()),
    };
    if let Err(obstacle) = revisions.right(target) {
        return tell(obstacle.into());
    }
    let expected = target.profile().ready.revision.expect.as_ref();
    match revisions.text() {
        Some(text) => {
            let expected = expected.map_or("none is expected".to_owned(), |_| "as expected".to_owned());
            tell(Step::ok("revision", "deployed", format!("{text}, {expected}")));
        }
        None if samples.iter().all(|samples| samples.origin == Origin::Frontend) => {}
        None => {
            tell(Step::warn("revision", "deployed", "no service tells one", "say where it is told: `ready.revision`"))
        }
    }
}

async fn log_in(target: &Target, recorder: &Recorder, tell: &mut dyn FnMut(Step)) -> Option<Login> {
    let method = target.profile().credentials.method.slug();
    match login::log_in(target, recorder).await {
        Ok(Some(login)) => {
            let who = login.email.as_deref().unwrap_or(&login.user_id);
            tell(Step::ok("login", method, target.redactor().redact(&format!("works, as {who}"))));
            Some(login)
        }
        Ok(None) => {
            let next = "the checks will judge it: `netra-check run auth-sync`";
            tell(Step::warn("login", method, "taken, with an answer that is no token set", next));
            None
        }
        Err(obstacle) => {
            tell(obstacle.into());
            None
        }
    }
}

/// What `/ws/config` tells against its bounds.
async fn config(target: &Target, recorder: &Recorder, tell: &mut dyn FnMut(Step)) -> Option<WsConfig> {
    let next = "the contract's defaults stand for it; `format/config-sane` judges it";
    let mut warn = |seen: &str| tell(Step::warn("config", "/ws/config", target.redactor().redact(seen), next));
    let answer = match target.http(recorder).call(Endpoint::WsConfig).send().await {
        Ok(answer) if answer.status == 200 => answer,
        Ok(answer) => {
            warn(&format!("HTTP {}", answer.status));
            return None;
        }
        // What the contract does not have it has for itself.
        Err(fault) if fault.kind == FaultKind::NotInContract => {
            return Some(target.contract().ws_config(&serde_json::Value::Null).0);
        }
        Err(fault) => {
            warn(&fault.what);
            return None;
        }
    };
    let (config, faults) = target.contract().ws_config(&answer.json.unwrap_or_default());
    for fault in &faults {
        warn(&format!("{}: {}", fault.value, fault.message));
    }
    if faults.is_empty() {
        tell(Step::ok("config", "/ws/config", "every value is within its bounds"));
    }
    Some(config)
}

async fn upgrade(target: &Target, recorder: &Recorder, login: &Login, tell: &mut dyn FnMut(Step)) {
    let name = "upgrade";
    let carrier = target.contract().first_carrier();
    let subject = target.profile().urls.websocket.path().to_owned();
    let next = "see that gateway and load balancer pass WebSocket upgrades on; `netra-check run handshake` judges them";
    match target.upgrade(recorder).carrier(carrier, &login.access).open().await {
        Ok(Upgraded::Switched(socket, _)) => {
            socket.close(1000, "").await;
            tell(Step::ok(name, subject, format!("101, token in the {}", carrier.slug())));
        }
        Ok(Upgraded::Refused(answer)) => {
            let code = answer.error_code(target.contract()).map(|code| format!(" {code}")).unwrap_or_default();
            let seen = target.redactor().redact(&format!("refused with HTTP {}{code}", answer.status));
            tell(failed(name, subject, seen, next));
        }
        Err(fault) => tell(failed(name, subject, fault.what, next)),
    }
}

fn failed(name: &'static str, subject: String, seen: String, next: &str) -> Step {
    Step { grade: Grade::Fail, ..Step::warn(name, subject, seen, next) }
}
