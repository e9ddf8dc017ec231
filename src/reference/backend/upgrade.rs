//! The handshake (contract, section 5): from an HTTP request to a socket, or a refusal.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::rt::TokioIo;
use ring::digest;
use serde_json::json;
use tokio::time::timeout;

use super::auth_client::{Denial, Identity};
use super::credentials;
use super::frames::Incoming;
use super::refusal::Refusal;
use super::requests::close_code;
use super::session::Entry;
use super::socket::{self, Parting, Writer};
use super::tickets::LIFE;
use super::{Backend, misstream, watch};
use crate::reference::http_error::HttpError;
use crate::reference::listen::Connection;
use crate::wire::{Endpoint, ErrorCode, Kind, Message};

/// RFC 6455, 1.3.
const ACCEPT_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// How long a client may take from the 101 to its first message, where a defect waits for one.
const FIRST_WORDS: std::time::Duration = std::time::Duration::from_millis(300);

/// Answers an upgrade.
pub(super) async fn upgrade(State(backend): State<Arc<Backend>>, mut request: Request) -> Response {
    let key = match check(&backend, &request) {
        Ok(key) => key,
        Err(refusal) => return *refusal,
    };
    let offered = credentials::subprotocols(request.headers());
    let origin = request.headers().get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default().to_owned());
    let admitted = match origin {
        Some(origin) if !allows_origin(&backend, &origin) => Err(ErrorCode::OriginForbidden),
        _ => match credentials::find(&backend, request.headers(), request.uri().query()) {
            Ok(found) => admit(&backend, request.headers(), found).await,
            Err(code) => Err(code),
        },
    };
    let Some(connection) = request.extensions().get::<Connection>().cloned() else {
        return HttpError::internal("the connection cannot be upgraded").into_response();
    };
    let opened = admitted.and_then(|identity| open(&backend, identity));
    let token = credentials::first_token(request.headers(), request.uri().query(), backend.site.contract());
    match opened {
        Ok(number) => {
            let answer = switching(&backend, &key, &offered, &mut request, &connection, Ending::Socket(number));
            let mut hub = backend.hub();
            if let Some((user, session)) =
                hub.session_of(number).map(|(user, session)| (user.to_owned(), session.id.clone()))
            {
                drop(hub);
                watch::watch(&backend, user, session);
            } else {
                hub.detach(number);
            }
            answer
        }
        Err(code) if refuses_after_upgrade(&backend, &code) => {
            switching(&backend, &key, &offered, &mut request, &connection, Ending::Refusal(code, token))
        }
        Err(code) => refused(&backend, code, &token).into_response(),
    }
}

/// Gives a ticket for the token in the header, which is judged as one that asks for a socket.
pub(super) async fn issue_ticket(State(backend): State<Arc<Backend>>, headers: HeaderMap) -> Response {
    let admitted = match credentials::for_ticket(&backend, &headers) {
        Ok(found) => admit(&backend, &headers, found).await,
        Err(code) => Err(code),
    };
    match admitted {
        Ok(identity) => {
            let ticket = backend.hub().tickets.issue(identity);
            let body = json!({ "ticket": ticket, "expires_in": LIFE.as_secs() });
            backend.site.answer(Endpoint::WsTicket, StatusCode::OK, &body)
        }
        Err(code) => {
            let token = credentials::first_token(&headers, None, backend.site.contract());
            refused(&backend, code, &token).into_response()
        }
    }
}

/// What a 101 leads to.
enum Ending {
    Socket(u64),
    /// The code, and the token that was refused.
    Refusal(ErrorCode, String),
}

