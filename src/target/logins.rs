//! What a run remembers of its logins: token sets of the profile as they are by now, passwords that were refused,
//! and how many wrong ones were tried.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::json;

use super::Target;
use super::fault::joined;
use super::redact::SecretKind;
use super::response::Response;
use super::session::Login;
use super::token::Token;
use super::transcript::Recorder;
use crate::model::{Blame, Inconclusive, Need, NotVerified, Stop};
use crate::profile::TokenPair;
use crate::wire::Endpoint;

/// A given access token that lives no longer is renewed before a check begins.
const RENEWED_BELOW_S: f64 = 60.0;
/// Wrong passwords that are tried in a run: fewer than lock an account anywhere.
const WRONG_PASSWORDS: u32 = 3;

/// The logins of a run.
#[derive(Debug, Default)]
pub(super) struct Logins {
    /// By the index of `credentials.tokens`.
    given: Mutex<HashMap<usize, Login>>,
    /// Held while one is renewed: a refresh token that is shown twice ends its family.
    renewing: tokio::sync::Mutex<()>,
    /// By address: what the refusal of its password said; `None` where it was accepted.
    passwords: Mutex<HashMap<String, Option<Inconclusive>>>,
    /// Held while a password is tried of which nothing is known.
    trying: tokio::sync::Mutex<()>,
    wrong_passwords: AtomicU32,
}

impl Logins {
    fn given(&self) -> MutexGuard<'_, HashMap<usize, Login>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn passwords(&self) -> MutexGuard<'_, HashMap<String, Option<Inconclusive>>> {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `new` came for `old`: where `old` is a token set of the profile, it is the one from now on.
    pub(super) fn renewed(&self, old: &Token, new: &Login) {
        let mut given = self.given();
        let is_old = |login: &Login| login.refresh.as_ref().is_some_and(|refresh| refresh.expose() == old.expose());
        for login in given.values_mut().filter(|login| is_old(login)) {
            *login = new.clone();
        }
    }

    /// What was said when the password of this address was refused.
    pub(super) fn refusal(&self, email: &str) -> Option<Inconclusive> {
        self.passwords().get(email).cloned().flatten()
    }

    /// Waits for who tries a password of which nothing is known; nobody waits for one that was accepted.
    pub(super) async fn first_try(&self, email: &str) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let accepted = matches!(self.passwords().get(email), Some(None));
        if accepted { None } else { Some(self.trying.lock().await) }
    }

    /// The password of this address is right.
    pub(super) fn accept(&self, email: &str) {
        self.passwords().insert(email.to_owned(), None);
    }

    /// The password of this address was refused: it is not tried again, so that a mistake in a profile locks nobody.
    pub(super) fn refuse(&self, email: &str, why: &Inconclusive) {
        self.passwords().insert(email.to_owned(), Some(why.clone()));
    }

    /// Whether one more wrong password may be tried.
    fn may_be_wrong(&self) -> bool {
        let tried = self
            .wrong_passwords
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tried| (tried < WRONG_PASSWORDS).then_some(tried + 1));
        tried.is_ok()
    }
}

