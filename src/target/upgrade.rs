//! The upgrade to WebSocket, under full control: every header in its order, any version, any method.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::AsyncWriteExt;
use url::Url;

use super::Target;
use super::connect::Speaks;
use super::fault::{Fault, FaultKind};
use super::frame::RawFrame;
use super::head::{NoHead, read_body, read_head};
use super::http::{Http, excerpt};
use super::intermediary;
use super::link::Link;
use super::response::Response;
use super::socket::{Setup, Socket};
use super::token::Token;
use super::transcript::{Line, Recorder};
use crate::model::{Direction, Origin, Record};
use crate::wire::{Carrier, Endpoint};

/// The parameter of the query in which a token may travel.
pub(super) const QUERY_TOKEN: &str = "token";

/// The parameter in which a ticket travels.
const QUERY_TICKET: &str = "ticket";

/// What RFC 6455 appends to the key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// A refusal's body comes with its head or not at all: after this it is not waited for.
const BODY_WITHIN: Duration = Duration::from_secs(2);

/// The `Sec-WebSocket-Accept` that answers `key`.
pub fn accept_key(key: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes());
    STANDARD.encode(digest)
}

/// The answer to an upgrade.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one a connection, taken apart at once")]
pub enum Upgraded {
    /// 101, whatever else the answer says.
    Switched(Socket, Response),
    /// Any other status.
    Refused(Response),
}

/// An upgrade that is being prepared, on a connection of its own. It begins as RFC 6455 asks for it.
#[derive(Debug)]
#[must_use = "an upgrade does nothing until it is opened"]
pub struct Upgrade<'t> {
    target: &'t Target,
    line: Line,
    rng: StdRng,
    url: Url,
    method: String,
    version: &'static str,
    key: String,
    headers: Vec<(String, String)>,
    offered: Vec<String>,
    /// Whom a ticket is for.
    ticket_for: Option<Token>,
    /// It is asked for before the upgrade.
    asks_for_ticket: bool,
    first: Vec<RawFrame>,
    broken: bool,
    receive_buffer: Option<u32>,
    relay: Option<SocketAddr>,
    deadline: Duration,
}

impl<'t> Upgrade<'t> {
    pub(super) fn new(target: &'t Target, recorder: &Recorder) -> Self {
        let line = recorder.line();
        let mut rng = StdRng::seed_from_u64(target.seed_for(&line));
        let key = STANDARD.encode(rng.random::<[u8; 16]>());
        let url = target.profile().urls.websocket.clone();
        let mut host = url.host_str().unwrap_or_default().to_owned();
        if let Some(port) = url.port() {
            host.push_str(&format!(":{port}"));
        }
        let mut headers = vec![
            ("Host".to_owned(), host),
            ("Connection".to_owned(), "Upgrade".to_owned()),
            ("Upgrade".to_owned(), "websocket".to_owned()),
            ("Sec-WebSocket-Version".to_owned(), "13".to_owned()),
            ("Sec-WebSocket-Key".to_owned(), key.clone()),
        ];
        headers.extend(target.identity(&line, &url));
        Self {
            deadline: target.profile().limits.request,
            target,
            line,
            rng,
            url,
            method: "GET".to_owned(),
            version: "1.1",
            key,
            headers,
            offered: Vec::new(),
            ticket_for: None,
            asks_for_ticket: false,
            first: Vec::new(),
            broken: false,
            receive_buffer: None,
            relay: None,
        }
    }

    /// The key that is sent, unless a header says otherwise; see [`accept_key`].
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Another method than GET.
    pub fn method(mut self, method: &str) -> Self {
        self.method = method.to_owned();
        self
    }

    /// HTTP/1.0 instead of 1.1.
    pub const fn http10(mut self) -> Self {
        self.version = "1.0";
        self
    }

    /// Another URL, for example `ws` where the profile says `wss`; the headers stay as they are, but for those of
    /// the profile where it is another host or port.
    pub fn url(mut self, url: Url) -> Self {
        if !self.target.is_known(&url) {
            let of_the_profile = &self.target.profile().headers;
            self.headers.retain(|(name, _)| !of_the_profile.contains_key(name));
        }
        self.url = url;
        self
    }

    /// Adds a parameter to the query.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// `?token=…`, which is no credential unless the contract names it.
    pub fn query_token(self, token: &Token) -> Self {
        let token = token.expose().to_owned();
        self.query(QUERY_TOKEN, &token)
    }

