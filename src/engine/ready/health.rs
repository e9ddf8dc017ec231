//! Health: every sample of every origin answers as the contract says, and is the service itself.

use std::fmt::Write as _;

use futures_util::future::join_all;
use url::Url;

use super::way::name_of;
use super::{Obstacle, Patience};
use crate::model::{Blame, Origin};
use crate::target::{Fault, FaultKind, Recorder, Response, Target, health_of, split};

/// Samples of one origin's health, each over a connection of its own.
#[derive(Debug)]
pub(super) struct Samples {
    pub(super) origin: Origin,
    pub(super) answers: Vec<Result<Response, Fault>>,
}

impl Samples {
    pub(super) async fn take(target: &Target, recorder: &Recorder, origin: Origin) -> Self {
        let asked = (0..target.profile().ready.samples).map(|_| target.health(recorder, origin));
        Self { origin, answers: join_all(asked).await }
    }

    /// The first sample that keeps the environment from being ready.
    pub(super) fn healthy(&self, target: &Target) -> Result<(), Obstacle> {
        let obstacles: Vec<Obstacle> = self.answers.iter().filter_map(|answer| self.obstacle(target, answer)).collect();
        let (failed, of) = (obstacles.len(), self.answers.len());
        let Some(mut obstacle) = obstacles.into_iter().next() else { return Ok(()) };
        if failed < of {
            obstacle.why.seen = format!("{} in {failed} of {of} samples", obstacle.why.seen);
        }
        Err(obstacle)
    }

    /// Whether a sample shows no JSON where the contract has it.
    pub(super) fn is_no_health(&self) -> bool {
        self.answers.iter().flatten().any(|answer| answer.json.is_none())
    }

    fn obstacle(&self, target: &Target, answer: &Result<Response, Fault>) -> Option<Obstacle> {
        match answer {
            Err(fault) => Some(self.no_answer(target, fault)),
            Ok(answer) => self.unfit(target, answer),
        }
    }

    fn no_answer(&self, target: &Target, fault: &Fault) -> Obstacle {
        let name = name_of(self.origin);
        let (cause, next) = split(&fault.what);
        let (patience, next) = match fault.kind {
            FaultKind::NoAnswer => (
                Patience::Silent,
                "it takes connections and answers nothing: look at the service's log, and at what it waits for"
                    .to_owned(),
            ),
            FaultKind::Unreachable => (Patience::Never, "look at the service's log".to_owned()),
            FaultKind::NotInContract => (Patience::Never, "use a contract that has the call: `contract`".to_owned()),
            FaultKind::Harness => (Patience::Never, "raise `pace.connections` or `pace.requests_per_s`".to_owned()),
            FaultKind::Tls => (
                Patience::Never,
                next.map_or_else(|| format!("look at what terminates TLS before `urls.{name}`"), str::to_owned),
            ),
            FaultKind::Protocol => (Patience::Wait, format!("something else listens there: correct `urls.{name}`")),
            _ => (Patience::Wait, format!("look at the service's log; correct `urls.{name}` if it is elsewhere")),
        };
        let seen = cause.to_owned();
        let within = target.profile().limits.connect.as_secs_f64();
        Obstacle::new("health", name, fault.blame(), patience)
            .expected(format!("an answer within {within:.1} s"))
            .seen(seen)
            .next(next)
            .with(fault.evidence.clone())
    }

    fn unfit(&self, target: &Target, answer: &Response) -> Option<Obstacle> {
        let name = name_of(self.origin);
        let endpoint = health_of(self.origin);
        let succeeded = answer.succeeded(target.contract(), endpoint);
        let html = is_html(answer);
        let frontend = self.origin == Origin::Frontend;
        // An application may have its page, or nothing, where the contract has its health: it is there.
        if (succeeded && (!html || frontend)) || (frontend && answer.status == 404) {
            return None;
        }
        let own = target.profile().urls.of(self.origin)?;
        let told = described(answer);
        let obstacle = |blame, patience, seen: String, next: String| {
            Obstacle::new("health", name, blame, patience)
                .expected("JSON health with status 200")
                .seen(target.redactor().redact(&seen))
                .next(next)
                .with(answer.evidence())
        };
        let headers = match target.profile().headers.is_empty() {
            true => "give what it asks for in `headers`",
            false => "it does not take the profile's `headers`: renew them",
        };
        let unhealthy = "wait for the service, or look at its log; `ready.within_s` is the budget".to_owned();
        Some(match answer.status {
            200..=299 if html => obstacle(
                Blame::Environment,
                Patience::Never,
                format!("captive portal: {told}, where JSON was expected"),
                format!(
                    "open {own} in a browser: if a login page stands before it, {headers}; else correct `urls.{name}`"
                ),
            ),
            300..=399 => match foreign(answer, own) {
                Some(elsewhere) => obstacle(
                    Blame::Environment,
                    Patience::Never,
                    format!("captive portal: {told} to another host, {elsewhere}"),
                    format!("a login stands before it: {headers}; else correct `urls.{name}`"),
                ),
                None => obstacle(
                    Blame::Environment,
                    Patience::Never,
                    format!("{told} to {}", answer.header("location").unwrap_or("nowhere")),
                    format!("redirects are not followed: write where it leads into `urls.{name}`"),
                ),
            },
            401 | 403 | 407 => obstacle(
                Blame::Environment,
                Patience::Never,
                format!("gateway challenge: {told}, although health needs no credential"),
                format!("a gateway stands before the service: {headers}"),
            ),
            429 => obstacle(
                Blame::Throttled,
                Patience::Wait,
                told,
                "lower `pace.requests_per_s`, or have the gateway let this checker pass".into(),
            ),
            503 if answer.json.is_some() => obstacle(
                Blame::Target,
                Patience::Wait,
                format!("the service itself says that it is unwell: {told}"),
                unhealthy,
            ),
            502..=504 => obstacle(
                Blame::Environment,
                Patience::Wait,
                format!("no service behind its gateway: {told}"),
                unhealthy,
            ),
            404 => obstacle(
                Blame::Environment,
                Patience::Wait,
                told,
                format!("correct `urls.{name}`, or use a `contract` with the service's path of health"),
            ),
            500..=599 => obstacle(Blame::Target, Patience::Wait, told, unhealthy),
            _ => obstacle(Blame::Target, Patience::Wait, told, format!("correct `urls.{name}` or `contract`")),
        })
    }
}

fn is_html(answer: &Response) -> bool {
    let stated = answer.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
    answer.json.is_none() && (stated || answer.text.trim_start().starts_with('<'))
}

/// Status, kind of content and who says so.
fn described(answer: &Response) -> String {
    let mut told = format!("HTTP {}", answer.status);
    if let Some(kind) = answer.header("content-type") {
        let _ = write!(told, " with {kind}");
    }
    for name in ["server", "www-authenticate", "cf-mitigated"] {
        if let Some(value) = answer.header(name) {
            let _ = write!(told, ", {name}: {value}");
        }
    }
    told
}

/// The host that an answer sends us to, when it is another one.
fn foreign(answer: &Response, own: &Url) -> Option<String> {
    let to = own.join(answer.header("location")?).ok()?;
    (to.host_str() != own.host_str()).then(|| to.host_str().unwrap_or_default().to_owned())
}
