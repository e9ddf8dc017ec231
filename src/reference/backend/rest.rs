//! REST (contract, section 3).

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, on};
use serde_json::{Map, Value, json};

use super::Backend;
use super::auth_client::{Denial, Identity};
use super::hub::To;
use super::prompt::AGENTS;
use super::refusal::Refusal;
use super::{content, misthread, mixed, upgrade};
use crate::reference::http_error::{HttpError, bearer};
use crate::wire::{Endpoint, ErrorCode};

type Answer = Result<Response, HttpError>;
type Shared = State<Arc<Backend>>;

/// The routes of the contract's calls.
pub(super) fn router(backend: &Arc<Backend>) -> Router<Arc<Backend>> {
    let routes = Routes { backend, router: Router::new() };
    let mut router = routes
        .with(Endpoint::BackendHealth, health)
        .with(Endpoint::BackendReady, ready)
        .with(Endpoint::WsConfig, ws_config)
        .with(Endpoint::WsTicket, upgrade::issue_ticket)
        .with(Endpoint::UserProfile, profile)
        .with(Endpoint::ListThreads, list_threads)
        .with(Endpoint::CreateThread, create_thread)
        .with(Endpoint::GetThread, get_thread)
        .with(Endpoint::UpdateThread, update_thread)
        .with(Endpoint::DeleteThread, delete_thread)
        .with(Endpoint::ListMessages, list_messages)
        .with(Endpoint::PostMessage, post_message)
        .with(Endpoint::BreakerStatus, breaker_status);
    if backend.site.policy().http.backend_serves_auth_routes.on() {
        router = router.with(Endpoint::Login, login).with(Endpoint::Refresh, refresh);
    }
    router.router
}

/// Routes where the contract puts them.
struct Routes<'a> {
    backend: &'a Arc<Backend>,
    router: Router<Arc<Backend>>,
}

impl Routes<'_> {
    fn with<H, T>(mut self, endpoint: Endpoint, handler: H) -> Self
    where
        H: Handler<T, Arc<Backend>>,
        T: 'static,
    {
        if let Some((method, path)) = self.backend.site.contract().endpoint(endpoint)
            && let Some(filter) = Method::try_from(method).ok().and_then(|method| MethodFilter::try_from(method).ok())
        {
            self.router = self.router.route(path, on(filter, handler));
        }
        self
    }
}

impl Backend {
    /// Who calls.
    async fn caller(&self, headers: &HeaderMap) -> Result<Identity, HttpError> {
        let token = bearer(headers)?;
        self.identify(token, headers)
            .await
            .or_else(|denial| match denial {
                Denial::Refused(ErrorCode::TokenExpired) if self.site.policy().sync.backend_accepts_expired.on() => {
                    Ok(Identity::claimed(&self.site, token))
                }
                other => Err(other),
            })
            .map_err(|denial| match denial {
                Denial::Refused(code) => HttpError::unauthorized(code, "the token is not accepted"),
                Denial::Unavailable => HttpError::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    ErrorCode::AuthUnavailable,
                    "the auth service does not answer",
                )
                .retry_after(std::time::Duration::from_secs(1)),
            })
    }

    /// Who calls, if that user may change things.
    async fn writer(&self, headers: &HeaderMap) -> Result<Identity, HttpError> {
        let caller = self.caller(headers).await?;
        if self.site.policy().sync.readonly_can_write.on() || caller.may_write() {
            Ok(caller)
        } else {
            Err(Refusal::permission().into())
        }
    }

    fn ok(&self, endpoint: Endpoint, body: &Value) -> Response {
        self.site.answer(endpoint, StatusCode::OK, body)
    }

    fn created(&self, endpoint: Endpoint, body: &Value) -> Response {
        let status = if self.site.permitted().created_200.on() { StatusCode::OK } else { StatusCode::CREATED };
        self.site.answer(endpoint, status, body)
    }
}

async fn health(State(backend): Shared) -> Response {
    backend.ok(Endpoint::BackendHealth, &well(&backend, "healthy"))
}

async fn ready(State(backend): Shared) -> Response {
    backend.ok(Endpoint::BackendReady, &well(&backend, "ready"))
}

fn well(backend: &Backend, status: &str) -> Value {
    let site = &backend.site;
    let (version, now) = (&site.conduct.settings.version, site.clock.now());
    json!({"status": status, "service": "backend", "version": version, "timestamp": now})
}

