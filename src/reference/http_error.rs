//! HTTP, as all services of the reference speak it: bodies of success, error bodies, CORS.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use serde_json::{Map, Value, json};

use super::site::Site;
use super::{Subject, notes};
use crate::wire::{Endpoint, ErrorCode};

/// An answer that is an error. [`finish`] gives it its form.
#[derive(Clone, Debug)]
pub(super) struct HttpError {
    /// HTTP status.
    pub(super) status: StatusCode,
    /// What went wrong, of the contract's list.
    pub(super) code: ErrorCode,
    /// The same for people.
    pub(super) message: String,
    /// `Retry-After`, rounded up to seconds.
    pub(super) retry_after: Option<Duration>,
}

impl HttpError {
    /// An error of this status and code.
    pub(super) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    /// 401.
    pub(super) fn unauthorized(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    /// 404 of a route or thing that is not there.
    pub(super) fn not_found(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 422: a field is missing or holds what it must not.
    pub(super) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::InvalidRequest, message)
    }

    /// 403 `PERMISSION_DENIED`.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, ErrorCode::PermissionDenied, message)
    }

    /// 500.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, message)
    }

    /// The same with `Retry-After`.
    #[must_use]
    pub(super) fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Whether a credential was refused: then the code must be told even where errors are bare.
    fn is_about_a_credential(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::AuthMissing
                | ErrorCode::TokenExpired
                | ErrorCode::TokenInvalid
                | ErrorCode::TokenRevoked
                | ErrorCode::OriginForbidden
                | ErrorCode::TooManyConnections
                | ErrorCode::AuthUnavailable
                | ErrorCode::UserMismatch
        )
    }

    fn write(&self, site: &Site) -> Response {
        let told = json!({"error_code": self.code.as_str(), "message": self.message});
        let told = site.contract().write_http_error(&told);
        let mut body = if !site.permitted().detail_errors.on() {
            told
        } else if self.is_about_a_credential() {
            json!({"detail": told})
        } else {
            json!({"detail": self.message})
        };
        site.dialect.extend(&mut body);
        let (kind, text) = if site.policy().http.html_error_page.on() {
            ("text/html; charset=utf-8", format!("<html><body><h1>{}</h1></body></html>", self.status))
        } else {
            ("application/json", site.dialect.text(&body))
        };
        let status = match self.code {
            ErrorCode::AuthMissing => StatusCode::from_u16(site.contract().missing_credential()).unwrap_or(self.status),
            _ => self.status,
        };
        let mut response = (status, [(header::CONTENT_TYPE, kind)], text).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED && !site.policy().handshake.no_www_authenticate.on() {
            // RFC 6750 3.1: a request without a credential is told no error.
            let challenge = match self.code {
                ErrorCode::AuthMissing => HeaderValue::from_static("Bearer realm=\"netra\""),
                ref code => HeaderValue::try_from(format!(
                    "Bearer realm=\"netra\", error=\"invalid_token\", error_description=\"{code}\""
                ))
                .unwrap_or(HeaderValue::from_static("Bearer realm=\"netra\"")),
            };
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        let silent = self.status == StatusCode::TOO_MANY_REQUESTS && site.policy().limits.no_retry_after.on();
        if let Some(after) = self.retry_after.filter(|_| !silent) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_millis().div_ceil(1000) as u64));
        }
        response
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl Site {
    /// `router` with one more call, at the method and path that the contract tells; a call that
    /// the contract does not have is left out.
    pub(super) fn route<H, T, S>(&self, router: Router<S>, endpoint: Endpoint, handler: H) -> Router<S>
    where
        H: Handler<T, S>,
        T: 'static,
        S: Clone + Send + Sync + 'static,
    {
        let at = self.contract().endpoint(endpoint).and_then(|(method, path)| {
            Some((MethodFilter::try_from(Method::from_bytes(method.as_bytes()).ok()?).ok()?, path))
        });
        match at {
            Some((method, path)) => router.route(path, on(method, handler)),
            None => router,
        }
    }

    /// An answer to `endpoint`: a logical body, as the contract and the variations write it.
    pub(super) fn answer(&self, endpoint: Endpoint, status: StatusCode, body: &Value) -> Response {
        notes::answered(endpoint);
        let mut body = Cow::Borrowed(body);
        for filter in self.policy().filters.iter().filter(|filter| filter.subject() == Subject::Body(endpoint)) {
            if filter.change(body.to_mut()) {
                notes::filtered();
            }
        }
        let mut body = self.contract().write_body(endpoint, &body);
        self.dialect.extend(&mut body);
        (status, [(header::CONTENT_TYPE, "application/json")], self.dialect.text(&body)).into_response()
    }

    /// The logical object in a request's body.
    ///
    /// # Errors
    /// 400 for what is no JSON, 422 for what is no object.
    pub(super) fn object(&self, endpoint: Endpoint, body: &[u8]) -> Result<Map<String, Value>, HttpError> {
        let value: Value = serde_json::from_slice(body).map_err(|error| {
            if self.policy().http.bad_body_500.on() {
                HttpError::internal("the body could not be read")
            } else {
                let message = format!("the body is not JSON: {error}");
                HttpError::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, message)
            }
        })?;
        match self.contract().read_request(endpoint, &value) {
            Value::Object(members) => Ok(members),
            _ => Err(HttpError::unprocessable("the body must be a JSON object")),
        }
    }
}

