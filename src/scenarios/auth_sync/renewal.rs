//! Renewing a token set, and showing that it cannot be.

use serde_json::json;

use crate::check::Context;
use crate::model::Stop;
use crate::target::{Response, Token};
use crate::wire::Endpoint;

/// Asks for a new token set.
///
/// # Errors
/// Inconclusive when there is no answer.
pub(super) async fn ask(cx: &Context, refresh: &Token) -> Result<Response, Stop> {
    let call = cx.call(Endpoint::Refresh).fresh_connection();
    Ok(call.json(&json!({"refresh_token": refresh.expose()})).send().await?)
}

/// A refresh token that must be refused. The contract names no code: unknown, used and revoked may look alike.
///
/// # Errors
/// Deviates as [`Context::status`].
pub(super) async fn refused(cx: &Context, refresh: &Token) -> Result<(), Stop> {
    cx.status(&ask(cx, refresh).await?, &[401])
}
