//! The end of a token as the target tells it.

use crate::check::Context;
use crate::model::{Evidence, Finding, Stop};
use crate::target::Token;
use crate::wire::{Message, read_timestamp};

/// `expires_at` of a message must be the token's `exp`.
pub(super) fn told(
    cx: &Context,
    message: &Message,
    token: &Token,
    evidence: impl FnOnce() -> Evidence,
) -> Result<(), Stop> {
    let exp = cx.exp(token)?;
    let told = message.field("expires_at").and_then(|told| read_timestamp(told, cx.contract().timestamp_forms()));
    // Forms differ in what they keep of a second.
    let right = told.is_some_and(|(told, _)| (told - exp).abs() < 1.0);
    let seen =
        || told.map_or_else(|| "no expires_at".to_owned(), |(told, _)| format!("{:+.0} s beside it", told - exp));
    cx.holds(right, Finding::WrongValue, "expires_at equal to the token's exp", seen, evidence)
}