impl Target {
    /// The token set that the profile gives the user of this number, renewed where its access token has less than a
    /// minute to live.
    ///
    /// # Errors
    /// Inconclusive, blaming the credentials, when it has expired and cannot be renewed.
    pub(super) async fn given_login(&self, recorder: &Recorder, user: usize, pair: &TokenPair) -> Result<Login, Stop> {
        let _renewing = self.logins().renewing.lock().await;
        let kept = self.logins().given().get(&user).cloned();
        let login = match kept {
            Some(login) => login,
            None => {
                let token = |kind, secret: &crate::profile::Secret| Token::new(self.redactor(), kind, secret.expose());
                let access = token(SecretKind::AccessToken, &pair.access);
                if access.text_claim("sub").is_none() {
                    let cause = format!("`credentials.tokens.{user}.access` is no JSON Web Token with a `sub`");
                    let what = joined(&cause, "put an access token there as the auth service issues it");
                    return Err(Inconclusive::new(Blame::Credentials, what).into());
                }
                let refresh = pair.refresh.as_ref().map(|refresh| token(SecretKind::RefreshToken, refresh));
                let login = self.login_of(access, refresh, None, None, None)?;
                self.logins().given().insert(user, login.clone());
                login
            }
        };
        // What is no JSON Web Token does not tell its end.
        let Some(end) = login.access.time_claim("exp") else { return Ok(login) };
        let left = end - self.clock(recorder).await?;
        if left >= RENEWED_BELOW_S {
            return Ok(login);
        }
        if login.refresh.is_some() {
            recorder.note(&format!("renewing `credentials.tokens.{user}`, which has {left:.0} s to live"));
            return self.refresh(recorder, &login).await;
        }
        if left > 0.0 {
            return Ok(login);
        }
        let cause = format!("`credentials.tokens.{user}.access` expired {} ago", ago(-left));
        let what = joined(&cause, "put a new one there, or its `refresh` beside it");
        Err(Inconclusive::new(Blame::Credentials, what).into())
    }

    /// A login with a wrong password: on the account that the profile sacrifices, and at most three times a run.
    ///
    /// # Errors
    /// Not verified without `credentials.wrong_password_user`, or when this run has tried three; inconclusive when
    /// there is no answer.
    pub async fn wrong_password(&self, recorder: &Recorder) -> Result<Response, Stop> {
        let user = self.profile().credentials.wrong_password_user.as_deref();
        let email = user.ok_or(NotVerified::Lacks(Need::Password))?;
        if !self.logins().may_be_wrong() {
            let what = format!("{WRONG_PASSWORDS} wrong passwords were tried in this run, and no more are");
            return Err(NotVerified::NotProvoked(what).into());
        }
        let body = json!({"email": email, "password": self.unique("wrong-password")});
        Ok(self.http(recorder).call(Endpoint::Login).json(&body).send().await?)
    }

    /// Why a login has no refresh token, and the key that would change it.
    pub fn no_refresh_token(&self) -> NotVerified {
        use crate::profile::Method;
        NotVerified::NotProvoked(match self.profile().credentials.method {
            Method::Tokens => "this login has no refresh token: add `refresh` to `credentials.tokens`".into(),
            Method::SigningKey => {
                "tokens that are signed here have no refresh token: use another `credentials.method`".into()
            }
            method => format!("logins by `{}` come without a refresh token here", method.slug()),
        })
    }
}

/// "3 h", in the largest unit that is at least 1.
fn ago(seconds: f64) -> String {
    let whole = |unit: f64| (seconds / unit).floor() as u64;
    match seconds {
        86_400.0.. => format!("{} d", whole(86_400.0)),
        3_600.0.. => format!("{} h", whole(3_600.0)),
        60.0.. => format!("{} min", whole(60.0)),
        _ => format!("{} s", whole(1.0)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::target::Redactor;

    #[test]
    fn three_wrong_passwords_are_tried_and_no_more() {
        let logins = Logins::default();
        let tried: Vec<bool> = (0..5).map(|_| logins.may_be_wrong()).collect();
        assert_eq!(tried, [true, true, true, false, false]);
    }

    #[test]
    fn what_was_renewed_is_what_is_given_from_then_on() {
        let redactor = Redactor::new();
        let login = |name: &str| Login {
            email: None,
            user_id: "u".into(),
            access: Token::new(&redactor, SecretKind::AccessToken, format!("access-{name}")),
            refresh: Some(Token::new(&redactor, SecretKind::RefreshToken, format!("refresh-{name}"))),
            claims: Map::new(),
            answer: None,
        };
        let logins = Logins::default();
        logins.given().insert(0, login("first"));
        logins.given().insert(1, login("other"));
        let old = logins.given()[&0].refresh.clone().unwrap();
        logins.renewed(&old, &login("second"));
        let access = |user| logins.given()[user].access.expose().to_owned();
        assert_eq!((access(&0), access(&1)), ("access-second".into(), "access-other".into()));
    }
}
