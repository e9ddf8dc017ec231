//! Calls over HTTP: one request, one answer, no retry, no redirect followed, no cookie kept.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::ClientConfig;
use serde_json::Value;
use url::Url;

use super::Target;
use super::connect::{Dialer, Names, SetupError};
use super::fault::{Fault, FaultKind, kind_of, root_cause};
use super::guard::Asked;
use super::intermediary;
use super::learn::learn_answer;
use super::response::Response;
use super::token::Token;
use super::transcript::{Line, Recorder};
use crate::model::{Direction, Origin, Record};
use crate::wire::Endpoint;

/// Most of a body that is read: a frontend's scripts fit.
const LARGEST_BODY: usize = 32 << 20;
/// Most of a body that is kept in the transcript.
const RECORDED_BODY: usize = 64 << 10;

/// The HTTP clients of a run: one for each host and port, since a name may be resolved differently for each.
#[derive(Debug)]
pub(super) struct Clients {
    tls: ClientConfig,
    dialer: Dialer,
    connect: Duration,
    by_authority: Mutex<HashMap<String, reqwest::Client>>,
}

impl Clients {
    /// Clients of this TLS configuration.
    ///
    /// # Errors
    /// [`SetupError`] when the HTTP client refuses the configuration, so that later clients do not.
    pub(super) fn new(mut tls: ClientConfig, dialer: Dialer, connect: Duration) -> Result<Self, SetupError> {
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let clients = Self { tls, dialer, connect, by_authority: Mutex::default() };
        clients.build(80)?;
        Ok(clients)
    }

    /// The client of the host and port of `url`; a `fresh` one shares no connection with any call.
    fn of(&self, url: &Url, fresh: bool) -> Result<reqwest::Client, reqwest::Error> {
        let port = url.port_or_known_default().unwrap_or(80);
        if fresh {
            return self.build(port);
        }
        let authority = format!("{}:{port}", url.host_str().unwrap_or_default());
        let mut clients = self.by_authority.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&authority) {
            return Ok(client.clone());
        }
        let client = self.build(port)?;
        clients.insert(authority, client.clone());
        Ok(client)
    }

    /// Whether there is an answer of any kind at `url`.
    pub(super) async fn probe(&self, url: &str, within: Duration) -> Result<(), String> {
        let url = Url::parse(url).map_err(|error| error.to_string())?;
        let client = self.of(&url, true).map_err(|error| root_cause(&error))?;
        match client.get(url).timeout(within).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(classify(&error, within).1),
        }
    }

    fn build(&self, port: u16) -> Result<reqwest::Client, reqwest::Error> {
        let dialer = self.dialer.clone();
        reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .proxy(reqwest::Proxy::custom(move |url| dialer.proxy_for(url.host_str()?).map(|proxy| proxy.url.clone())))
            .dns_resolver(Resolver { names: self.dialer.names.clone(), port })
            .connect_timeout(self.connect)
            .tcp_nodelay(true)
            // Shorter than servers keep idle connections: a request must not meet one that is just being closed.
            .pool_idle_timeout(Duration::from_secs(2))
            .build()
    }
}

/// The profile's `resolve` for one port.
struct Resolver {
    names: Names,
    port: u16,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, port) = (self.names.clone(), self.port);
        Box::pin(async move {
            let addresses = names.addresses(name.as_str(), port).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

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
        let method = reqwest::Method::from_bytes(self.method.as_bytes()).map_err(|error| harness(error.to_string()))?;
        let client = target.clients().of(&url, self.fresh).map_err(|error| harness(root_cause(&error)))?;
        let mut request = client.request(method, url.clone()).timeout(self.deadline);
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
        let counted = owner.as_ref().filter(|_| endpoint.is_some_and(Endpoint::is_counted));
        let _place = target.turn(line, (self.origin, &url), None, counted.map(|owner| owner.user.as_str())).await?;
        target.note_call(&asked, owner.as_ref());

        let body = self.body.as_ref().map(|body| excerpt(&String::from_utf8_lossy(body), target));
        if let Some(body) = self.body {
            request = request.body(body);
        }
        let request = request.build().map_err(|error| harness(root_cause(&error)))?;
        line.record(Direction::Sent, Record::Request { method: self.method, url: url.to_string(), headers, body });
        let deadline = self.deadline;
        let fault = |error: reqwest::Error| classify(&error, deadline);
        let sent = Instant::now();
        let mut answer = client.execute(request).await.map_err(fault)?;
        let status = answer.status().as_u16();
        let headers: Vec<(String, String)> = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let mut octets = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(fault)? {
            octets.extend_from_slice(&chunk);
            if octets.len() > LARGEST_BODY {
                return Err((FaultKind::Protocol, format!("a body of more than {LARGEST_BODY} octets")));
            }
        }
        let received = Instant::now();
        let text = String::from_utf8_lossy(&octets).into_owned();
        let json = serde_json::from_str(&text).ok();
        let logical = match (self.endpoint, &json) {
            (Some(endpoint), Some(json)) => Some(target.contract().read_body(endpoint, json)),
            _ => None,
        };
        learn_answer(json.iter().chain(&logical), &headers, target);
        let between = intermediary::of_answer(target, line, status, &headers, &text);
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

fn classify(error: &reqwest::Error, deadline: Duration) -> (FaultKind, String) {
    if error.is_timeout() {
        return match error.is_connect() {
            true => (FaultKind::ConnectTimeout, "no connection within its deadline".into()),
            false => (FaultKind::NoAnswer, format!("no answer within {:.1} s", deadline.as_secs_f64())),
        };
    }
    let fallback = if error.is_connect() { FaultKind::Refused } else { FaultKind::Protocol };
    (kind_of(error).unwrap_or(fallback), root_cause(error as &(dyn Error + 'static)))
}
