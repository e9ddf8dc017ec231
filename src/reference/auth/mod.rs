//! The auth service (contract, section 2).

mod families;
mod feed;
mod login;
mod oauth;
mod session;
mod users;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::http_error::HttpError;
use super::site::Site;
use super::tokens::{Claims, Refusal, TokenType, Tokens, unix_now};
use super::{ServeError, UserState};
use crate::wire::{Endpoint, ErrorCode};
use families::Families;
use feed::Feed;
pub(super) use feed::{News, OauthCompletion, PATH as FEED_PATH};
use oauth::Flows;
pub(super) use oauth::challenge;
use users::{User, Users};

/// The auth service's own knowledge.
struct Auth {
    site: Arc<Site>,
    tokens: Tokens,
    users: Mutex<Users>,
    families: Mutex<Families>,
    flows: Mutex<Flows>,
    feed: Feed,
}

/// The auth service's routes.
///
/// # Errors
/// [`ServeError::SigningKey`] when the signing key is none.
pub(super) fn router(site: &Arc<Site>) -> Result<Router, ServeError> {
    let auth = Arc::new(Auth {
        site: site.clone(),
        tokens: Tokens::new(&site.conduct, &site.facts)?,
        users: Mutex::new(Users::seeded(&site.facts)),
        families: Mutex::default(),
        flows: Mutex::default(),
        feed: Feed::default(),
    });
    let mut router = Router::new();
    router = site.route(router, Endpoint::AuthHealth, health);
    router = site.route(router, Endpoint::AuthReady, ready);
    router = site.route(router, Endpoint::AuthConfig, config);
    router = site.route(router, Endpoint::Login, login::password);
    router = site.route(router, Endpoint::DevLogin, login::developer);
    router = site.route(router, Endpoint::E2eLogin, login::e2e);
    router = site.route(router, Endpoint::Refresh, session::refresh);
    router = site.route(router, Endpoint::Logout, session::logout);
    router = site.route(router, Endpoint::Validate, session::validate);
    router = site.route(router, Endpoint::Verify, session::verify);
    router = site.route(router, Endpoint::Me, session::me);
    router = site.route(router, Endpoint::ServiceToken, session::service_token);
    router = site.route(router, Endpoint::Jwks, jwks);
    router = site.route(router, Endpoint::OauthProviders, oauth::providers);
    router = site.route(router, Endpoint::OauthStart, oauth::start);
    router = site.route(router, Endpoint::OauthCallback, oauth::callback);
    router = router.route(feed::PATH, get(feed::read));
    if site.policy().http.auth_serves_backend_routes.on() {
        router = site.route(router, Endpoint::ListThreads, foreign_threads);
        router = site.route(router, Endpoint::CreateThread, foreign_threads);
    }
    Ok(router.with_state(auth))
}

impl Auth {
    fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn families(&self) -> MutexGuard<'_, Families> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges a token wholly: by itself, then its user and its family.
    async fn judge(&self, token: &str, expected: TokenType) -> Result<(Claims, User), Refusal> {
        if let Some(url) = self.tokens.key_url(token) {
            // What comes back is of no use; that it was asked for is the misconduct.
            let _ = self.site.client.get(url).timeout(Duration::from_secs(1)).send().await;
        }
        let claims = self.tokens.check(token, expected)?;
        let sub = claims.sub.clone().unwrap_or_default();
        let known = self.users().by_id(&sub).cloned();
        let user = match known {
            Some(user) if user.may_enter() => user,
            None if claims.token_type == TokenType::Service || self.site.policy().tokens.accept_unknown_sub.on() => {
                User::stranger(&sub, claims.email.as_deref())
            }
            _ => return Err(Refusal::Invalid),
        };
        let is_revoked = claims.sid.as_deref().is_some_and(|sid| {
            self.families().has_revoked(sid, claims.jti.as_deref().filter(|_| expected == TokenType::Access))
        });
        match is_revoked {
            true if self.site.policy().families.revoked_called_invalid.on() => Err(Refusal::Invalid),
            true => Err(Refusal::Revoked),
            false => Ok((claims, user)),
        }
    }

    /// The same for the token of a request's `Authorization` header.
    async fn judge_bearer(&self, headers: &HeaderMap) -> Result<(Claims, User), HttpError> {
        let token = super::http_error::bearer(headers)?;
        self.judge(token, TokenType::Access).await.map_err(refused)
    }

    /// Opens a family for a user and answers with its first token set.
    fn open_family(&self, user: &User, permissions: Vec<String>, life: Duration) -> Result<TokenSet, HttpError> {
        let sid = self.site.ids.next("family", &user.id);
        let (iat, state) = (unix_now(), user.state);
        // This user's sessions are an hour old when they begin.
        let iat = if state == Some(UserState::ExpiredSession) { iat - 3600 } else { iat };
        let set = self.token_set(user, &sid, &permissions, iat, life)?;
        let mut families = self.families();
        families.open(&sid, &user.id, permissions, &set.refresh_jti);
        if state == Some(UserState::RevokedSession) {
            families.revoke(&sid);
        }
        Ok(set)
    }