async fn ws_config(State(backend): Shared) -> Response {
    let (conduct, http) = (&backend.site.conduct, backend.site.policy().http);
    let settings = &conduct.settings;
    let leeway =
        if http.config_excuses_anything.on() { 365.0 * 86_400.0 } else { conduct.clock_leeway().as_secs_f64() };
    let mut body = json!({
        "heartbeat_interval_s": settings.heartbeat.as_secs_f64(),
        "max_message_bytes": settings.max_message_bytes,
        "max_sockets_per_user": settings.max_sockets_per_user,
        "rate_limit": {"messages": settings.rate_messages, "window_s": settings.rate_window.as_secs_f64()},
        "auth_recheck_s": settings.auth_recheck.as_secs_f64(),
        "clock_leeway_s": leeway,
        "replay": {"events": settings.replay_events, "seconds": settings.replay_time.as_secs_f64()},
        "breaker": {
            "failure_threshold": settings.breaker_threshold,
            "retry_after_ms": settings.breaker_retry_after.as_millis() as u64,
        },
    });
    if let Value::Object(members) = &mut body
        && http.config_value_missing.on()
    {
        members.shift_remove("auth_recheck_s");
    }
    backend.ok(Endpoint::WsConfig, &body)
}

async fn profile(State(backend): Shared, headers: HeaderMap) -> Answer {
    let caller = backend.caller(&headers).await?;
    let policy = backend.site.policy().sync;
    let named = match policy.backend_wrong_user.on() {
        true => backend.site.ids.nth("user", "somebody else", 0),
        false => caller.user_id,
    };
    let permissions = if policy.backend_drops_permissions.on() { Vec::new() } else { caller.permissions };
    let body = json!({"user_id": named, "email": caller.email, "permissions": permissions});
    Ok(backend.ok(Endpoint::UserProfile, &body))
}

async fn list_threads(State(backend): Shared, headers: HeaderMap, RawQuery(query): RawQuery) -> Answer {
    let user = backend.caller(&headers).await?.user_id;
    let (limit, offset) = window(query.as_deref(), 20)?;
    let mut hub = backend.hub();
    hub.count(&user, None)?;
    let threads = hub.thread_list(&user, limit, offset);
    Ok(backend.ok(Endpoint::ListThreads, &threads))
}

async fn create_thread(State(backend): Shared, headers: HeaderMap, body: Bytes) -> Answer {
    let user = backend.writer(&headers).await?.user_id;
    let body = if body.is_empty() { Map::new() } else { backend.site.object(Endpoint::CreateThread, &body)? };
    let (title, metadata) = (optional_text(&body, "title")?, optional_object(&body, "metadata")?);
    content::title(title, backend.site.policy())?;
    let mut hub = backend.hub();
    hub.count(&user, None)?;
    let (id, created) = hub.create_thread(&user, title, metadata.unwrap_or_else(|| json!({})))?;
    hub.announce(&user, None, None, created);
    let thread = hub.thread(&user, &id)?.json(backend.site.clock);
    Ok(backend.created(Endpoint::CreateThread, &thread))
}

async fn get_thread(State(backend): Shared, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let user = backend.caller(&headers).await?.user_id;
    mixed::hesitate(&backend, &user, &id).await;
    let mut hub = backend.hub();
    let shown = hub.who_may_read(&user, &id);
    let thread = hub.thread(&shown, &id)?;
    let mut body = thread.json(backend.site.clock);
    body["message_count"] = Value::from(misthread::known_to_rest(backend.site.policy().threads, thread));
    if let Some(title) = hub.title_in_body(&user) {
        body["metadata"]["cache"] = title.into();
    }
    Ok(backend.ok(Endpoint::GetThread, &body))
}

async fn update_thread(State(backend): Shared, headers: HeaderMap, Path(id): Path<String>, body: Bytes) -> Answer {
    let user = backend.writer(&headers).await?.user_id;
    let user = backend.hub().who_may_rename(&user, &id);
    backend.hub().thread(&user, &id)?;
    let body = backend.site.object(Endpoint::UpdateThread, &body)?;
    let (title, metadata) = (optional_text(&body, "title")?, optional_object(&body, "metadata")?);
    content::title(title, backend.site.policy())?;
    let mut hub = backend.hub();
    hub.count(&user, None)?;
    if let Some(title) = title {
        let renamed = hub.rename_thread(&user, &id, title)?;
        hub.announce(&user, None, None, renamed);
    }
    if let Some(metadata) = metadata {
        hub.user(&user).threads.set_metadata(&id, metadata);
    }
    let thread = hub.thread(&user, &id)?.json(backend.site.clock);
    Ok(backend.ok(Endpoint::UpdateThread, &thread))
}

