//! The places where an access token is shown: calls of the auth service, REST, and the socket.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::check::{Admission, Context};
use crate::model::{Evidence, Finding, Stop};
use crate::target::{Call, Login, Response, Token};
use crate::wire::{Endpoint, ErrorCode};

/// A place where an access token is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    /// As Bearer of a call.
    Bearer(Endpoint),
    /// To `/auth/validate`, by a service.
    Validate,
    /// In an upgrade.
    Socket,
}

impl Surface {
    /// Those of this environment. One call of REST is enough: it is the backend's one gate that is asked.
    pub(super) fn all(cx: &Context) -> Vec<Self> {
        let is_there = |endpoint: &Endpoint| cx.contract().endpoint(*endpoint).is_some();
        let auth = [Endpoint::Verify, Endpoint::Me].into_iter().filter(is_there).map(Self::Bearer);
        let validate = cx.profile().service.is_some().then_some(Self::Validate);
        let rest = [Endpoint::UserProfile, Endpoint::ListThreads].into_iter().find(is_there).map(Self::Bearer);
        auth.chain(validate).chain(rest).chain([Self::Socket]).collect()
    }

    fn call<'c>(self, cx: &'c Context, token: &Token) -> Option<(Endpoint, Call<'c>)> {
        match self {
            Self::Bearer(endpoint) => Some((endpoint, cx.call(endpoint).bearer(token))),
            Self::Validate => {
                let service = cx.profile().service.as_ref()?;
                let call = cx.call(Endpoint::Validate).header("X-Service-ID", &service.id);
                let call = call.header("X-Service-Secret", service.secret.expose());
                let body = json!({"token": token.expose(), "token_type": "access"});
                Some((Endpoint::Validate, call.json(&body)))
            }
            Self::Socket => None,
        }
    }
}

impl fmt::Display for Surface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bearer(endpoint) => endpoint.slug(),
            Self::Validate => Endpoint::Validate.slug(),
            Self::Socket => "socket",
        })
    }
}

/// What a surface makes of a token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Accepted,
    Refused(ErrorCode),
    /// Neither: in a few words.
    Neither(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.pad("accepted"),
            Self::Refused(code) => f.pad(code.as_str()),
            Self::Neither(what) => f.pad(what),
        }
    }
}

/// A verdict, and how it was told.
pub(super) struct Told {
    pub(super) verdict: Verdict,
    pub(super) evidence: Evidence,
    /// When it had come.
    pub(super) at: Instant,
}

/// Shows `token` at `surface`; `fresh`: over a new connection, perhaps to another replica.
///
/// # Errors
/// Inconclusive when there is no answer.
pub(super) async fn show(cx: &Context, surface: Surface, token: &Token, fresh: bool) -> Result<Told, Stop> {
    let Some((endpoint, call)) = surface.call(cx, token) else {
        // An upgrade has a connection of its own in any case.
        return Ok(admission(cx.try_upgrade(cx.upgrade_with(token)).await?).await);
    };
    let answer = if fresh { call.fresh_connection() } else { call }.send().await?;
    let told = |verdict| Told { verdict, evidence: answer.evidence(), at: answer.received };
    if answer.succeeded(cx.contract(), endpoint) {
        let body = answer.logical_body(cx.contract(), endpoint).unwrap_or_default();
        // Only a validation says no with 200.
        return Ok(told(match body.get("error_code").and_then(Value::as_str) {
            Some(code) if surface == Surface::Validate && body.get("valid") == Some(&Value::Bool(false)) => {
                Verdict::Refused(ErrorCode::from(code))
            }
            _ => Verdict::Accepted,
        }));
    }
    Ok(told(match answer.error_code(cx.contract()) {
        Some(code) if answer.status == 401 => Verdict::Refused(code),
        Some(code) => Verdict::Neither(format!("HTTP {} {code}", answer.status)),
        None => Verdict::Neither(format!("HTTP {} without a code", answer.status)),
    }))
}

async fn admission(admission: Admission) -> Told {
    let at = Instant::now();
    match admission {
        Admission::Admitted(session) => {
            let evidence = session.socket.evidence();
            session.close().await;
            Told { verdict: Verdict::Accepted, evidence, at }
        }
        Admission::Refused(refusal) => {
            let verdict = match &refusal.code {
                Some(code) if *code != ErrorCode::Internal => Verdict::Refused(code.clone()),
                _ => Verdict::Neither(refusal.to_string()),
            };
            Told { verdict, evidence: refusal.evidence, at }
        }
        Admission::OtherFirst(socket, _) => {
            Told { verdict: Verdict::Neither("101 and no welcome first".into()), evidence: socket.evidence(), at }
        }
        Admission::Silent(socket) => {
            Told { verdict: Verdict::Neither("101, then nothing".into()), evidence: socket.evidence(), at }
        }
    }
}

