//! Tokens across the surfaces: the socket, REST and the auth service must agree about each.

use std::time::Duration;

use serde_json::json;

use super::Context;
use crate::model::{Finding, Need, NotVerified, Stop};
use crate::target::{Forged, Login, Response, SecretKind, Token};
use crate::wire::{Endpoint, ErrorCode};

/// Longest wait for a token to expire where none can be signed.
const LONGEST_EXPIRY: Duration = Duration::from_secs(20);

impl Context {
    /// A good token of `login`'s user and one that has expired. Where the profile holds the key
    /// they differ in `exp` alone; otherwise the second is of another login, and was waited for.
    ///
    /// # Errors
    /// Not verified when the wait would exceed 20 s.
    pub async fn expired_token(&self, login: &Login) -> Result<(Token, Token), Stop> {
        self.declared(Need::Short);
        let leeway = self.config().clock_leeway_s;
        if self.has(Need::Sign) {
            let now = self.target().clock(self.recorder()).await?;
            return Ok(self.workshop().expired(&login.access, now, leeway)?);
        }
        let short = self.login_of(0, Some(Duration::from_secs(1))).await?.access;
        let exp = short.time_claim("exp").ok_or_else(no_jwt)?;
        let now = self.target().clock(self.recorder()).await?;
        let wait = Duration::from_secs_f64((exp + leeway + 1.0 - now).max(0.0));
        if wait > LONGEST_EXPIRY {
            return Err(NotVerified::TooLong { needs: wait, limit: LONGEST_EXPIRY }.into());
        }
        self.step(format!("waiting {:.1} s until a token has expired", wait.as_secs_f64()));
        tokio::time::sleep(wait).await;
        Ok((login.access.clone(), short))
    }

    /// `good`, changed after signing.
    ///
    /// # Errors
    /// Not verified where access tokens are no JSON Web Tokens.
    pub fn tampered_token(&self, good: &Token) -> Result<Token, Stop> {
        let tampered = self.workshop().tampered(good, good).into_iter().next();
        tampered.map(|forged| forged.token).ok_or_else(|| no_jwt().into())
    }

