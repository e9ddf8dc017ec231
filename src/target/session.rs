//! Logins: from the profile's credentials to a token set.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Target;
use super::fault::Fault;
use super::redact::SecretKind;
use super::response::Response;
use super::token::Token;
use super::transcript::Recorder;
use crate::model::{Blame, Inconclusive, Need, NotVerified, Stop};
use crate::profile::{Method, PasswordUser};
use crate::wire::Endpoint;

/// Life of a token that is signed here, unless a check asks for less.
const MINTED_LIFE_S: f64 = 900.0;

/// A login: a token set and whose it is.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user's address, where it is known.
    pub email: Option<String>,
    /// `user.id` of the answer, or the token's `sub`.
    pub user_id: String,
    /// The access token.
    pub access: Token,
    /// The refresh token; tokens that are signed here have none.
    pub refresh: Option<Token>,
    /// The access token's claims; empty when it is no JSON Web Token.
    pub claims: Map<String, Value>,
    /// The answer that told the token set, when one did.
    pub answer: Option<Response>,
}

impl Target {
    /// Address of the test user of this number.
    pub fn test_user(&self, user: usize) -> String {
        self.profile().users.email.replace("{n}", &format!("{user:02}"))
    }

    /// Logs in the user of this number (from 0, below `Profile::user_count`) by the profile's method.
    ///
    /// # Errors
    /// Inconclusive: blaming the credentials when the login is refused, the target when it succeeds without a
    /// token set.
    pub async fn login(&self, recorder: &Recorder, user: usize) -> Result<Login, Stop> {
        let login = self.login_by_method(recorder, user).await?;
        self.ledger().number(&login.user_id, user);
        Ok(login)
    }

    async fn login_by_method(&self, recorder: &Recorder, user: usize) -> Result<Login, Stop> {
        let credentials = &self.profile().credentials;
        let missing = || -> Stop {
            let method = credentials.method.slug();
            let what = format!("the profile's method `{method}` has no credentials for user {user}");
            Inconclusive::new(Blame::Credentials, what).into()
        };
        match credentials.method {
            Method::E2eBypass => self.bypass(recorder, user, None).await,
            Method::Password => self.login_as(recorder, credentials.users.get(user).ok_or_else(missing)?).await,
            Method::DevLogin => {
                let call = self.http(recorder).call(Endpoint::DevLogin).json(&json!({}));
                self.token_set(Endpoint::DevLogin, call.send().await?, None)
            }
            Method::SigningKey => {
                let subjects = credentials.signing_key.as_ref().map_or(&[][..], |key| &key.subjects);
                let (sub, email) = subjects.get(user).ok_or_else(missing)?;
                self.minted_login(recorder, sub, email).await
            }
            Method::Tokens => self.given_login(recorder, user, credentials.tokens.get(user).ok_or_else(missing)?).await,
        }
    }

    /// Logs in a user whose access token lives `ttl`: by the test login, by the profile's key, or by the account
    /// whose logins are short (which then says how long they live).
    ///
    /// # Errors
    /// As [`Self::login`]; not verified where the profile has no way to short tokens.
    pub async fn short_login(&self, recorder: &Recorder, user: usize, ttl: Duration) -> Result<Login, Stop> {
        let credentials = &self.profile().credentials;
        if credentials.method == Method::E2eBypass {
            return self.bypass(recorder, user, Some(ttl)).await;
        }
        if credentials.signing_key.is_some() {
            let login = self.login(recorder, user).await?;
            let now = self.clock(recorder).await?;
            let access = self.workshop().short_lived(&login.access, now, ttl.as_secs_f64())?;
            let claims = access.claims().unwrap_or_default();
            return Ok(Login { access, claims, refresh: None, answer: None, ..login });
        }
        match (&credentials.short_login, &credentials.bypass_key) {
            (Some(short), _) => self.login_as(recorder, short).await,
            (None, Some(_)) => self.bypass(recorder, user, Some(ttl)).await,
            (None, None) => Err(NotVerified::Lacks(Need::Short).into()),
        }
    }

    /// Logs in with a password; one that was refused is not tried again.
    ///
    /// # Errors
    /// As [`Self::login`].
    pub async fn login_as(&self, recorder: &Recorder, user: &PasswordUser) -> Result<Login, Stop> {
        // Until it is known to be right, one at a time.
        let _first = self.logins().first_try(&user.email).await;
        if let Some(refusal) = self.logins().refusal(&user.email) {
            return Err(refusal.into());
        }
        let body = json!({"email": user.email, "password": user.password.expose()});
        let answer = self.http(recorder).call(Endpoint::Login).json(&body).send().await?;
        let login = self.token_set(Endpoint::Login, answer, Some(user.email.clone()));
        match &login {
            Ok(_) => self.logins().accept(&user.email),
            Err(Stop::Inconclusive(why)) if why.blame == Blame::Credentials => {
                self.logins().refuse(&user.email, why);
            }
            Err(_) => {}
        }
        login
    }

    /// Trades the refresh token of `login` for a new token set.
    ///
    /// # Errors
    /// As [`Self::login`]; not verified where there is no refresh token.
    pub async fn refresh(&self, recorder: &Recorder, login: &Login) -> Result<Login, Stop> {
        let token = login.refresh.as_ref().ok_or_else(|| self.no_refresh_token())?;
        let body = json!({"refresh_token": token.expose()});
        let answer = self.http(recorder).call(Endpoint::Refresh).json(&body).send().await?;
        let renewed = self.token_set(Endpoint::Refresh, answer, login.email.clone())?;
        self.logins().renewed(token, &renewed);
        Ok(renewed)
    }

