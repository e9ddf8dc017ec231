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
    /// Refused, in words of a contract that do not tell why.
    Untold(String),
    /// Neither: what kind of deviation that is, and in a few words.
    Neither(Finding, String),
}

impl Verdict {
    /// Whether it is a refusal with this code, or one that leaves open why.
    pub(super) fn refuses_with(&self, code: &ErrorCode) -> bool {
        match self {
            Self::Refused(told) => told == code,
            Self::Untold(_) => true,
            Self::Accepted | Self::Neither(..) => false,
        }
    }

    /// The finding where it is not the refusal that was due.
    pub(super) const fn finding(&self) -> Finding {
        match self {
            Self::Accepted => Finding::Accepted,
            Self::Refused(_) | Self::Untold(_) => Finding::WrongCode,
            Self::Neither(finding, _) => *finding,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.pad("accepted"),
            Self::Refused(code) => f.pad(code.as_str()),
            Self::Untold(what) | Self::Neither(_, what) => f.pad(what),
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
        return Ok(admission(cx, cx.try_upgrade(cx.upgrade_with(token)).await?).await);
    };
    let answer = if fresh { call.fresh_connection() } else { call }.send().await?;
    let told = |verdict| Told { verdict, evidence: answer.evidence(), at: answer.received };
    let contract = cx.contract();
    if answer.succeeded(contract, endpoint) {
        // Only a validation says no with a status of success.
        let body = answer.logical_body(contract, endpoint).unwrap_or_default();
        let is_refusal = surface == Surface::Validate && body.get("valid") != Some(&Value::Bool(true));
        let code = body.get("error_code").and_then(Value::as_str).map(ErrorCode::from);
        return Ok(told(match (is_refusal, code) {
            (false, _) => Verdict::Accepted,
            (true, Some(code)) => Verdict::Refused(code),
            (true, None) => Verdict::Neither(Finding::WrongCode, "no error code".into()),
        }));
    }
    let (status, code) = (answer.status, answer.error_code(contract));
    Ok(told(match code {
        Some(code) if status == 401 => Verdict::Refused(code),
        None if status == 401 => Verdict::Neither(Finding::WrongCode, "no error code".into()),
        _ if status >= 500 => Verdict::Neither(Finding::ServerError, format!("HTTP {status}")),
        _ => Verdict::Neither(Finding::WrongStatus, format!("HTTP {status}")),
    }))
}

async fn admission(cx: &Context, admission: Admission) -> Told {
    let at = Instant::now();
    match admission {
        Admission::Admitted(session) => {
            let evidence = session.socket.evidence();
            session.close().await;
            Told { verdict: Verdict::Accepted, evidence, at }
        }
        Admission::Refused(refusal) => {
            let verdict = match &refusal.code {
                Some(ErrorCode::Internal) => Verdict::Neither(Finding::ServerError, refusal.to_string()),
                Some(code) if cx.contract().is_vague(code) => Verdict::Untold(code.to_string()),
                Some(code) => Verdict::Refused(code.clone()),
                None if !cx.contract().tells_refusals() => Verdict::Untold("refused".into()),
                None => Verdict::Neither(Finding::WrongCode, "no error code".into()),
            };
            Told { verdict, evidence: refusal.evidence, at }
        }
        Admission::OtherFirst(socket, _) => {
            // Whoever is not let in gets no frame but the error.
            let verdict = Verdict::Neither(Finding::Accepted, "a frame before any verdict".into());
            Told { verdict, evidence: socket.evidence(), at }
        }
        Admission::Silent(socket) => {
            let verdict = Verdict::Neither(Finding::NoAnswer, "101, then nothing".into());
            Told { verdict, evidence: socket.evidence(), at }
        }
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
            verdict if verdict.refuses_with(code) => {
                first = if in_a_row == 0 { after } else { first };
                in_a_row += 1;
            }
            Verdict::Accepted if !late => {
                in_a_row = 0;
                tokio::time::sleep(within / 50).await;
            }
            other => {
                let seen = format!("{other} at `{surface}`, {} ms after it was revoked", after.as_millis());
                let expected = match within.as_millis() {
                    0 => format!("{code} on every new connection"),
                    within => format!("{code} on every new connection, {within} ms after it"),
                };
                return Err(cx.deviation(other.finding(), [expected], seen, told.evidence));
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
            cx.welcomes(&session, &login.user_id)?;
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
        let text = |member: &str| body.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
        cx.same("user_id", &login.user_id, &text("user_id"), || answer.evidence())?;
        cx.same("email", email.get_or_insert_with(|| text("email")), &text("email"), || answer.evidence())?;
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