    /// Adds a header behind those that are there, also one of the same name.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Replaces the value of a header where it stands.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        match self.headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, known)) => value.clone_into(known),
            None => self.headers.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Leaves a header out.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// `Origin: …`.
    pub fn origin(self, origin: &str) -> Self {
        self.header("Origin", origin)
    }

    /// `Authorization: Bearer …`, of a text that need not be a token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Offers a subprotocol beside those offered before; all of them go into one header.
    pub fn subprotocol(mut self, subprotocol: &str) -> Self {
        self.offered.push(subprotocol.to_owned());
        self
    }

    /// Offers the contract's subprotocol and the one that carries `token`, which need not be a token.
    pub fn subprotocol_token(self, token: &str) -> Self {
        let contract = self.target.contract();
        let (select, carries) = (
            contract.auth_subprotocol().to_owned(),
            contract.token_subprotocol(token, self.target.profile().environment.slug()),
        );
        self.subprotocol(&select).subprotocol(&carries)
    }

    /// `?ticket=…`, had for `token`.
    pub fn ticket(self, ticket: &str, token: &Token) -> Self {
        let upgrade = self.query(QUERY_TICKET, ticket);
        Self { ticket_for: Some(token.clone()), ..upgrade }
    }

    /// The token in this carrier.
    pub fn carrier(self, carrier: Carrier, token: &Token) -> Self {
        match carrier {
            Carrier::Header => self.bearer(token.expose()),
            Carrier::Subprotocol => self.subprotocol_token(token.expose()),
            Carrier::Query => self.query_token(token),
            Carrier::Ticket => Self { asks_for_ticket: true, ticket_for: Some(token.clone()), ..self },
        }
    }

    /// The token in the first carrier of the contract.
    pub fn token(self, token: &Token) -> Self {
        let carrier = self.target.contract().first_carrier();
        self.carrier(carrier, token)
    }

    /// A frame that is written in the same breath as the request, before any answer.
    pub fn first_frame(mut self, frame: RawFrame) -> Self {
        self.first.push(frame);
        self
    }

    /// Broken on purpose: run-wide judges leave the connection out.
    pub const fn broken(mut self) -> Self {
        self.broken = true;
        self
    }

    /// A receive buffer of so many octets, so that a peer that does not read is felt soon.
    pub const fn receive_buffer(mut self, octets: u32) -> Self {
        self.receive_buffer = Some(octets);
        self
    }

    /// By way of a fault link to the same endpoint.
    pub const fn through(mut self, link: &Link) -> Self {
        self.relay = Some(link.address());
        self
    }

    /// Another deadline for the answer than `limits.request_s`.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Connects, asks, and reads the answer. Where the token travels as a ticket, that is asked for first; who gets none
    /// is refused by that answer.
    ///
    /// # Errors
    /// [`Fault`] when there is no answer.
    pub async fn open(mut self) -> Result<Upgraded, Fault> {
        if let Some(token) = self.ticket_for.clone().filter(|_| self.asks_for_ticket) {
            let answer = self.ask_for_ticket(&token).await?;
            match answer.ticket(self.target.contract()) {
                Ok(ticket) => self = self.ticket(&ticket, &token),
                Err(None) => return Ok(Upgraded::Refused(answer)),
                Err(Some(what)) => {
                    let evidence = answer.evidence();
                    return Err(Fault { kind: FaultKind::Protocol, origin: Origin::Backend, what, evidence });
                }
            }
        }
        let line = self.line.clone();
        if self.broken {
            line.mark_broken();
        }
        let label = format!("upgrade of {}", self.url);
        let (target, url) = (self.target, self.url.clone());
        let result = self.exchange().await;
        target.count(&line, Origin::Backend, &url, result.as_ref().err().map(|(kind, _)| *kind));
        result.map_err(|(kind, what)| {
            let what = match kind {
                // Of an origin that was given up every call says the same: one cause.
                FaultKind::Unreachable => what,
                _ => format!("{label}: {what}"),
            };
            let what = line.recorder().transcript().redact(&what);
            if !matches!(kind, FaultKind::Throttled | FaultKind::Gateway) {
                line.record(Direction::Received, Record::Ended(what.clone()));
            }
            Fault { kind, origin: Origin::Backend, what, evidence: line.evidence(8) }.noted(&line)
        })
    }