/// The rules of RFC 6455, 4.2.1; the key of a request that keeps them.
fn check(backend: &Backend, request: &Request) -> Result<String, Box<Response>> {
    let policy = backend.site.policy().handshake;
    let headers = request.headers();
    let malformed = |status, message: &str| {
        let status = if policy.upgrade_500.on() { StatusCode::INTERNAL_SERVER_ERROR } else { status };
        Box::new(HttpError::new(status, ErrorCode::InvalidRequest, message).into_response())
    };
    if request.method() != Method::GET {
        return Err(malformed(StatusCode::METHOD_NOT_ALLOWED, "an upgrade is a GET"));
    }
    if request.version() < Version::HTTP_11 {
        return Err(malformed(StatusCode::BAD_REQUEST, "an upgrade needs HTTP/1.1"));
    }
    if !has_token(headers, header::UPGRADE, "websocket") || !has_token(headers, header::CONNECTION, "upgrade") {
        return Err(malformed(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket endpoint"));
    }
    let version = headers.get(header::SEC_WEBSOCKET_VERSION).map(HeaderValue::as_bytes);
    if version != Some(b"13") && !policy.accepts_wrong_version.on() {
        let mut refusal = malformed(StatusCode::UPGRADE_REQUIRED, "this endpoint speaks version 13");
        refusal.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Err(refusal);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok());
    let is_valid = |key: &&str| STANDARD.decode(key).is_ok_and(|octets| octets.len() == 16);
    match key.filter(is_valid) {
        Some(key) if headers.get_all(header::SEC_WEBSOCKET_KEY).iter().count() == 1 => Ok(key.to_owned()),
        _ => Err(malformed(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be 16 octets in base64")),
    }
}

/// Whether a comma-separated header has this member, in any case.
fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|member| member.trim().eq_ignore_ascii_case(token))
}

fn allows_origin(backend: &Backend, origin: &str) -> bool {
    let policy = backend.site.policy().handshake;
    if policy.accept_any_origin.on() || backend.site.allows_origin(origin) {
        return true;
    }
    let frontend = backend.site.facts.urls.frontend.as_ref().map(|url| url.origin().ascii_serialization());
    policy.origin_prefix_match.on()
        && frontend.is_some_and(|frontend| {
            let host = frontend.split_once("://").map_or(frontend.as_str(), |(_, host)| host);
            origin.starts_with(&frontend) || origin.ends_with(host)
        })
}

/// Who asks, by the credentials of the request.
async fn admit(backend: &Backend, headers: &HeaderMap, found: Vec<credentials::Found>) -> Result<Identity, ErrorCode> {
    let (policy, restore) = (backend.site.policy().handshake, backend.site.policy().restore);
    let mut last = ErrorCode::TokenInvalid;
    for credential in found {
        let token = match credential {
            credentials::Found::Token(token) => token,
            credentials::Found::Nobody => return Ok(Identity::guest(&backend.site)),
            credentials::Found::Unreadable => continue,
            credentials::Found::Ticket(ticket) => match backend.hub().tickets.redeem(&ticket, policy) {
                Some(identity) => return Ok(identity),
                None if policy.ticket_unchecked.on() => return Ok(Identity::guest(&backend.site)),
                None => continue,
            },
        };
        match backend.identify(&token, headers).await {
            Ok(_) if policy.reject_everything.on() => return Err(ErrorCode::TokenInvalid),
            Ok(identity) => return Ok(identity),
            Err(Denial::Refused(ErrorCode::TokenExpired)) if backend.site.policy().sync.ws_accepts_expired.on() => {
                return Ok(Identity::claimed(&backend.site, &token));
            }
            Err(Denial::Unavailable) if policy.fail_open.on() => return Ok(Identity::claimed(&backend.site, &token)),
            Err(Denial::Refused(ErrorCode::TokenExpired)) => match returning(backend, &token) {
                Some(identity) => return Ok(identity),
                None if restore.expired_called_retry_later.on() => last = ErrorCode::AuthUnavailable,
                None => last = ErrorCode::TokenExpired,
            },
            Err(denial) => last = denial.code(),
        }
    }
    Err(last)
}

/// Whom an expired token names, where somebody who comes back is let in with it.
fn returning(backend: &Backend, token: &str) -> Option<Identity> {
    let identity = Identity::claimed(&backend.site, token);
    let comes_back = backend.hub().users.get(&identity.user_id).is_some_and(|user| !user.sessions.is_empty());
    (comes_back && backend.site.policy().restore.reconnect_with_expired.on()).then_some(identity)
}

/// Opens a socket for a user who may have another one.
fn open(backend: &Backend, identity: Identity) -> Result<u64, ErrorCode> {
    let mut hub = backend.hub();
    let is_full = hub.count_sockets(&identity.user_id) >= backend.site.conduct.settings.max_sockets_per_user;
    if is_full && !backend.site.policy().limits.no_socket_limit.on() {
        return Err(ErrorCode::TooManyConnections);
    }
    Ok(hub.open(identity, !backend.site.policy().handshake.no_welcome.on()))
}

/// Which refusals come after a 101.
fn refuses_after_upgrade(backend: &Backend, code: &ErrorCode) -> bool {
    let (policy, permitted) = (backend.site.policy().handshake, backend.site.permitted());
    if !backend.site.contract().tells_refusals() && *code == ErrorCode::AuthMissing {
        return false;
    }
    if permitted.refuse_after_upgrade.on()
        || (permitted.outage_after_upgrade.on() && *code == ErrorCode::AuthUnavailable)
    {
        return true;
    }
    // These defects show after a 101 only.
    [
        policy.welcome_before_auth,
        policy.answer_before_auth,
        policy.token_in_close_reason,
        policy.silent_refusal,
        policy.close_1011_on_auth,
        backend.site.policy().streams.stream_before_auth,
    ]
    .iter()
    .any(|defect| defect.on())
}

/// The refusal in place of a 101.
fn refused(backend: &Backend, code: ErrorCode, token: &str) -> HttpError {
    let policy = backend.site.policy().handshake;
    let (status, message) = match code {
        ErrorCode::OriginForbidden => (StatusCode::FORBIDDEN, "this origin may not open sockets"),
        ErrorCode::TooManyConnections => (StatusCode::TOO_MANY_REQUESTS, "this user has too many sockets"),
        ErrorCode::AuthUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "the auth service does not answer"),
        ErrorCode::AuthMissing => (StatusCode::UNAUTHORIZED, "a token is missing"),
        _ => (StatusCode::UNAUTHORIZED, "the token is not accepted"),
    };
    let quoted = if policy.token_in_error_body.on() { format!(": {token}") } else { String::new() };
    let error = HttpError::new(status, code, format!("{message}{quoted}"));
    if status == StatusCode::SERVICE_UNAVAILABLE { error.retry_after(std::time::Duration::from_secs(1)) } else { error }
}

/// The 101, and what follows it.
fn switching(
    backend: &Arc<Backend>,
    key: &str,
    offered: &[String],
    request: &mut Request,
    connection: &Connection,
    ending: Ending,
) -> Response {
    let policy = backend.site.policy().handshake;
    let suffix = if policy.wrong_accept_key.on() { "another suffix" } else { ACCEPT_SUFFIX };
    let accept = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{suffix}").as_bytes());
    let word = if backend.site.conduct.lower_case_headers() { "WebSocket" } else { "websocket" };
    let mut answer = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::UPGRADE, word)
        .header(header::CONNECTION, "Upgrade")
        .header(header::SEC_WEBSOCKET_ACCEPT, STANDARD.encode(accept));
    if let Some(selected) = select(backend, offered) {
        answer = answer.header(header::SEC_WEBSOCKET_PROTOCOL, selected);
    }
    if policy.unasked_extension.on() {
        answer = answer.header(header::SEC_WEBSOCKET_EXTENSIONS, "permessage-deflate");
    }
    let upgraded = hyper::upgrade::on(request);
    let (of_task, cut) = (backend.clone(), connection.cut().clone());
    connection.spawn(async move {
        let stream = tokio::select! {
            upgraded = upgraded => upgraded.ok(),
            () = cut.cancelled() => None,
        };
        match (stream, ending) {
            (Some(stream), Ending::Socket(number)) => socket::serve(of_task, TokioIo::new(stream), number, cut).await,
            (None, Ending::Socket(number)) => of_task.hub().detach(number),
            (Some(stream), Ending::Refusal(code, token)) => {
                tokio::select! {
                    () = refuse(&of_task, TokioIo::new(stream), code, &token, &cut) => {}
                    () = cut.cancelled() => {}
                }
            }
            (None, Ending::Refusal(..)) => {}
        }
    });
    answer.body(Body::empty()).unwrap_or_else(|error| HttpError::internal(error.to_string()).into_response())
}