    /// Logs out the family of `login`; what the target says to it is for the caller to judge.
    ///
    /// # Errors
    /// [`Fault`] when there is no answer.
    pub async fn logout(&self, recorder: &Recorder, login: &Login) -> Result<Response, Fault> {
        self.http(recorder).call(Endpoint::Logout).bearer(&login.access).send().await
    }

    async fn bypass(&self, recorder: &Recorder, user: usize, ttl: Option<Duration>) -> Result<Login, Stop> {
        let key = self.profile().credentials.bypass_key.as_ref();
        let no_key = || Inconclusive::new(Blame::Credentials, "the profile has no `credentials.bypass_key`");
        let key = key.ok_or_else(no_key)?;
        let email = self.test_user(user);
        let mut body = json!({"email": email});
        if let (Some(ttl), Some(body)) = (ttl, body.as_object_mut()) {
            body.insert("expires_in".into(), json!(ttl.as_secs_f64().ceil() as u64));
        }
        let call = self.http(recorder).call(Endpoint::E2eLogin).header("X-E2E-Bypass-Key", key.expose());
        self.token_set(Endpoint::E2eLogin, call.json(&body).send().await?, Some(email))
    }

    async fn minted_login(&self, recorder: &Recorder, sub: &str, email: &str) -> Result<Login, Stop> {
        let now = self.clock(recorder).await?.floor();
        let rules = self.contract().tokens();
        let environment = self.profile().environment.slug();
        let family = self.unique("session");
        let claims = json!({
            "sub": sub, "sid": family, "jti": self.unique("token"), "iat": now as i64,
            "exp": (now + MINTED_LIFE_S) as i64, "iss": rules.issuer, "aud": rules.audience,
            "email": email, "permissions": ["read", "write"], "env": environment,
        });
        let mut claims = claims.as_object().cloned().unwrap_or_default();
        claims.retain(|claim, _| !rules.absent.contains(claim));
        claims.extend(rules.type_claims.iter().map(|claim| (claim.clone(), "access".into())));
        let access = self.workshop().mint(claims)?;
        self.login_of(access, None, Some(email.to_owned()), Some(sub.to_owned()), None)
    }

    /// Reads a token set from the answer to a login.
    ///
    /// # Errors
    /// As [`Self::login`].
    pub fn token_set(&self, endpoint: Endpoint, answer: Response, email: Option<String>) -> Result<Login, Stop> {
        if !answer.succeeded(self.contract(), endpoint) {
            let (blame, what) = self.no_login(endpoint, &answer);
            return Err(Inconclusive::new(blame, self.redactor().redact(&what)).with(answer.evidence()).into());
        }
        let body = answer.logical_body(self.contract(), endpoint).unwrap_or_default();
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let token = |kind, text| Token::new(self.redactor(), kind, text);
        let Some(access) = text("/access_token") else {
            let what = format!("`{}` answered {} without an access token", endpoint.slug(), answer.status);
            return Err(Inconclusive::new(Blame::Target, what).with(answer.evidence()).into());
        };
        let access = token(SecretKind::AccessToken, access);
        let refresh = text("/refresh_token").map(|refresh| token(SecretKind::RefreshToken, refresh));
        self.login_of(access, refresh, email.or_else(|| text("/user/email")), text("/user/id"), Some(answer))
    }

    /// Whose doing it is that a login is refused, and what to do about it.
    fn no_login(&self, endpoint: Endpoint, answer: &Response) -> (Blame, String) {
        let (call, status) = (endpoint.slug(), answer.status);
        let code = answer.error_code(self.contract()).map(|code| format!(" {code}")).unwrap_or_default();
        let blame = blame(status);
        let next = match endpoint {
            _ if blame != Blame::Credentials => "",
            Endpoint::E2eLogin => " → is `credentials.bypass_key` right, and are these logins open here?",
            Endpoint::Login => " → correct this user in `credentials.users`",
            Endpoint::DevLogin => " → are these logins open here? Else use another `credentials.method`",
            Endpoint::Refresh if self.profile().credentials.method == Method::Tokens => {
                " → put new tokens into `credentials.tokens`"
            }
            _ => "",
        };
        (blame, format!("`{call}` answered {status}{code}{next}"))
    }

    pub(super) fn login_of(
        &self,
        access: Token,
        refresh: Option<Token>,
        email: Option<String>,
        user_id: Option<String>,
        answer: Option<Response>,
    ) -> Result<Login, Stop> {
        let claims = access.claims().unwrap_or_default();
        let claim = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let Some(user_id) = user_id.or_else(|| claim("sub")) else {
            let what = "the token set names no user: neither `user.id` nor the claim `sub`";
            let evidence = answer.as_ref().map(Response::evidence).unwrap_or_default();
            return Err(Inconclusive::new(Blame::Target, what).with(evidence).into());
        };
        if claims.is_empty() {
            self.ledger().opaque(access.expose(), &user_id);
        }
        let email = email.or_else(|| claim("email"));
        self.canaries().user(&user_id, email.as_deref());
        Ok(Login { email, user_id, access, refresh, claims, answer })
    }
}

/// Whose doing it is that a call which must succeed answered with this status.
pub(super) const fn blame(status: u16) -> Blame {
    match status {
        429 => Blame::Throttled,
        502..=504 => Blame::Environment,
        400..=499 => Blame::Credentials,
        _ => Blame::Target,
    }
}