    async fn ask_for_ticket(&self, token: &Token) -> Result<Response, Fault> {
        let http = Http { target: self.target, recorder: self.line.recorder() };
        let call = http.call(Endpoint::WsTicket).bearer(token).deadline(self.deadline);
        if self.broken { call.broken() } else { call }.send().await
    }

    async fn exchange(mut self) -> Result<Upgraded, (FaultKind, String)> {
        if !self.offered.is_empty() {
            self.headers.push(("Sec-WebSocket-Protocol".to_owned(), self.offered.join(", ")));
        }
        let mut path = self.url.path().to_owned();
        if let Some(query) = self.url.query() {
            path.push_str(&format!("?{query}"));
        }
        let mut octets = format!("{} {path} HTTP/{}\r\n", self.method, self.version);
        for (name, value) in &self.headers {
            octets.push_str(&format!("{name}: {value}\r\n"));
        }
        octets.push_str("\r\n");
        let mut octets = octets.into_bytes();

        let speaker = self.target.speaker(&self.url, &self.headers, self.ticket_for.as_ref());
        let user = speaker.owner.as_ref().map(|owner| owner.user.clone());
        user.iter().for_each(|user| self.line.owned_by(user));
        let place = self.target.turn(&self.line, (Origin::Backend, &self.url), user.as_deref(), None).await?;
        let dialled = self.target.dialer().dial(&self.url, Speaks::Http1, self.receive_buffer, self.relay).await;
        let mut stream = dialled.map_err(|fault| (fault.kind, fault.what))?;
        let url = self.url.to_string();
        let request = Record::Request { method: self.method, url, headers: self.headers, body: None };
        self.line.record(Direction::Sent, request);
        let mut setup = Setup::new(self.target, self.line.clone(), self.rng, (place, speaker));
        for frame in &self.first {
            octets.extend(setup.encode(frame));
        }
        let sent = Instant::now();
        let no_answer = || (FaultKind::NoAnswer, format!("no answer within {:.1} s", self.deadline.as_secs_f64()));
        let head = tokio::time::timeout(self.deadline, async {
            // A refusal may come before everything was written: only the answer tells.
            let written = async {
                stream.write_all(&octets).await?;
                stream.flush().await
            };
            let written = written.await;
            match read_head(&mut stream).await {
                Err(NoHead::Ended(what)) => Err(match written {
                    Err(error) => NoHead::Broken(error),
                    Ok(()) => NoHead::Ended(what),
                }),
                other => other,
            }
        })
        .await
        .map_err(|_| no_answer())?
        .map_err(|no_head| match no_head {
            NoHead::Ended(what) => (FaultKind::Reset, what),
            NoHead::Broken(error) => match self.target.dialer().tls_fault(&error) {
                // In TLS 1.3 the service judges our certificate after our side of the handshake.
                Some(what) => (FaultKind::Tls, format!("TLS: {what}")),
                None => (FaultKind::Reset, error.to_string()),
            },
            NoHead::NotHttp(what) => (FaultKind::Protocol, format!("the answer is no HTTP: {what}")),
        })?;

        let mut body = Vec::new();
        let switched = head.status == 101;
        if !switched {
            // A body that stays away does not make the refusal unreadable.
            let _ = tokio::time::timeout(BODY_WITHIN, read_body(&mut stream, &head, &mut body)).await;
        }
        let received = Instant::now();
        let text = String::from_utf8_lossy(&body).into_owned();
        let recorded = (!text.is_empty()).then(|| excerpt(&text, self.target));
        let (status, headers) = (head.status, head.headers);
        // What is refused for being broken on purpose may be refused by a page of anybody's.
        let between = intermediary::of_answer(self.target, &self.line, status, &headers, &text)
            .filter(|(kind, _)| !(self.broken && *kind == FaultKind::Gateway));
        if between.is_some() {
            self.line.mark_broken();
        }
        self.line.record(Direction::Received, Record::Response { status, headers: headers.clone(), body: recorded });
        if let Some(between) = between {
            return Err(between);
        }
        let json = serde_json::from_str(&text).ok();
        let response = Response { status, headers, text, json, sent, received, line: self.line };
        Ok(match switched {
            true => Upgraded::Switched(setup.start(stream, &head.rest), response),
            false => Upgraded::Refused(response),
        })
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_accept_key_is_that_of_the_rfc() {
        assert_eq!(super::accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
