//! `token_refresh`, as several checks use it.

use crate::check::Context;
use crate::model::Stop;
use crate::target::{Socket, Token};
use crate::wire::{Kind, Message};

/// `token_refresh` with this token, whatever it is worth.
pub(super) fn with(token: &Token) -> Message {
    Message::new(Kind::TokenRefresh).with("token", token.expose())
}

/// The control: a token of the socket's own user is accepted.
pub(super) async fn works(cx: &Context, socket: &mut Socket, token: &Token) -> Result<(), Stop> {
    cx.step("control: a good token_refresh");
    let answer = cx.ask(socket, with(token)).await;
    answer.map(drop).map_err(|stop| cx.control_failed("a good token_refresh is accepted", stop))
}