    /// The refresh token of `login`.
    ///
    /// # Errors
    /// Not verified where the profile's logins have none.
    pub fn refresh_token<'l>(&self, login: &'l Login) -> Result<&'l Token, Stop> {
        login.refresh.as_ref().ok_or_else(|| self.target().no_refresh_token().into())
    }

    /// A service token, by the profile's service credentials.
    ///
    /// # Errors
    /// Not verified without them; inconclusive when the auth service issues none.
    pub async fn service_token(&self) -> Result<Token, Stop> {
        self.declared(Need::Service);
        let service = self.profile().service.as_ref().ok_or(NotVerified::Lacks(Need::Service))?;
        self.step("control: a service token is issued");
        let body = json!({"service_id": service.id, "service_secret": service.secret.expose()});
        let answer = self.call(Endpoint::ServiceToken).json(&body).send().await?;
        self.success(Endpoint::ServiceToken, &answer)
            .map_err(|stop| self.control_failed("a service token is issued", stop))?;
        let body = answer.logical_body(self.contract(), Endpoint::ServiceToken).unwrap_or_default();
        let token = body.get("access_token").and_then(|token| token.as_str()).unwrap_or_default();
        Ok(Token::new(self.target().redactor(), SecretKind::AccessToken, token))
    }

    /// What `/auth/validate` says about an access token; `None` without service credentials.
    ///
    /// # Errors
    /// Inconclusive when there is no answer.
    pub async fn validate(&self, token: &Token) -> Result<Option<Response>, Stop> {
        let Some(service) = &self.profile().service else { return Ok(None) };
        let call = self
            .call(Endpoint::Validate)
            .header("X-Service-ID", &service.id)
            .header("X-Service-Secret", service.secret.expose())
            .json(&json!({"token": token.expose(), "token_type": "access"}));
        Ok(Some(call.send().await?))
    }

    /// A verdict of `/auth/validate` that must be `valid: false`, for one of `codes`.
    ///
    /// # Errors
    /// Deviates with [`Finding::Accepted`], [`Finding::WrongCode`] or as [`Self::success`].
    pub fn invalid(&self, verdict: &Response, codes: &[ErrorCode]) -> Result<(), Stop> {
        if let Some(status) = self.contract().invalid_token() {
            return self.http_refused(verdict, &[status], codes);
        }
        self.success(Endpoint::Validate, verdict)?;
        let body = verdict.logical_body(self.contract(), Endpoint::Validate).unwrap_or_default();
        let is_valid = body.get("valid").and_then(|valid| valid.as_bool()).unwrap_or_default();
        let code = body.get("error_code").and_then(|code| code.as_str()).map(ErrorCode::from);
        if !is_valid && code.as_ref().is_some_and(|code| codes.contains(code)) {
            self.observed();
            return Ok(());
        }
        let finding = if is_valid { Finding::Accepted } else { Finding::WrongCode };
        let seen = match code {
            Some(code) if !is_valid => format!("valid: false, {code}"),
            _ => format!("valid: {is_valid}"),
        };
        let expected = codes.iter().map(|code| format!("valid: false, {code}"));
        Err(self.deviation(finding, expected, seen, verdict.evidence()))
    }

    /// Each of the workshop's forgeries must be refused on the socket, between two sockets of
    /// `good`, from which they were made.
    ///
    /// # Errors
    /// As [`Self::sandwich`]; not verified when there are none, since access tokens are no JSON Web
    /// Tokens.
    pub async fn forgeries_refused(
        &self,
        good: &Token,
        forgeries: Vec<Forged>,
        codes: &[ErrorCode],
    ) -> Result<(), Stop> {
        if forgeries.is_empty() {
            return Err(no_jwt().into());
        }
        let bad: Vec<_> = forgeries.into_iter().map(|forged| (forged.step, self.upgrade_with(&forged.token))).collect();
        self.sandwich(|| self.upgrade_with(good), bad, codes).await
    }

    /// `bad` must be refused wherever an access token is due: by each carrier of the socket, by
    /// REST, and by the auth service; `good` is accepted there.
    ///
    /// # Errors
    /// Inconclusive when `good` is not accepted; deviates as [`Self::refused`],
    /// [`Self::http_refused`] and [`Self::invalid`].
    pub async fn refused_everywhere(
        &self,
        what: &str,
        good: &Token,
        bad: &Token,
        codes: &[ErrorCode],
    ) -> Result<(), Stop> {
        let carriers = self.contract().carriers().iter();
        let carried: Vec<_> = carriers
            .map(|carrier| (format!("{what} in the {}", carrier.slug()), self.upgrade().carrier(*carrier, bad)))
            .collect();
        self.sandwich(|| self.upgrade_with(good), carried, codes).await?;
        let is_there = |endpoint: &Endpoint| self.contract().endpoint(*endpoint).is_some();
        // One call of REST is enough: it is the backend's one gate that is asked.
        let rest = [Endpoint::UserProfile, Endpoint::ListThreads].into_iter().find(is_there);
        let auth = [Endpoint::Verify, Endpoint::Me].into_iter().filter(is_there);
        for endpoint in rest.into_iter().chain(auth) {
            self.step(format!("control at {}", endpoint.slug()));
            let answer = self.call(endpoint).bearer(good).send().await?;
            self.success(endpoint, &answer).map_err(|stop| self.control_failed("a valid token is accepted", stop))?;
            self.step(format!("{what} at {}", endpoint.slug()));
            let answer = self.call(endpoint).bearer(bad).send().await?;
            self.http_refused(&answer, &[401], codes)?;
        }
        self.step(format!("{what} at {}", Endpoint::Validate.slug()));
        match self.validate(bad).await? {
            Some(verdict) => self.invalid(&verdict, codes),
            None => Ok(()),
        }
    }
}

fn no_jwt() -> NotVerified {
    NotVerified::NotInContract("access tokens are no JSON Web Tokens".into())
}