/// Completes a service: errors and unknown routes get their form, browsers their CORS headers.
pub(super) fn finish(router: Router, site: &Arc<Site>) -> Router {
    router
        .fallback(|| async { HttpError::not_found(ErrorCode::NotFound, "there is no such route") })
        .method_not_allowed_fallback(|| async {
            let message = "this route does not know this method";
            HttpError::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidRequest, message)
        })
        .layer(middleware::map_response_with_state(site.clone(), write_error))
        .layer(middleware::from_fn_with_state(site.clone(), cors))
}

async fn write_error(State(site): State<Arc<Site>>, response: Response) -> Response {
    let status = response.status();
    let headers = response.headers();
    let is_bare = headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let mut written = match response.extensions().get::<HttpError>() {
        Some(error) => error.write(&site),
        // What the framework refuses by itself (queries, over-long bodies) has no form yet.
        None if status.is_client_error() && is_bare => {
            let message = status.canonical_reason().unwrap_or("refused");
            HttpError::new(status, ErrorCode::InvalidRequest, message).write(&site)
        }
        None => return response,
    };
    // `Allow`, `Sec-WebSocket-Version` and the like: what the refusal says beside its body.
    for (name, value) in headers {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            written.headers_mut().append(name, value.clone());
        }
    }
    written
}

async fn cors(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let is_preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let http = site.policy().http;
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = origin else { return response };
    if http.cors_star_with_credentials.on() {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        return response;
    }
    let is_allowed = origin.to_str().is_ok_and(|origin| site.allows_origin(origin));
    if !is_allowed && !http.cors_mirrors_origin.on() {
        return response;
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if is_preflight {
        let methods = HeaderValue::from_static("GET, POST, PUT, DELETE");
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        let allowed = HeaderValue::from_static("authorization, content-type, traceparent, x-netra-check");
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    response
}

/// The token of `Authorization: Bearer …`.
///
/// # Errors
/// 401 `AUTH_MISSING` without a header, with an empty one, or with another scheme.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str, HttpError> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty())
        .ok_or_else(|| HttpError::unauthorized(ErrorCode::AuthMissing, "a Bearer token is missing"))
}

/// A body of which the length is not told beforehand, on a connection that then closes.
pub(super) fn closing(response: Response) -> Response {
    use http_body_util::BodyExt as _;
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::new(body.map_frame(|frame| frame).boxed_unsync()))
}