    /// Signs one access and one refresh token of a family.
    fn token_set(
        &self,
        user: &User,
        sid: &str,
        permissions: &[String],
        iat: i64,
        life: Duration,
    ) -> Result<TokenSet, HttpError> {
        let refresh_life = match user.state {
            Some(UserState::ExpiredSession) => life,
            _ => self.site.conduct.settings.refresh_lifetime,
        };
        let claims = |token_type, jti: &str, life: Duration| Claims {
            token_type,
            sub: Some(user.id.clone()),
            sid: Some(sid.to_owned()),
            jti: Some(jti.to_owned()),
            iat,
            exp: iat + life.as_secs() as i64,
            email: Some(user.email.clone()),
            permissions: Some(permissions.to_owned()),
        };
        let (access_jti, refresh_jti) = (self.site.ids.next("jti", &user.id), self.site.ids.next("jti", &user.id));
        let too_much = if self.site.policy().families.expires_in_lies.on() { 60 } else { 0 };
        let sign = |claims: &Claims| self.tokens.issue(claims).map_err(|error| HttpError::internal(error.to_string()));
        Ok(TokenSet {
            access: sign(&claims(TokenType::Access, &access_jti, life))?,
            refresh: sign(&claims(TokenType::Refresh, &refresh_jti, refresh_life))?,
            expires_in: life.as_secs() + too_much,
            access_jti,
            refresh_jti,
        })
    }

    /// Answers with a token set, and beside it what `with` adds.
    fn token_answer(&self, endpoint: Endpoint, set: &TokenSet, user: Option<Value>) -> Response {
        let mut body = set.body();
        if let (Some(user), Value::Object(body)) = (user, &mut body) {
            body.insert("user".into(), user);
        }
        let mut response = self.site.answer(endpoint, StatusCode::OK, &body);
        if !self.site.policy().families.cacheable_token.on() {
            forbid_caching(&mut response);
        }
        response
    }

    /// Whether the backend says that it is well. A correct auth service never asks.
    async fn backend_is_well(&self) -> bool {
        let Some(mut url) = self.site.facts.urls.backend.clone() else { return false };
        if let Some((_, path)) = self.site.contract().endpoint(Endpoint::BackendHealth) {
            url.set_path(path);
        }
        let answer = self.site.client.get(url).timeout(Duration::from_secs(1)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    async fn health(&self, endpoint: Endpoint, status: &str) -> Result<Response, HttpError> {
        if self.site.policy().process.health_cascades.on() && !self.backend_is_well().await {
            let message = "the backend is unhealthy";
            return Err(HttpError::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Internal, message));
        }
        let body = json!({
            "status": status,
            "service": "auth-service",
            "version": self.site.conduct.settings.version,
            "timestamp": self.site.clock.now(),
        });
        Ok(self.site.answer(endpoint, StatusCode::OK, &body))
    }
}

/// An access token with its refresh token.
struct TokenSet {
    access: String,
    refresh: String,
    expires_in: u64,
    access_jti: String,
    refresh_jti: String,
}

impl TokenSet {
    fn body(&self) -> Value {
        json!({
            "access_token": self.access,
            "refresh_token": self.refresh,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
        })
    }
}

/// Whatever bears a token is for its asker alone.
fn forbid_caching(response: &mut Response) {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// The HTTP error of a refused token.
fn refused(refusal: Refusal) -> HttpError {
    match refusal {
        Refusal::Expired => {
            HttpError::unauthorized(refusal.code(), "the token has expired: refresh it or log in again")
        }
        Refusal::Invalid => HttpError::unauthorized(refusal.code(), "the token is not valid: log in again"),
        Refusal::Revoked => HttpError::unauthorized(refusal.code(), "the session was ended: log in again"),
        Refusal::Crash => HttpError::internal("the token could not be judged"),
    }
}

async fn health(State(auth): State<Arc<Auth>>) -> Result<Response, HttpError> {
    auth.health(Endpoint::AuthHealth, "healthy").await
}

async fn ready(State(auth): State<Arc<Auth>>) -> Result<Response, HttpError> {
    auth.health(Endpoint::AuthReady, "ready").await
}

async fn config(State(auth): State<Arc<Auth>>) -> Response {
    let site = &auth.site;
    let path = |endpoint| site.contract().endpoint(endpoint).map(|(_, path)| path);
    let body = json!({
        "oauth_enabled": site.facts.urls.provider.is_some(),
        "development_mode": !site.conduct.production,
        "endpoints": {
            "login": path(Endpoint::Login),
            "logout": path(Endpoint::Logout),
            "callback": path(Endpoint::OauthCallback),
            "refresh": path(Endpoint::Refresh),
            "validate": path(Endpoint::Validate),
            "verify": path(Endpoint::Verify),
            "me": path(Endpoint::Me),
        },
        "providers": site.facts.providers,
    });
    site.answer(Endpoint::AuthConfig, StatusCode::OK, &body)
}

async fn jwks(State(auth): State<Arc<Auth>>) -> Result<Response, HttpError> {
    let keys = auth.tokens.jwks().ok_or_else(|| {
        HttpError::not_found(ErrorCode::NotFound, "tokens are signed with a shared secret: there are no public keys")
    })?;
    Ok(auth.site.answer(Endpoint::Jwks, StatusCode::OK, &keys))
}

async fn foreign_threads(State(auth): State<Arc<Auth>>) -> Response {
    auth.site.answer(Endpoint::ListThreads, StatusCode::OK, &json!([]))
}
