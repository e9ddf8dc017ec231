//! What happens to a user while a session has no socket.

use serde_json::json;

use crate::check::{Context, Session};
use crate::model::{Evidence, Finding, Stop};
use crate::target::{Received, Token};
use crate::wire::{Endpoint, Kind, Message};

/// A thread of the session's own, to which something can be posted; its id.
pub(super) async fn thread(cx: &Context, session: &mut Session) -> Result<String, Stop> {
    cx.thread(&mut session.socket, "reconnection").await
}

/// Posts a message over REST; its id.
///
/// # Errors
/// Inconclusive when it is not taken: it is no matter of reconnection.
pub(super) async fn post(cx: &Context, token: &Token, thread: &str) -> Result<String, Stop> {
    let body = json!({"content": cx.target().unique("sent-while-away")});
    let answer = cx.call(Endpoint::PostMessage).path_param("id", thread).bearer(token).json(&body).send().await?;
    let control = |stop| cx.control_failed("a message is posted over REST", stop);
    cx.success(Endpoint::PostMessage, &answer).map_err(control)?;
    let body = answer.logical_body(cx.contract(), Endpoint::PostMessage).unwrap_or_default();
    Ok(body.get("id").and_then(|id| id.as_str()).unwrap_or_default().to_owned())
}

/// The messages of a restored socket that belong to the session: all after `session_restored`.
pub(super) fn of_session(session: &Session) -> impl Iterator<Item = &Message> {
    let seen = session.socket.seen();
    let restored = seen.iter().position(|received| received.kind() == Some(&Kind::SessionRestored));
    let after: &[Received] = &seen[restored.map_or(seen.len(), |at| at + 1)..];
    after.iter().filter_map(|received| received.message.as_ref().ok())
}

/// The `message_created` of the posted message must be among what was replayed: once. A `pong`
/// that comes after it is the marker.
pub(super) async fn replayed_once(cx: &Context, session: &mut Session, posted: &str) -> Result<(), Stop> {
    cx.alive(&mut session.socket).await?;
    let is_it = |message: &&Message| message.kind == Kind::MessageCreated && message.text("id") == Some(posted);
    let count = of_session(session).filter(is_it).count();
    let finding = if count == 0 { Finding::Lost } else { Finding::Duplicated };
    let seen = || format!("{count} of them before the next pong");
    let evidence = || -> Evidence { session.socket.evidence() };
    cx.holds(count == 1, finding, "one message_created of what was sent meanwhile", seen, evidence)
}
