//! What happens to a family after its login: refreshing, logout, and questions about its tokens.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::families::{Ends, Reuse, Rotation};
use super::login::required;
use super::users::User;
use super::{Auth, refused};
use crate::reference::http_error::{HttpError, bearer};
use crate::reference::tokens::{Claims, Refusal, TokenType, unix_now};
use crate::wire::{Endpoint, ErrorCode};

/// How long a rotation stays open where concurrent calls are forgiven: they must meet in it.
const GRACE: Duration = Duration::from_millis(50);
/// The same where two of them win, which must show on a busy machine, too.
const SHOWN: Duration = Duration::from_millis(500);

/// POST `/auth/refresh`.
pub(super) async fn refresh(State(auth): State<Arc<Auth>>, body: Bytes) -> Result<Response, HttpError> {
    let body = auth.site.object(Endpoint::Refresh, &body)?;
    let sent = required(&body, "refresh_token")?;
    let (claims, user) = auth.judge(sent, TokenType::Refresh).await.map_err(refused)?;
    let (Some(sid), Some(jti)) = (claims.sid, claims.jti) else { return Err(refused(Refusal::Invalid)) };
    let (rotation, policy) = (auth.rotation(), auth.site.policy().families);
    let granted = auth.families().rotate(&sid, &jti, rotation).map_err(|reuse| match reuse {
        Reuse::Concurrent => HttpError::unauthorized(ErrorCode::TokenInvalid, "another call is using this token"),
        Reuse::Replayed => {
            HttpError::unauthorized(ErrorCode::TokenRevoked, "this token was used before: the session was ended")
        }
        Reuse::Dead => refused(Refusal::Invalid),
    })?;
    let wanted = body.get("permissions").and_then(Value::as_array).filter(|_| policy.refresh_widens.on());
    let wanted = wanted.map(|wanted| wanted.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect());
    let permissions: Vec<String> = wanted.unwrap_or(granted);
    let user = match policy.session_lost_on_refresh.on() {
        true => auth.user_of(&format!("once-{}", user.email)),
        false => user,
    };
    let life = auth.site.conduct.settings.access_lifetime;
    let mut set = auth.token_set(&user, &sid, &permissions, unix_now(), life)?;
    if policy.refresh_not_rotated.on() {
        (set.refresh, set.refresh_jti) = (sent.to_owned(), jti);
    }
    let only_access = auth.site.policy().session.rotation_kills_socket.on().then_some(set.access_jti.as_str());
    if !auth.families().succeed(&sid, &set.refresh_jti, only_access) {
        return Err(refused(Refusal::Revoked));
    }
    if rotation.two_win {
        tokio::time::sleep(SHOWN).await;
    } else if rotation.grace {
        tokio::time::sleep(GRACE).await;
    }
    auth.families().rotated(&sid);
    Ok(auth.token_answer(Endpoint::Refresh, &set, None))
}

/// POST `/auth/logout`.
pub(super) async fn logout(State(auth): State<Arc<Auth>>, headers: HeaderMap) -> Result<Response, HttpError> {
    match auth.log_out(&headers).await {
        Err(refusal) if refusal.status != StatusCode::UNAUTHORIZED || !auth.site.says_200(Endpoint::Logout) => {
            Err(refusal)
        }
        _ => Ok(auth.site.answer(Endpoint::Logout, StatusCode::OK, &json!({"success": true}))),
    }
}

impl Auth {
    async fn log_out(&self, headers: &HeaderMap) -> Result<(), HttpError> {
        let token = bearer(headers)?;
        match self.judge(token, TokenType::Access).await {
            Ok((claims, _)) => {
                if let Some(sid) = claims.sid {
                    self.families().end(&sid, claims.jti.as_deref(), self.logout_ends());
                }
                Ok(())
            }
            Err(Refusal::Revoked) if self.site.permitted().second_logout_200.on() => Ok(()),
            Err(Refusal::Revoked) if self.site.policy().families.second_logout_500.on() => {
                Err(HttpError::internal("there is no such session"))
            }
            Err(refusal) => Err(refused(refusal)),
        }
    }

    fn rotation(&self) -> Rotation {
        let policy = self.site.policy().families;
        let replay_ends = if policy.replay_keeps_family.on() {
            Ends::Nothing
        } else if policy.replay_kills_siblings.on() {
            Ends::User
        } else {
            Ends::Family
        };
        Rotation {
            grace: self.site.permitted().grace_on_refresh.on(),
            two_win: policy.two_lineages.on(),
            reusable: policy.refresh_reuse_accepted.on(),
            replay_ends,
        }
    }

    fn logout_ends(&self) -> Ends {
        let policy = self.site.policy().families;
        if policy.logout_kills_all.on() {
            Ends::User
        } else if policy.refresh_survives_logout.on() {
            Ends::AccessTokens
        } else if policy.older_token_survives_logout.on() {
            Ends::ShownToken
        } else {
            Ends::Family
        }
    }

    /// Judges an access token for those who ask only whether it is good.
    async fn verdict(&self, token: &str, expected: TokenType) -> Result<(Claims, User), Refusal> {
        if self.site.policy().tokens.verify_refuses_own_tokens.on() {
            return Err(Refusal::Invalid);
        }
        self.judge(token, expected).await
    }

