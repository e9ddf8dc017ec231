//! Calls over HTTP: one request, one answer, no retry, no redirect followed, no cookie kept.

use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::header::{ACCEPT, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use url::Url;

use super::Target;
use super::fault::{Fault, FaultKind, root_cause};
use super::guard::Asked;
use super::intermediary;
use super::learn::learn_answer;
use super::redact::SecretKind;
use super::response::Response;
use super::token::Token;
use super::transcript::{Line, Recorder};
use crate::model::{Direction, Origin, Record};
use crate::wire::Endpoint;

/// Most of a body that is read: a frontend's scripts fit.
const LARGEST_BODY: usize = 32 << 20;
/// Most of a body that is kept in the transcript.
const RECORDED_BODY: usize = 64 << 10;

/// HTTP on behalf of one check.
#[derive(Clone, Copy, Debug)]
pub struct Http<'t> {
    pub(super) target: &'t Target,
    pub(super) recorder: &'t Recorder,
}

impl<'t> Http<'t> {
    /// A call of the contract; where the contract has none, sending it is a fault of that kind.
    pub fn call(self, endpoint: Endpoint) -> Call<'t> {
        match self.target.contract().endpoint(endpoint) {
            Some((method, path)) => Call { endpoint: Some(endpoint), ..self.at(endpoint.service(), method, path) },
            None => {
                let what = format!("the call `{}`", endpoint.slug());
                Call { refused: Some((FaultKind::NotInContract, what)), ..self.at(endpoint.service(), "GET", "/") }
            }
        }
    }

    /// Any path of a service; `{placeholders}` are filled by [`Call::path_param`].
    pub fn at(self, origin: Origin, method: &str, path: &str) -> Call<'t> {
        let base = self.target.profile().urls.of(origin).map_or("", |url| url.as_str().trim_end_matches('/'));
        self.request(origin, method, format!("{base}{path}"))
    }

    /// Any URL, for example a redirect's; `origin` says whose it is in reports.
    pub fn url(self, origin: Origin, method: &str, url: &Url) -> Call<'t> {
        self.request(origin, method, url.to_string())
    }

    fn request(self, origin: Origin, method: &str, url: String) -> Call<'t> {
        Call {
            http: self,
            origin,
            endpoint: None,
            method: method.to_owned(),
            url,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            fresh: false,
            broken: false,
            may_be_throttled: false,
            deadline: self.target.profile().limits.request,
            refused: None,
        }
    }
}

/// A call that is being prepared.
#[derive(Debug)]
#[must_use = "a call does nothing until it is sent"]
pub struct Call<'t> {
    http: Http<'t>,
    origin: Origin,
    endpoint: Option<Endpoint>,
    method: String,
    url: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    fresh: bool,
    broken: bool,
    may_be_throttled: bool,
    deadline: Duration,
    refused: Option<(FaultKind, String)>,
}

