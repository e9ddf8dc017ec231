//! A client whose token has expired.

use crate::check::{Context, Refusal, RefusalForm};
use crate::model::{Finding, Stop};
use crate::target::{Login, Token};
use crate::wire::ErrorCode;

/// An expired token must be refused as such at the socket, and not as something that time heals.
pub(super) async fn refused(cx: &Context, expired: &Token) -> Result<(), Stop> {
    let refusal = cx.refused(cx.upgrade_with(expired), &[ErrorCode::TokenExpired]).await?;
    let seen = || format!("{refusal}, to be tried again later");
    let expected = "no status, header or close code that asks to try again later";
    cx.holds(!says_later(&refusal), Finding::WrongCode, expected, seen, || refusal.evidence.clone())
}

fn says_later(refusal: &Refusal) -> bool {
    match &refusal.form {
        RefusalForm::Http(answer) => matches!(answer.status, 429 | 502..=504) || answer.header("Retry-After").is_some(),
        RefusalForm::Closed { code, .. } => matches!(code, Some(1012 | 1013)),
    }
}

/// What a client does whose token was refused as expired: it takes a new one by its refresh token.
pub(super) async fn refreshed(cx: &Context, login: &Login) -> Result<Login, Stop> {
    refused(cx, &login.access).await?;
    cx.target().refresh(cx.recorder(), login).await
}
