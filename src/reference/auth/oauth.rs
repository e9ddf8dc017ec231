//! Logins with an OAuth provider: authorization code with PKCE (RFC 6749, 7636, 9700).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::feed::OauthCompletion;
use super::users::User;
use super::{Auth, TokenSet, forbid_caching};
use crate::reference::http_error::HttpError;
use crate::reference::id::secret;
use crate::reference::policy::OauthPolicy;
use crate::reference::provider::{client_id, client_secret};
use crate::wire::{Endpoint, ErrorCode};

/// A `state` is good for this long.
const STATE_LIFE: Duration = Duration::from_secs(600);
/// How long the provider may take to answer.
const PROVIDER_PATIENCE: Duration = Duration::from_secs(5);

/// Flows that were started and are not over, by `state`.
#[derive(Debug, Default)]
pub(super) struct Flows(HashMap<String, Flow>);

#[derive(Clone, Debug)]
struct Flow {
    provider: String,
    verifier: String,
    /// What the browser's cookie must hold.
    browser: String,
    started: Instant,
    return_url: Option<String>,
}

impl Flows {
    fn begin(&mut self, state: String, flow: Flow) {
        self.0.retain(|_, flow| flow.started.elapsed() < STATE_LIFE);
        self.0.insert(state, flow);
    }

    /// Ends a flow: its `state` is used up. A callback without the right cookie leaves it alone.
    fn end(&mut self, state: &str, browser: Option<&str>, policy: OauthPolicy) -> Option<Flow> {
        if !self.0.contains_key(state) && policy.state_ignored.on() {
            return self.0.values().max_by_key(|flow| flow.started).cloned();
        }
        let flow = self.0.get(state)?;
        let is_bound = Some(flow.browser.as_str()) == browser || policy.state_unbound.on();
        if !is_bound || flow.started.elapsed() >= STATE_LIFE {
            return None;
        }
        if policy.state_reusable.on() { Some(flow.clone()) } else { self.0.remove(state) }
    }
}

/// GET `/oauth/providers`.
pub(super) async fn providers(State(auth): State<Arc<Auth>>) -> Response {
    let facts = &auth.site.facts;
    let status = if facts.urls.provider.is_some() { "configured" } else { "not_configured" };
    let providers: Vec<Value> = facts.providers.iter().map(|name| json!({"name": name, "status": status})).collect();
    auth.site.answer(Endpoint::OauthProviders, StatusCode::OK, &json!({"providers": providers}))
}

/// The query of [`start`].
#[derive(Debug, Deserialize)]
pub(super) struct Start {
    provider: Option<String>,
    return_url: Option<String>,
    redirect_uri: Option<String>,
}

/// GET `/auth/login?provider=P`.
pub(super) async fn start(State(auth): State<Arc<Auth>>, Query(query): Query<Start>) -> Result<Response, HttpError> {
    let bad = |message: &str| HttpError::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, message);
    let site = &auth.site;
    let policy = site.policy().oauth;
    let is_known = |name: &String| {
        site.facts.providers.contains(name)
            && !(site.facts.providers.last() == Some(name) && policy.provider_missing.on())
    };
    let provider = query.provider.filter(is_known);
    let provider = provider.ok_or_else(|| bad("provider: there is none of this name"))?;
    let callback = auth.callback_url()?;
    if query.redirect_uri.is_some_and(|given| given != callback.as_str()) {
        return Err(bad("redirect_uri: it is always the auth service's callback"));
    }
    if !query.return_url.as_deref().is_none_or(|url| auth.is_own_page(url)) {
        return Err(bad("return_url: it must be a page of the application"));
    }
    let mut authorize = auth.provider_url(&provider, "authorize")?;
    // Functions of the seed like all secrets of a reference: new for each flow, 256 bits each.
    let number = site.ids.next("oauth-flow", &provider);
    let fresh = |purpose: &str| secret(site.conduct.seed, &format!("oauth/{purpose}/{provider}/{number}"));
    let constant = || secret(site.conduct.seed, &format!("oauth/state/{provider}"));
    let state = if policy.state_constant.on() { constant() } else { fresh("state") };
    let (verifier, browser) = (fresh("verifier"), fresh("browser"));
    authorize
        .query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &client_id(&provider))
        .append_pair("redirect_uri", callback.as_str())
        .append_pair("scope", "openid email profile")
        .append_pair("state", &state);
    if !policy.no_pkce.on() {
        authorize
            .query_pairs_mut()
            .append_pair("code_challenge", &challenge(&verifier))
            .append_pair("code_challenge_method", "S256");
    }
    let cookie = auth.cookie(&state, &browser, STATE_LIFE);
    let flow = Flow { provider, verifier, browser, started: Instant::now(), return_url: query.return_url };
    auth.flows.lock().unwrap_or_else(PoisonError::into_inner).begin(state, flow);
    let mut response = redirect(authorize.as_str())?;
    response.headers_mut().insert(header::SET_COOKIE, cookie?);
    Ok(response)
}

