//! Logins: by password, as the developer, with the e2e bypass key.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::users::User;
use super::{Auth, TokenSet};
use crate::reference::UserState;
use crate::reference::facts::user_id;
use crate::reference::http_error::HttpError;
use crate::wire::{Endpoint, ErrorCode};

/// The header that carries the bypass key (contract, section 2).
const BYPASS_HEADER: &str = "x-e2e-bypass-key";

impl Auth {
    /// Opens a family, as every login does.
    pub(super) async fn log_in(
        &self,
        user: &User,
        permissions: Vec<String>,
        life: Duration,
    ) -> Result<TokenSet, HttpError> {
        if self.site.policy().process.auth_needs_backend.on() && !self.backend_is_well().await {
            let message = "the backend does not answer: try again later";
            return Err(HttpError::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::AuthUnavailable, message));
        }
        self.open_family(user, permissions, life)
    }

    /// The user of an address, made when it is new.
    pub(super) fn user_of(&self, email: &str) -> User {
        self.users().of_email(email, || user_id(&self.site.conduct, email))
    }

    /// The answer of a test login that is closed here.
    fn closed(&self) -> HttpError {
        if self.site.permitted().absent_test_logins.on() {
            HttpError::not_found(ErrorCode::NotFound, "there is no such route")
        } else {
            HttpError::forbidden("test logins are closed in production")
        }
    }
}

/// POST `/auth/login`.
pub(super) async fn password(State(auth): State<Arc<Auth>>, body: Bytes) -> Result<Response, HttpError> {
    let body = auth.site.object(Endpoint::Login, &body)?;
    let (email, password) = (required(&body, "email")?, required(&body, "password")?);
    let policy = auth.site.policy().logins;
    let user = auth.users().by_email(email).cloned();
    if user.is_none() && policy.user_enumeration.on() {
        return Err(HttpError::unauthorized(ErrorCode::InvalidCredentials, "there is no user of this address"));
    }
    let user = user
        .filter(|user| user.password.as_deref() == Some(password))
        .ok_or_else(|| HttpError::unauthorized(ErrorCode::InvalidCredentials, "address or password is wrong"))?;
    if user.state == Some(UserState::RateLimited) {
        let error = HttpError::new(
            StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::RateLimitExceeded,
            "too many logins of this account: try again later",
        );
        return Err(error.retry_after(Duration::from_secs(60)));
    }
    let slips_in = match user.state {
        Some(UserState::Disabled) => policy.disabled_logs_in.on(),
        Some(UserState::Unverified) => policy.unverified_logs_in.on(),
        _ => false,
    };
    if !user.may_enter() && !slips_in {
        return Err(HttpError::forbidden("this account is disabled, or its address is not verified yet"));
    }
    let set = auth.log_in(&user, user.permissions.clone(), auth.site.conduct.settings.access_lifetime).await?;
    Ok(auth.token_answer(Endpoint::Login, &set, Some(json!({"id": user.id, "email": user.email}))))
}

/// POST `/auth/dev/login`.
pub(super) async fn developer(State(auth): State<Arc<Auth>>) -> Result<Response, HttpError> {
    if auth.site.conduct.production && !auth.site.policy().logins.dev_login_open.on() {
        return Err(auth.closed());
    }
    let user = auth.user_of(&format!("developer@{}", auth.site.facts.user_domain));
    let set = auth.log_in(&user, user.permissions.clone(), auth.site.conduct.settings.access_lifetime).await?;
    Ok(auth.token_answer(Endpoint::DevLogin, &set, Some(json!({"id": user.id, "email": user.email}))))
}

/// POST `/auth/e2e/test-auth`.
pub(super) async fn e2e(State(auth): State<Arc<Auth>>, headers: HeaderMap, body: Bytes) -> Result<Response, HttpError> {
    if auth.site.conduct.production {
        return Err(auth.closed());
    }
    let key = headers.get(BYPASS_HEADER).map(|key| key.as_bytes());
    let policy = auth.site.policy().logins;
    let is_right = key.is_some_and(|key| {
        key == auth.site.facts.bypass_key.as_bytes()
            || policy.e2e_any_key.on() && !key.is_empty()
            || policy.e2e_empty_key.on() && key.is_empty()
    });
    if !is_right {
        return Err(HttpError::forbidden("the bypass key is missing or wrong"));
    }
    let body = auth.site.object(Endpoint::E2eLogin, &body)?;
    let email = required(&body, "email")?;
    if !email.contains('@') {
        return Err(HttpError::unprocessable("email: expected an address"));
    }
    let life = match body.get("expires_in") {
        None | Some(Value::Null) => auth.site.conduct.settings.access_lifetime,
        Some(life) => life
            .as_u64()
            .filter(|life| (1..=3600).contains(life))
            .map(Duration::from_secs)
            .ok_or_else(|| HttpError::unprocessable("expires_in: expected 1 to 3600 seconds"))?,
    };
    let user = auth.user_of(email);
    if !user.may_enter() {
        return Err(HttpError::forbidden("this account is disabled, or its address is not verified yet"));
    }
    let permissions = match body.get("permissions") {
        None | Some(Value::Null) => user.permissions.clone(),
        Some(wanted) => wanted
            .as_array()
            .and_then(|wanted| wanted.iter().map(|one| one.as_str().map(str::to_owned)).collect())
            .ok_or_else(|| HttpError::unprocessable("permissions: expected a list of strings"))?,
    };
    let told = json!({"id": user.id, "email": user.email, "permissions": permissions});
    let set = auth.log_in(&user, permissions, life).await?;
    Ok(auth.token_answer(Endpoint::E2eLogin, &set, Some(told)))
}

/// A member of a request's body that must be a string.
pub(super) fn required<'a>(body: &'a Map<String, Value>, member: &str) -> Result<&'a str, HttpError> {
    body.get(member)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| HttpError::unprocessable(format!("{member}: a text is missing")))
}