/// The finding of a verdict that is not the refusal that was due.
pub(super) fn finding(verdict: &Verdict) -> Finding {
    match verdict {
        Verdict::Accepted => Finding::Accepted,
        Verdict::Refused(_) => Finding::WrongCode,
        Verdict::Neither(what) if what.starts_with("HTTP 5") => Finding::ServerError,
        Verdict::Neither(_) => Finding::WrongStatus,
    }
}

/// Shows `token` at `surface` until as many new connections in a row as `limits.fresh_connections` refuse it with
/// `code`; how long after `since` the first of them did. Until `within` is over it may still be accepted.
///
/// # Errors
/// Deviates when it is accepted later, or refused otherwise.
pub(super) async fn until_refused(
    cx: &Context,
    surface: Surface,
    token: &Token,
    code: &ErrorCode,
    (since, within): (Instant, Duration),
) -> Result<Duration, Stop> {
    let (mut first, mut in_a_row) = (Duration::ZERO, 0);
    while in_a_row < cx.profile().limits.fresh_connections {
        let late = since.elapsed() > within;
        let told = show(cx, surface, token, true).await?;
        let after = told.at.saturating_duration_since(since);
        match &told.verdict {
            Verdict::Refused(seen) if seen == code => {
                first = if in_a_row == 0 { after } else { first };
                in_a_row += 1;
            }
            Verdict::Accepted if !late => {
                in_a_row = 0;
                tokio::time::sleep(within / 50).await;
            }
            other => {
                let seen = format!("{other} at `{surface}`, {} ms after it was revoked", after.as_millis());
                let expected = format!("{code} on every new connection, {} ms after it", within.as_millis());
                return Err(cx.deviation(finding(other), [expected], seen, told.evidence));
            }
        }
    }
    let expected = format!("{code} on every new connection");
    cx.holds(true, Finding::Accepted, expected, String::new, Evidence::default)?;
    Ok(first)
}

/// A token of `login` that must be accepted on every surface, each of which names the same user, address and
/// permissions as far as it tells them.
///
/// # Errors
/// Deviates when a surface does not accept it, or names another.
pub(super) async fn same_user(cx: &Context, login: &Login) -> Result<(), Stop> {
    let mut permissions = login.claims.get("permissions").and_then(set_of);
    let mut email = login.email.clone();
    for surface in Surface::all(cx) {
        cx.step(format!("the token at `{surface}`"));
        let Some((endpoint, call)) = surface.call(cx, &login.access) else {
            let mut session = cx.admitted(cx.upgrade_with(&login.access)).await?;
            let user = session.welcome.user_id().map(str::to_owned);
            cx.same("user_id", &Some(login.user_id.clone()), &user, || session.socket.evidence())?;
            cx.alive(&mut session.socket).await?;
            session.close().await;
            continue;
        };
        let answer = call.send().await?;
        cx.success(endpoint, &answer)?;
        if surface == Surface::Bearer(Endpoint::ListThreads) {
            continue;
        }
        let body = valid_body(cx, endpoint, &answer)?;
        let text = |member: &str| body.get(member).and_then(Value::as_str).map(str::to_owned);
        cx.same("user_id", &Some(login.user_id.clone()), &text("user_id"), || answer.evidence())?;
        email = email.or_else(|| text("email"));
        cx.same("email", &email, &text("email"), || answer.evidence())?;
        if let Some(told) = body.get("permissions").and_then(set_of) {
            let expected = permissions.get_or_insert_with(|| told.clone());
            cx.same("permissions", expected, &told, || answer.evidence())?;
        }
    }
    Ok(())
}

/// The body of an answer that must not call the token invalid.
fn valid_body(cx: &Context, endpoint: Endpoint, answer: &Response) -> Result<Value, Stop> {
    let body = answer.logical_body(cx.contract(), endpoint).unwrap_or_default();
    let refused = body.get("valid") == Some(&Value::Bool(false));
    let seen = || format!("valid: false, {}", body.get("error_code").and_then(Value::as_str).unwrap_or("no code"));
    cx.holds(!refused, Finding::Refused, "valid: true", seen, || answer.evidence())?;
    Ok(body)
}

/// Permissions, in whatever order they are told.
pub(super) fn set_of(list: &Value) -> Option<BTreeSet<String>> {
    Some(list.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}