/// The query of [`callback`].
#[derive(Debug, Deserialize)]
pub(super) struct Callback {
    code: Option<String>,
    state: Option<String>,
}

/// GET `/auth/callback?code&state`.
pub(super) async fn callback(
    State(auth): State<Arc<Auth>>,
    headers: HeaderMap,
    Query(query): Query<Callback>,
) -> Result<Response, HttpError> {
    let state = query.state.unwrap_or_default();
    let browser = cookie_value(&headers, &cookie_name(&state));
    let policy = auth.site.policy().oauth;
    let flow = auth.flows.lock().unwrap_or_else(PoisonError::into_inner).end(&state, browser.as_deref(), policy);
    let flow = flow.ok_or_else(|| {
        let message = "state: missing, unknown, used, or not of this browser: start the login again";
        HttpError::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, message)
    })?;
    let code = query.code.ok_or_else(|| not_let_in("the provider gave no code"))?;
    let email = auth.verified_email(&flow, &code).await?;
    let user = auth.user_of(&email);
    if !user.may_enter() {
        return Err(HttpError::forbidden("this account is disabled, or its address is not verified yet"));
    }
    let life = auth.site.conduct.settings.access_lifetime;
    let mut set = auth.log_in(&user, user.permissions.clone(), life).await?;
    if policy.oauth_token_unusable.on() {
        set.access.clone_from(&set.refresh);
    }
    auth.feed.tell(OauthCompletion {
        provider: flow.provider.clone(),
        user_id: user.id.clone(),
        email: user.email.clone(),
    });
    let mut response = auth.oauth_answer(&headers, &flow, &set, &user)?;
    response.headers_mut().insert(header::SET_COOKIE, auth.cookie(&state, "", Duration::ZERO)?);
    forbid_caching(&mut response);
    Ok(response)
}

impl Auth {
    fn callback_url(&self) -> Result<Url, HttpError> {
        let path = self.site.contract().endpoint(Endpoint::OauthCallback).map_or("/auth/callback", |(_, path)| path);
        let base = self.site.facts.urls.auth.as_ref().and_then(|url| url.join(path).ok());
        base.ok_or_else(|| HttpError::internal("the auth service does not know its own address"))
    }

