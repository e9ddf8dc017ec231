//! Asking the auth service about tokens: the backend believes nobody else, and remembers nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use serde_json::{Value, json};
use time::OffsetDateTime;
use url::Url;

use crate::reference::site::Site;
use crate::reference::tokens::{TokenType, Tokens};
use crate::reference::{ServeError, notes};
use crate::wire::{Endpoint, ErrorCode, read_timestamp};

/// How long the auth service may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whose token it is, and what it permits.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) token: Arc<str>,
    pub(super) user_id: String,
    pub(super) email: String,
    pub(super) permissions: Vec<String>,
    pub(super) expires_at: OffsetDateTime,
}

impl Identity {
    pub(super) fn may_write(&self) -> bool {
        self.permissions.iter().any(|permission| permission == "write")
    }

    /// Somebody without a token.
    pub(super) fn guest(site: &Site) -> Self {
        Self {
            token: "".into(),
            user_id: site.ids.nth("user", "guest", 0),
            email: "guest@netra.example".into(),
            permissions: vec!["read".into(), "write".into()],
            expires_at: OffsetDateTime::now_utc() + time::Duration::HOUR,
        }
    }

    /// Whom a token names, whether that is true or not.
    pub(super) fn claimed(site: &Site, token: &str) -> Self {
        let claims = claims_of(token);
        let text = |claim: &str| claims[claim].as_str().map(str::to_owned);
        let guest = Self::guest(site);
        Self { user_id: text("sub").unwrap_or(guest.user_id), email: text("email").unwrap_or(guest.email), ..guest }
    }
}

/// The claims of a token, whether they are true or not.
pub(super) fn claims_of(token: &str) -> Value {
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    claims.and_then(|claims| serde_json::from_slice(&claims).ok()).unwrap_or_default()
}

/// Why a token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    /// The auth service refuses it with this code.
    Refused(ErrorCode),
    /// The auth service does not answer.
    Unavailable,
}

impl Denial {
    pub(super) fn code(self) -> ErrorCode {
        match self {
            Self::Refused(code) => code,
            Self::Unavailable => ErrorCode::AuthUnavailable,
        }
    }
}

type Question = Shared<BoxFuture<'static, Result<Identity, Denial>>>;

/// Asks the auth service.
pub(super) struct AuthClient {
    site: Arc<Site>,
    url: Url,
    /// What a backend judges by that does not ask.
    own: Option<Tokens>,
    /// Questions of rechecks that are being asked, by token.
    rechecks: Mutex<HashMap<Arc<str>, Question>>,
}

impl AuthClient {
    /// # Errors
    /// [`ServeError`] when the backend is to judge by itself and cannot.
    pub(super) fn new(site: Arc<Site>, mut url: Url) -> Result<Self, ServeError> {
        let bypasses = site.policy().process.backend_bypasses_auth_api.on();
        let own = bypasses.then(|| Tokens::new(&site.conduct, &site.facts)).transpose()?;
        let path = site.contract().endpoint(Endpoint::Validate).map_or("/auth/validate", |(_, path)| path).to_owned();
        url.set_path(&path);
        Ok(Self { site, url, own, rechecks: Mutex::default() })
    }

    /// Asks about a token that somebody presents.
    ///
    /// # Errors
    /// [`Denial`] when it is refused, or nobody can tell.
    pub(super) async fn ask(&self, token: &str) -> Result<Identity, Denial> {
        match &self.own {
            Some(tokens) => judge(tokens, token),
            None => ask(self.site.clone(), self.url.clone(), token.into()).await,
        }
    }

    /// Asks again about a token in use; of one token there is one question at a time.
    ///
    /// A token that is presented anew does not join: the answer under way may be older than a logout.
    ///
    /// # Errors
    /// [`Denial`] when it is refused, or nobody can tell.
    pub(super) async fn ask_again(&self, token: &Arc<str>) -> Result<Identity, Denial> {
        if let Some(tokens) = &self.own {
            return judge(tokens, token);
        }
        let question = self
            .rechecks()
            .entry(token.clone())
            .or_insert_with(|| ask(self.site.clone(), self.url.clone(), token.clone()).boxed().shared())
            .clone();
        let verdict = question.clone().await;
        let mut rechecks = self.rechecks();
        if rechecks.get(token).is_some_and(|known| known.ptr_eq(&question)) {
            rechecks.remove(token);
        }
        verdict
    }

    fn rechecks(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, Question>> {
        self.rechecks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(site: Arc<Site>, url: Url, token: Arc<str>) -> Result<Identity, Denial> {
    let body = json!({"token": &*token, "token_type": "access"});
    let question = || {
        let question = site.client.post(url.clone());
        let question = match notes::header() {
            Some(asked_by) => question.header(notes::HEADER, asked_by),
            None => question,
        };
        question
            .header("X-Service-ID", &site.facts.service_id)
            .header("X-Service-Secret", &site.facts.service_secret)
            .json(&site.contract().write_request(Endpoint::Validate, &body))
            .timeout(PATIENCE)
            .send()
    };
    let answer = match question().await {
        // A connection that was kept may have ended since; the question may be asked twice.
        Err(error) if !error.is_timeout() => question().await,
        answer => answer,
    };
    let answer = answer.map_err(|_| Denial::Unavailable)?;
    let status = answer.status();
    let says_no = site.contract().invalid_token() == Some(status.as_u16());
    if !status.is_success() && !says_no {
        return Err(Denial::Unavailable);
    }
    let body: Value = answer.json().await.map_err(|_| Denial::Unavailable)?;
    if says_no {
        return Err(Denial::Refused(site.contract().http_error_code(&body).unwrap_or(ErrorCode::TokenInvalid)));
    }
    let body = site.contract().read_body(Endpoint::Validate, &body);
    if body["valid"] != Value::Bool(true) {
        return Err(Denial::Refused(body["error_code"].as_str().map_or(ErrorCode::TokenInvalid, ErrorCode::from)));
    }
    identity(&site, token, &body).ok_or(Denial::Unavailable)
}

/// The verdict of a backend that does not ask.
fn judge(tokens: &Tokens, token: &str) -> Result<Identity, Denial> {
    let claims = tokens.check(token, TokenType::Access).map_err(|refusal| Denial::Refused(refusal.code()))?;
    let expires_at = OffsetDateTime::from_unix_timestamp(claims.exp).ok();
    let identity = || {
        Some(Identity {
            token: token.into(),
            user_id: claims.sub?,
            email: claims.email.unwrap_or_default(),
            permissions: claims.permissions.unwrap_or_default(),
            expires_at: expires_at?,
        })
    };
    identity().ok_or(Denial::Refused(ErrorCode::TokenInvalid))
}

fn identity(site: &Site, token: Arc<str>, body: &Value) -> Option<Identity> {
    let (seconds, _) = read_timestamp(&body["expires_at"], site.contract().timestamp_forms())?;
    let permissions = body["permissions"].as_array()?;
    Some(Identity {
        token,
        user_id: body["user_id"].as_str()?.to_owned(),
        email: body["email"].as_str()?.to_owned(),
        permissions: permissions.iter().filter_map(|permission| permission.as_str().map(str::to_owned)).collect(),
        expires_at: OffsetDateTime::from_unix_timestamp_nanos((seconds * 1e9) as i128).ok()?,
    })
}