/// The subprotocol of the 101.
fn select(backend: &Backend, offered: &[String]) -> Option<String> {
    let policy = backend.site.policy().handshake;
    let contract = backend.site.contract();
    if policy.unasked_subprotocol.on() {
        return Some("netra.v1".into());
    }
    if policy.echo_subprotocol_token.on()
        && let Some(carrier) = offered.iter().find(|offer| contract.token_of_subprotocol(offer).is_some())
    {
        return Some(carrier.clone());
    }
    offered.iter().find(|offer| *offer == contract.auth_subprotocol()).cloned()
}

/// One error and the end.
async fn refuse<S>(
    backend: &Backend,
    stream: S,
    code: ErrorCode,
    token: &str,
    cut: &tokio_util::sync::CancellationToken,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite,
{
    let (site, policy) = (&backend.site, backend.site.policy().handshake);
    let (read, write) = tokio::io::split(stream);
    let mut reader = socket::reader(site, read);
    let mut writer = Writer { io: write, site };
    let mut messages = Vec::new();
    if policy.welcome_before_auth.on() {
        let now = site.clock.now();
        let welcome = Message::new(Kind::ConnectionEstablished)
            .with("connection_id", site.ids.next("connection", "stranger"))
            .with("user_id", Identity::claimed(site, token).user_id)
            .with("server_time", now.clone())
            .with("expires_at", now);
        messages.push(welcome);
    }
    if policy.answer_before_auth.on()
        && let Ok(Ok(Incoming::Text(_))) = timeout(FIRST_WORDS, reader.next()).await
    {
        messages.push(Message::new(Kind::Pong));
    }
    if site.policy().streams.stream_before_auth.on()
        && let Ok(Ok(Incoming::Text(text))) = timeout(FIRST_WORDS, reader.next()).await
    {
        messages.extend(misstream::overheard(&backend.hub(), &text));
    }
    if !policy.silent_refusal.on() && site.contract().tells_refusals() {
        let refusal = Refusal::new(code.clone(), "This connection is not accepted. Please log in and try again.");
        messages.push(backend.hub().error(&refusal));
    }
    for (index, message) in messages.into_iter().enumerate() {
        let message = message.id(site.ids.next("event", "stranger"));
        let mut entry = Entry::new(Arc::new(message), 0);
        entry.sequence = Some(index as u64 + 1);
        if writer.message(&entry).await.is_err() {
            return;
        }
    }
    let reason = if policy.token_in_close_reason.on() { token.to_owned() } else { code.as_str().to_owned() };
    let code = if policy.close_1011_on_auth.on() { 1011 } else { close_code(&code) };
    socket::farewell(&mut reader, &mut writer, Parting::Frame { code, reason, is_answer: false }, cut).await;
}
