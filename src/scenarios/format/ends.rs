//! What ends a connection without having an effect: octets that RFC 6455 or the contract forbids.

use std::time::{Duration, Instant};

use crate::check::{Context, Session};
use crate::model::{Finding, Stop};
use crate::target::frame::RawFrame;
use crate::target::{Login, Next};
use crate::wire::{Kind, Message};

/// Within it a connection must be gone (contract, section 5).
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// A `ping` under its own id, as text: the good message that each bad one differs from in one thing.
pub(super) struct Ping {
    pub(super) id: String,
    pub(super) text: String,
}

impl Ping {
    pub(super) fn new(cx: &Context) -> Self {
        let id = cx.target().unique("ping");
        let text = cx.contract().write(&Message::new(Kind::Ping).id(id.as_str()), None).to_string();
        Self { id, text }
    }

    /// The message that it is.
    pub(super) fn message(&self) -> Message {
        Message::new(Kind::Ping).id(self.id.as_str())
    }

    /// The same in so many octets, by a member that nobody reads.
    pub(super) fn padded(cx: &Context, octets: u64) -> Self {
        let mut ping = Self::new(cx);
        ping.text = ping.text.replacen('{', "{\"x_padding\":\"\",", 1);
        let length = usize::try_from(octets).unwrap_or(usize::MAX).saturating_sub(ping.text.len());
        ping.text = ping.text.replacen("\"\"", &format!("\"{}\"", "p".repeat(length)), 1);
        ping
    }
}

/// On a new connection: a good message is answered, then `frames` are written. They must have no
/// effect, and the connection must be gone within 2 s, with Close `code` or without a Close frame
/// (RFC 6455 7.1.7). `effects` are what an effect would look like: an answer to one of these ids,
/// or a pong of that payload.
///
/// # Errors
/// Deviates when the octets are accepted, when the connection lives on or ends for another reason.
pub(super) async fn ends_without_effect(
    cx: &Context,
    login: &Login,
    frames: Vec<RawFrame>,
    effect: &str,
    code: u16,
) -> Result<(), Stop> {
    let mut session = cx.session(&login.access).await?;
    cx.alive(&mut session.socket).await.map_err(|stop| cx.control_failed("a good message is answered", stop))?;
    let socket = &mut session.socket;
    socket.mark_broken();
    for frame in frames {
        socket.send_frame(frame).await;
    }
    let named = cx.contract().answers_bear_ids();
    let began = Instant::now();
    loop {
        let left = (began + GONE_WITHIN).saturating_duration_since(Instant::now());
        let what = match socket.next(left).await {
            Next::Message(received) => match received.message {
                // Where nothing names what is answered, only a ping is sent here.
                Ok(message) if message.in_reply_to() == Some(effect) || !named && message.kind == Kind::Pong => {
                    format!("answered with {}", message.kind)
                }
                _ => continue,
            },
            Next::Pong(payload) if payload.starts_with(effect.as_bytes()) => "answered with a pong".to_owned(),
            Next::Pong(_) => continue,
            Next::Ended(_) | Next::Silence => break,
        };
        let expected = format!("no effect, and the connection's end with Close {code} or without a Close frame");
        return Err(cx.deviation(Finding::Accepted, [expected], what, socket.evidence()));
    }
    cx.ends_since(socket, (began, GONE_WITHIN), &[code], true).await
}

/// The user's other connection, which nothing of this may disturb.
///
/// # Errors
/// Deviates when it does not answer.
pub(super) async fn neighbour_lives(cx: &Context, mut neighbour: Session) -> Result<(), Stop> {
    cx.step("the neighbour lives");
    cx.alive(&mut neighbour.socket).await?;
    neighbour.close().await;
    Ok(())
}