async fn delete_thread(State(backend): Shared, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let user = backend.writer(&headers).await?.user_id;
    let mut hub = backend.hub();
    hub.thread(&user, &id)?;
    hub.count(&user, None)?;
    let deleted = hub.delete_thread(&user, &id)?;
    hub.announce(&user, None, None, deleted);
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list_messages(
    State(backend): Shared,
    headers: HeaderMap,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let user = backend.caller(&headers).await?.user_id;
    let mut hub = backend.hub();
    hub.thread(&user, &id)?;
    let (limit, offset) = window(query.as_deref(), 50)?;
    hub.count(&user, None)?;
    let (thread, policy) = (hub.thread(&user, &id)?, backend.site.policy().threads);
    let total = misthread::known_to_rest(policy, thread);
    let range = misthread::paged(policy, thread.slice(limit, offset), total);
    let messages = thread.page(range.start.min(total)..range.end.min(total)).json(backend.site.clock);
    let body = json!({"messages": messages, "thread_id": id, "total": total, "limit": limit, "offset": offset});
    Ok(backend.ok(Endpoint::ListMessages, &body))
}

async fn post_message(State(backend): Shared, headers: HeaderMap, Path(id): Path<String>, body: Bytes) -> Answer {
    let user = backend.writer(&headers).await?.user_id;
    backend.hub().thread(&user, &id)?;
    let body = backend.site.object(Endpoint::PostMessage, &body)?;
    let text = body.get("content").and_then(Value::as_str);
    let text = text.ok_or_else(|| HttpError::unprocessable("the field `content` must be a string"))?;
    let text = content::kept(text, backend.site.policy())?;
    let metadata = optional_object(&body, "metadata")?.unwrap_or_else(|| json!({}));
    let mut hub = backend.hub();
    hub.thread(&user, &id)?;
    hub.count(&user, None)?;
    let created = hub.store_message(&user, &id, text, metadata);
    hub.send(&user, To::All, created.clone());
    Ok(backend.created(Endpoint::PostMessage, &Value::Object(created.payload)))
}

async fn breaker_status(State(backend): Shared, headers: HeaderMap, Path(name): Path<String>) -> Answer {
    let user = backend.caller(&headers).await?.user_id;
    let agent = AGENTS.into_iter().find(|agent| *agent == name);
    let agent = agent.ok_or_else(|| Refusal::new(ErrorCode::AgentNotFound, "There is no agent of this name."))?;
    let mut hub = backend.hub();
    let clock = backend.site.clock;
    let lies = backend.site.policy().breakers.status_lies.on();
    let breaker = hub.breaker(&user, agent);
    let body = json!({
        "state": if lies { "closed" } else { breaker.state() },
        "failure_count": breaker.failures(),
        "last_failure_time": breaker.last_failure().map(|time| clock.write(time)),
        "next_attempt_time": breaker.next_attempt().map(|time| clock.write(time)),
    });
    Ok(backend.ok(Endpoint::BreakerStatus, &body))
}

async fn login(State(backend): Shared, body: Bytes) -> Answer {
    relay(&backend, Endpoint::Login, body).await
}

async fn refresh(State(backend): Shared, body: Bytes) -> Answer {
    relay(&backend, Endpoint::Refresh, body).await
}

/// Hands a call on to the auth service.
async fn relay(backend: &Backend, endpoint: Endpoint, body: Bytes) -> Answer {
    let site = &backend.site;
    let gone = || HttpError::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::AuthUnavailable, "no auth service");
    let mut url = site.facts.urls.auth.clone().ok_or_else(gone)?;
    url.set_path(site.contract().endpoint(endpoint).map_or("", |(_, path)| path));
    let answer = site.client.post(url).header("content-type", "application/json").body(body).send().await;
    let answer = answer.map_err(|_| gone())?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(|_| gone())?;
    Ok((status, [("content-type", "application/json")], body).into_response())
}

/// `limit` and `offset` of a query.
fn window(query: Option<&str>, default: usize) -> Result<(usize, usize), HttpError> {
    let (mut limit, mut offset) = (default, 0);
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let number = || value.parse().map_err(|_| HttpError::unprocessable(format!("`{name}` must be a whole number")));
        match &*name {
            "limit" => limit = number()?,
            "offset" => offset = number()?,
            _ => {}
        }
    }
    if (1..=100).contains(&limit) {
        Ok((limit, offset))
    } else {
        Err(HttpError::unprocessable("`limit` must be 1 to 100"))
    }
}

fn optional_text<'a>(body: &'a Map<String, Value>, field: &str) -> Result<Option<&'a str>, HttpError> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(HttpError::unprocessable(format!("the field `{field}` must be a string"))),
    }
}

fn optional_object(body: &Map<String, Value>, field: &str) -> Result<Option<Value>, HttpError> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(object @ Value::Object(_)) => Ok(Some(object.clone())),
        Some(_) => Err(HttpError::unprocessable(format!("the field `{field}` must be an object"))),
    }
}
