//! The OAuth providers: an outside party with its own listener, whose user always consents.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::auth::challenge;
use super::http_error::{HttpError, bearer};
use super::id::secret;
use super::site::Site;
use super::{UserState, facts};
use crate::wire::{Endpoint, ErrorCode};

/// A code is good for this long (RFC 6749 4.1.2 allows ten minutes at most).
const CODE_LIFE: Duration = Duration::from_secs(60);

/// The auth service's name at a provider.
pub(super) fn client_id(provider: &str) -> String {
    format!("netra-at-{provider}")
}

/// The auth service's secret at a provider.
pub(super) fn client_secret(seed: u64, provider: &str) -> String {
    secret(seed, &format!("oauth-client/{provider}"))
}

struct Providers {
    site: Arc<Site>,
    codes: Mutex<HashMap<String, Grant>>,
}

/// What a code stands for.
struct Grant {
    provider: String,
    redirect_uri: String,
    challenge: String,
    given: Instant,
}

/// All providers' routes, each below its name.
pub(super) fn router(site: &Arc<Site>) -> Router {
    let providers = Arc::new(Providers { site: site.clone(), codes: Mutex::default() });
    Router::new()
        .route("/{provider}/authorize", get(authorize))
        .route("/{provider}/token", post(token))
        .route("/{provider}/userinfo", get(userinfo))
        .with_state(providers)
}

impl Providers {
    /// The one redirect URI that the auth service has registered.
    fn registered(&self) -> Option<Url> {
        let (_, path) = self.site.contract().endpoint(Endpoint::OauthCallback)?;
        self.site.facts.urls.auth.as_ref()?.join(path).ok()
    }

    fn access_token(&self, provider: &str) -> String {
        secret(self.site.conduct.seed, &format!("oauth-access/{provider}"))
    }

    fn codes(&self) -> std::sync::MutexGuard<'_, HashMap<String, Grant>> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Deserialize)]
struct Authorize {
    response_type: Option<String>,
    client_id: Option<String>,
    redirect_uri: Option<String>,
    state: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
}

async fn authorize(
    State(providers): State<Arc<Providers>>,
    Path(provider): Path<String>,
    Query(query): Query<Authorize>,
) -> Result<Response, HttpError> {
    let registered = providers.registered().filter(|_| facts::PROVIDERS.contains(&provider.as_str()));
    let registered =
        registered.ok_or_else(|| HttpError::not_found(ErrorCode::NotFound, "there is no such provider"))?;
    // Until client and redirect URI are known to fit, nobody is redirected (RFC 6749 4.1.2.1).
    if query.client_id != Some(client_id(&provider)) || query.redirect_uri.as_deref() != Some(registered.as_str()) {
        return Err(bad("client_id and redirect_uri are not registered together"));
    }
    let mut back = registered.clone();
    let is_s256 = query.code_challenge_method.as_deref() == Some("S256");
    let challenge = query.code_challenge.filter(|_| is_s256 && query.response_type.as_deref() == Some("code"));
    match challenge {
        Some(challenge) => {
            let seed = providers.site.conduct.seed;
            let code = secret(seed, &format!("oauth-code/{}", providers.site.ids.next("oauth-code", &provider)));
            back.query_pairs_mut().append_pair("code", &code);
            let grant = Grant { provider, redirect_uri: registered.into(), challenge, given: Instant::now() };
            let mut codes = providers.codes();
            codes.retain(|_, grant| grant.given.elapsed() < CODE_LIFE);
            codes.insert(code, grant);
        }
        None => {
            back.query_pairs_mut().append_pair("error", "invalid_request");
        }
    }
    if let Some(state) = &query.state {
        back.query_pairs_mut().append_pair("state", state);
    }
    Ok((StatusCode::FOUND, [(header::LOCATION, String::from(back))]).into_response())
}

async fn token(
    State(providers): State<Arc<Providers>>,
    Path(provider): Path<String>,
    body: Bytes,
) -> Result<Response, HttpError> {
    let form: HashMap<_, _> = url::form_urlencoded::parse(&body).collect();
    let field = |name: &str| form.get(name).map_or("", |value| value.as_ref());
    // Used up by the first attempt, whatever comes of it.
    let grant = providers.codes().remove(field("code"));
    let is_good = field("grant_type") == "authorization_code"
        && field("client_id") == client_id(&provider)
        && field("client_secret") == client_secret(providers.site.conduct.seed, &provider)
        && grant.is_some_and(|grant| {
            grant.provider == provider
                && grant.redirect_uri == field("redirect_uri")
                && grant.challenge == challenge(field("code_verifier"))
                && grant.given.elapsed() < CODE_LIFE
        });
    if !is_good {
        return Err(bad("invalid_grant"));
    }
    let token = providers.access_token(&provider);
    let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": "openid email"});
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

async fn userinfo(
    State(providers): State<Arc<Providers>>,
    Path(provider): Path<String>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    if bearer(&headers)? != providers.access_token(&provider) {
        return Err(HttpError::unauthorized(ErrorCode::TokenInvalid, "this access token is unknown"));
    }
    let facts = &providers.site.facts;
    // The seeded user of OAuth alone has its account at the first provider.
    let local = if provider == facts::PROVIDERS[0] { UserState::OauthOnly.slug() } else { &provider };
    let email = format!("{local}@{}", facts.user_domain);
    Ok(Json(json!({"sub": format!("{provider}|1"), "email": email, "email_verified": true})).into_response())
}

fn bad(message: &str) -> HttpError {
    HttpError::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, message)
}