    /// Whether a request without a service's id and secret bears a service's token.
    fn is_service(&self, headers: &HeaderMap) -> Result<bool, HttpError> {
        let policy = self.site.policy().logins;
        let token = match bearer(headers) {
            Err(_) if policy.validate_without_service_auth.on() => return Ok(true),
            token => token?,
        };
        let is = |expected| self.tokens.check(token, expected).is_ok();
        Ok(is(TokenType::Service) || policy.user_token_as_service.on() && is(TokenType::Access))
    }

    /// Whether a request comes from a service: by id and secret, or by a service token.
    pub(super) fn admit_service(&self, headers: &HeaderMap) -> Result<(), HttpError> {
        let facts = &self.site.facts;
        let header = |name: &str| headers.get(name).map(|value| value.as_bytes());
        let is_known = match (header("x-service-id"), header("x-service-secret")) {
            (None, None) => self.is_service(headers)?,
            (id, secret) => id == Some(facts.service_id.as_bytes()) && secret == Some(facts.service_secret.as_bytes()),
        };
        let refusal = || HttpError::unauthorized(ErrorCode::InvalidCredentials, "these are no service credentials");
        is_known.then_some(()).ok_or_else(refusal)
    }
}

/// POST `/auth/validate`.
pub(super) async fn validate(
    State(auth): State<Arc<Auth>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, HttpError> {
    let invalid = |code: ErrorCode| json!({"valid": false, "error_code": code.as_str()});
    match auth.admit_service(&headers) {
        Err(_) if auth.site.says_200(Endpoint::Validate) => {
            return Ok(auth.site.answer(Endpoint::Validate, StatusCode::OK, &invalid(ErrorCode::TokenInvalid)));
        }
        admitted => admitted?,
    }
    let body = auth.site.object(Endpoint::Validate, &body)?;
    let expected = match body.get("token_type") {
        None | Some(Value::Null) => TokenType::Access,
        Some(Value::String(kind)) if kind == "access" => TokenType::Access,
        Some(Value::String(kind)) if kind == "refresh" => TokenType::Refresh,
        Some(_) => return Err(HttpError::unprocessable("token_type: expected `access` or `refresh`")),
    };
    let answer = match auth.verdict(required(&body, "token")?, expected).await {
        Ok((claims, user)) => json!({
            "valid": true,
            "user_id": user.id,
            "email": user.email,
            "permissions": permissions(&claims, &user),
            "expires_at": auth.site.clock.write_unix(claims.exp),
            "session_id": claims.sid.unwrap_or_default(),
        }),
        Err(Refusal::Crash) => return Err(refused(Refusal::Crash)),
        Err(refusal) if auth.site.contract().invalid_token().is_some() => return Err(refused(refusal)),
        Err(refusal) => invalid(refusal.code()),
    };
    Ok(auth.site.answer(Endpoint::Validate, StatusCode::OK, &answer))
}

/// GET `/auth/verify`.
pub(super) async fn verify(State(auth): State<Arc<Auth>>, headers: HeaderMap) -> Result<Response, HttpError> {
    let (claims, user) = auth.verdict(bearer(&headers)?, TokenType::Access).await.map_err(refused)?;
    let body = json!({
        "valid": true,
        "user_id": user.id,
        "email": user.email,
        "exp": auth.site.clock.write_unix(claims.exp),
    });
    Ok(auth.site.answer(Endpoint::Verify, StatusCode::OK, &body))
}

/// GET `/auth/me`.
pub(super) async fn me(State(auth): State<Arc<Auth>>, headers: HeaderMap) -> Result<Response, HttpError> {
    let (claims, user) = auth.judge_bearer(&headers).await?;
    let body = json!({"user_id": user.id, "email": user.email, "permissions": permissions(&claims, &user)});
    Ok(auth.site.answer(Endpoint::Me, StatusCode::OK, &body))
}

/// POST `/auth/service-token`.
pub(super) async fn service_token(State(auth): State<Arc<Auth>>, body: Bytes) -> Result<Response, HttpError> {
    let body = auth.site.object(Endpoint::ServiceToken, &body)?;
    let (id, secret) = (required(&body, "service_id")?, required(&body, "service_secret")?);
    let facts = &auth.site.facts;
    if id != facts.service_id || secret != facts.service_secret {
        return Err(HttpError::unauthorized(ErrorCode::InvalidCredentials, "service or secret is wrong"));
    }
    let (iat, life) = (unix_now(), auth.site.conduct.settings.access_lifetime.as_secs());
    let claims = Claims {
        token_type: TokenType::Service,
        sub: Some(id.to_owned()),
        sid: None,
        jti: Some(auth.site.ids.next("jti", id)),
        iat,
        exp: iat + life as i64,
        email: None,
        permissions: None,
    };
    let token = auth.tokens.issue(&claims).map_err(|error| HttpError::internal(error.to_string()))?;
    let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": life});
    let mut response = auth.site.answer(Endpoint::ServiceToken, StatusCode::OK, &body);
    super::forbid_caching(&mut response);
    Ok(response)
}

/// What a token permits: what it says, else what its user may do.
fn permissions(claims: &Claims, user: &User) -> Vec<String> {
    claims.permissions.clone().unwrap_or_else(|| user.permissions.clone())
}
