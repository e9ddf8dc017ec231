//! Requests that get exactly one direct answer.

use crate::check::Context;
pub(super) use crate::check::absent as missing;
use crate::model::{Finding, Stop};
use crate::target::Socket;
use crate::wire::{ErrorCode, Kind, Message};

/// What may answer a request.
#[derive(Clone, Copy)]
pub(super) enum Due<'a> {
    /// The type that the contract names.
    Answer,
    /// An `error` of one of these codes.
    Error(&'a [ErrorCode]),
    /// One or the other: the request may come too late.
    Either(&'a [ErrorCode]),
}

/// Whether `answer` is what was due.
///
/// # Errors
/// Deviates when it is not.
pub(super) fn is_due(cx: &Context, socket: &Socket, kind: &Kind, answer: &Message, due: Due<'_>) -> Result<(), Stop> {
    let named = cx.contract().answer_to(kind);
    let is_named = Some(&answer.kind) == named.as_ref();
    match due {
        Due::Error(codes) => return cx.is_error(socket, answer, codes),
        Due::Either(codes) if !is_named => return cx.is_error(socket, answer, codes),
        Due::Answer | Due::Either(_) => {}
    }
    let finding = if answer.kind == Kind::Error { Finding::Refused } else { Finding::WrongValue };
    let expected = named.map_or_else(|| "an answer".to_owned(), |named| named.to_string());
    let seen = || answer.error_code().map_or_else(|| answer.kind.to_string(), |code| format!("{} {code}", answer.kind));
    cx.holds(is_named, finding, expected, seen, || socket.evidence())
}

/// Sends `request` and takes its one direct answer. A `ping` afterwards, answered on the same
/// queue, shows that there is no second one behind it.
///
/// # Errors
/// Deviates when there is none, another or a second one.
pub(super) async fn one_answer(
    cx: &Context,
    socket: &mut Socket,
    request: Message,
    due: Due<'_>,
) -> Result<Message, Stop> {
    let (id, kind) = (cx.target().unique(request.kind.slug()), request.kind.clone());
    let answer = cx.answer(socket, request.id(id.as_str())).await?;
    is_due(cx, socket, &kind, &answer, due)?;
    cx.answer(socket, Message::new(Kind::Ping)).await?;
    let answers = |message: &&Message| message.in_reply_to() == Some(&id);
    let count = socket.seen().iter().filter_map(|received| received.message.as_ref().ok()).filter(answers).count();
    cx.holds(
        count == 1,
        Finding::AnsweredTwice,
        format!("one direct answer to {kind}"),
        || format!("{count} messages that bear its in_reply_to"),
        || socket.evidence(),
    )?;
    Ok(answer)
}