impl Call<'_> {
    /// Fills a `{placeholder}` of the path, percent-encoded.
    pub fn path_param(mut self, name: &str, value: &str) -> Self {
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
        self.url = self.url.replace(&format!("{{{name}}}"), &value);
        self
    }

    /// Adds a parameter to the query.
    pub fn query(mut self, name: &str, value: impl ToString) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// A JSON body in logical terms, written as the contract has it.
    pub fn json(self, body: &Value) -> Self {
        let body = match self.endpoint {
            Some(endpoint) => self.http.target.contract().write_request(endpoint, body),
            None => body.clone(),
        };
        self.raw_body(body.to_string(), "application/json")
    }

    /// Any body.
    pub fn raw_body(mut self, body: impl Into<Vec<u8>>, content_type: &str) -> Self {
        self.body = Some(body.into());
        self.header("Content-Type", content_type)
    }

    /// `Authorization: Bearer …`.
    pub fn bearer(self, token: &Token) -> Self {
        let value = format!("Bearer {}", token.expose());
        self.header("Authorization", &value)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// On a connection of its own: perhaps to another replica.
    pub const fn fresh_connection(mut self) -> Self {
        self.fresh = true;
        self
    }

    /// Another deadline than `limits.request_s`.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Broken on purpose: run-wide judges leave the exchange out.
    pub const fn broken(mut self) -> Self {
        self.broken = true;
        self
    }

    /// 429 is an answer to it, and not a request to slow down.
    pub const fn may_be_throttled(mut self) -> Self {
        self.may_be_throttled = true;
        self
    }

    /// Sends it and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`Fault`] when there is no answer.
    pub async fn send(self) -> Result<Response, Fault> {
        let line = self.http.recorder.line();
        if self.broken {
            line.mark_broken();
        }
        let (origin, target) = (self.origin, self.http.target);
        let (label, url) = (format!("{} {}", self.method, self.url), Url::parse(&self.url));
        let result = self.exchange(&line).await;
        if let Ok(url) = url {
            target.count(&line, origin, &url, result.as_ref().err().map(|(kind, _)| *kind));
        }
        result.map_err(|(kind, what)| {
            let what = match kind {
                // Of an origin that was given up every call says the same: one cause.
                FaultKind::NotInContract | FaultKind::Unreachable => what,
                _ => format!("{label}: {what}"),
            };
            if !matches!(kind, FaultKind::NotInContract | FaultKind::Throttled | FaultKind::Gateway) {
                line.record(Direction::Received, Record::Ended(what.clone()));
            }
            Fault { kind, origin, what: line.recorder().transcript().redact(&what), evidence: line.evidence(2) }
                .noted(&line)
        })
    }

    async fn exchange(self, line: &Line) -> Result<Response, (FaultKind, String)> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        let target = self.http.target;
        // A call that cannot be written is our own failure.
        let harness = |error: String| (FaultKind::Harness, error);
        let mut url = Url::parse(&self.url).map_err(|error| harness(error.to_string()))?;
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let mut headers = target.identity(line, &url);
        headers.extend(self.headers);
        let clients = target.clients();
        let mut request = hyper::Request::builder().method(self.method.as_str()).uri(url.as_str());
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let asked = Asked {
            origin: self.origin,
            endpoint: self.endpoint,
            method: &self.method,
            url: &url,
            headers: &headers,
            body: self.body.as_deref(),
        };
        target.may_ask(line, &asked)?;
        let (owner, endpoint) = (target.owner(&headers), target.endpoint_of(&asked));
        owner.iter().for_each(|owner| line.owned_by(&owner.user));
        let counted = owner.as_ref().filter(|_| endpoint.is_some_and(Endpoint::is_counted));
        let _place = target.turn(line, (self.origin, &url), None, counted.map(|owner| owner.user.as_str())).await?;
        target.note_call(&asked, owner.as_ref());

        let recorded = self.body.as_ref().map(|body| excerpt(&String::from_utf8_lossy(body), target));
        let request = request.body(self.body.unwrap_or_default().into());
        let mut request = request.map_err(|error| harness(root_cause(&error)))?;
        request.headers_mut().entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        let (method, address) = (self.method, url.to_string());
        line.record(Direction::Sent, Record::Request { method, url: address, headers, body: recorded });
        let sent = Instant::now();
        let answered = async {
            let answer = clients.send(request, self.fresh).await?;
            let (head, mut body) = answer.into_parts();
            let mut octets = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| clients.fault(&error))?;
                octets.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
                if octets.len() > LARGEST_BODY {
                    return Err((FaultKind::Protocol, format!("a body of more than {LARGEST_BODY} octets")));
                }
            }
            Ok((head, octets))
        };
        let no_answer = |_| (FaultKind::NoAnswer, format!("no answer within {:.1} s", self.deadline.as_secs_f64()));
        let (head, octets) = tokio::time::timeout(self.deadline, answered).await.map_err(no_answer)??;
        let status = head.status.as_u16();
        let headers: Vec<(String, String)> = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let received = Instant::now();
        let text = String::from_utf8_lossy(&octets).into_owned();
        let json = serde_json::from_str(&text).ok();
        let logical = match (self.endpoint, &json) {
            (Some(endpoint), Some(json)) => Some(target.contract().read_body(endpoint, json)),
            _ => None,
        };
        learn_answer(json.iter().chain(&logical), &headers, target);
        if self.endpoint == Some(Endpoint::WsTicket)
            && let Some(ticket) = logical.as_ref().and_then(|body| body["ticket"].as_str())
        {
            target.redactor().learn(SecretKind::Ticket, ticket);
        }
        let between = intermediary::of_answer(target, line, status, &headers, &text)
            .filter(|(kind, _)| !(self.may_be_throttled && *kind == FaultKind::Throttled));
        if between.is_some() {
            // It is not the service that speaks: run-wide judges leave it out.
            line.mark_broken();
        }
        let body = (!text.is_empty()).then(|| excerpt(&text, target));
        line.record(Direction::Received, Record::Response { status, headers: headers.clone(), body });
        if let Some(between) = between {
            return Err(between);
        }
        let answer = Response { status, headers, text, json, sent, received, line: line.clone() };
        target.note_answer(endpoint, &url, owner.as_ref(), &answer);
        Ok(answer)
    }
}

/// The beginning of a body, redacted first: a cut must not leave half a secret.
pub(super) fn excerpt(text: &str, target: &Target) -> String {
    if text.len() <= RECORDED_BODY {
        return text.to_owned();
    }
    let redacted = target.transcript().redact(text);
    let cut = redacted.floor_char_boundary(RECORDED_BODY);
    format!("{}… ({} octets)", &redacted[..cut], text.len())
}
