//! What an `error` tells about the field that is wrong.

use crate::check::Context;
use crate::model::{Finding, Stop};
use crate::target::Socket;
use crate::wire::Message;

/// `details` of an `error` must name `field`, in whatever form: as a member's name or within a string.
///
/// # Errors
/// Deviates when they do not.
pub(super) fn names_field(cx: &Context, socket: &Socket, error: &Message, field: &str) -> Result<(), Stop> {
    let details = error.field("details").map(ToString::to_string);
    cx.holds(
        details.as_ref().is_some_and(|details| details.contains(field)),
        Finding::WrongValue,
        format!("details that name `{field}`"),
        || details.clone().map_or_else(|| "no details".to_owned(), |details| format!("details {details}")),
        || socket.evidence(),
    )
}