    fn provider_url(&self, provider: &str, call: &str) -> Result<Url, HttpError> {
        let base = self.site.facts.urls.provider.as_ref();
        base.and_then(|url| url.join(&format!("{provider}/{call}")).ok()).ok_or_else(|| {
            let message = "this provider is not configured";
            HttpError::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::NotConfigured, message)
        })
    }

    /// Whether `url` is a path of the application, or a URL of its origin.
    fn is_own_page(&self, url: &str) -> bool {
        if self.site.policy().oauth.open_redirect.on() {
            return true;
        }
        let Some(frontend) = &self.site.facts.urls.frontend else { return false };
        // Joining resolves `//host` and `/\host` as browsers do.
        frontend.join(url).is_ok_and(|page| page.origin() == frontend.origin())
    }

    /// Trades the code for the address that the provider has verified.
    async fn verified_email(&self, flow: &Flow, code: &str) -> Result<String, HttpError> {
        let callback = self.callback_url()?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", callback.as_str()),
            ("client_id", &client_id(&flow.provider)),
            ("client_secret", &client_secret(self.site.conduct.seed, &flow.provider)),
            ("code_verifier", &flow.verifier),
        ];
        let client = &self.site.client;
        let url = self.provider_url(&flow.provider, "token")?;
        let grant = provider_answer(client.post(url).form(&form)).await?;
        let token = grant.get("access_token").and_then(Value::as_str).ok_or_else(|| not_let_in("no access token"))?;
        let url = self.provider_url(&flow.provider, "userinfo")?;
        let person = provider_answer(client.get(url).bearer_auth(token)).await?;
        let is_verified = person.get("email_verified") == Some(&Value::Bool(true));
        let email = person.get("email").and_then(Value::as_str).filter(|_| is_verified);
        email.map(str::to_owned).ok_or_else(|| not_let_in("the provider has not verified the address"))
    }

    /// The token set in the fragment of the application's callback, or as JSON when asked for.
    fn oauth_answer(
        &self,
        headers: &HeaderMap,
        flow: &Flow,
        set: &TokenSet,
        user: &User,
    ) -> Result<Response, HttpError> {
        let wants_json = headers
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.contains("application/json"));
        let page = self.site.contract().endpoint(Endpoint::FrontendCallback).map_or("/auth/callback", |(_, path)| path);
        let page = self.site.facts.urls.frontend.as_ref().and_then(|url| url.join(page).ok());
        match page.filter(|_| !wants_json) {
            None => {
                let told = json!({"id": user.id, "email": user.email});
                Ok(self.token_answer(Endpoint::OauthCallback, set, Some(told)))
            }
            Some(mut page) => {
                let mut fragment = url::form_urlencoded::Serializer::new(String::new());
                fragment
                    .append_pair("access_token", &set.access)
                    .append_pair("refresh_token", &set.refresh)
                    .append_pair("token_type", "Bearer")
                    .append_pair("expires_in", &set.expires_in.to_string());
                if let Some(return_url) = &flow.return_url {
                    fragment.append_pair("return_url", return_url);
                }
                let told = fragment.finish();
                if self.site.policy().oauth.tokens_in_query.on() {
                    page.set_query(Some(&told));
                } else {
                    page.set_fragment(Some(&told));
                }
                redirect(page.as_str())
            }
        }
    }

    /// Binds a flow to its browser.
    fn cookie(&self, state: &str, value: &str, life: Duration) -> Result<HeaderValue, HttpError> {
        let secure = if self.site.conduct.tls.is_some() { "; Secure" } else { "" };
        let (name, age) = (cookie_name(state), life.as_secs());
        HeaderValue::try_from(format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"))
            .map_err(|_| HttpError::internal("the state cookie could not be written"))
    }
}

/// The provider's JSON answer to a call; anything else means that the login is refused.
async fn provider_answer(request: reqwest::RequestBuilder) -> Result<Value, HttpError> {
    let answer = request.timeout(PROVIDER_PATIENCE).send().await.map_err(|_| {
        let message = "the provider does not answer: try again later";
        HttpError::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::AuthUnavailable, message)
    })?;
    if !answer.status().is_success() {
        return Err(not_let_in("the provider refused the code"));
    }
    answer.json().await.map_err(|_| not_let_in("the provider's answer is no JSON"))
}

fn not_let_in(message: &str) -> HttpError {
    HttpError::unauthorized(ErrorCode::InvalidCredentials, message)
}

fn redirect(to: &str) -> Result<Response, HttpError> {
    let to = HeaderValue::try_from(to).map_err(|_| HttpError::internal("the redirect could not be written"))?;
    Ok((StatusCode::FOUND, [(header::LOCATION, to)]).into_response())
}

/// `S256` of RFC 7636.
pub(in crate::reference) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

/// One cookie a flow, so that two tabs of one browser do not end each other's.
fn cookie_name(state: &str) -> String {
    format!("netra_oauth_{}", &challenge(state)[..12])
}

fn cookie_value(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value.to_owned())
}
