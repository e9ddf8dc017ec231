//! The token sets that a profile's credentials give: of a login, and of its refresh.

use crate::check::Context;
use crate::model::{NotVerified, Stop};
use crate::profile::Method;
use crate::target::{Response, Token};
use crate::wire::Endpoint;

/// A token set as it was told.
pub(super) struct TokenSet {
    /// Of which call.
    pub(super) endpoint: Endpoint,
    /// The answer that told it.
    pub(super) answer: Response,
    /// Its access token.
    pub(super) access: Token,
}

/// Logs in and refreshes: each answer with its token.
///
/// # Errors
/// As [`Context::login`]; not verified where logins of this profile ask nobody for a token set.
pub(super) async fn each(cx: &Context) -> Result<Vec<TokenSet>, Stop> {
    let login = cx.login().await?;
    let endpoint = match cx.profile().credentials.method {
        Method::E2eBypass => Some(Endpoint::E2eLogin),
        Method::Password => Some(Endpoint::Login),
        Method::DevLogin => Some(Endpoint::DevLogin),
        Method::SigningKey | Method::Tokens => None,
    };
    let refreshed = match &login.refresh {
        Some(_) => Some(cx.target().refresh(cx.recorder(), &login).await?),
        None => None,
    };
    let told = [(endpoint, Some(login)), (Some(Endpoint::Refresh), refreshed)];
    let sets: Vec<_> = told
        .into_iter()
        .filter_map(|(endpoint, login)| {
            let login = login?;
            Some(TokenSet { endpoint: endpoint?, answer: login.answer?, access: login.access })
        })
        .collect();
    match sets.is_empty() {
        true => Err(NotVerified::NotProvoked(
            "the profile's logins ask nobody for a token set: use another `credentials.method`".into(),
        )
        .into()),
        false => Ok(sets),
    }
}
