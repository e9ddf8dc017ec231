//! The ways in which a connection is lost here: by our side, or by the way between.

use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::check::{Context, Lost, Session};
use crate::target::{Link, Next};

/// A connection that is ended by one side has ended for the other after this.
const END: Duration = Duration::from_secs(2);
/// Octets of the target after which a connection is cut: within its next message, or the one after.
const SOON: std::ops::RangeInclusive<u64> = 1..=400;

/// How a connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Style {
    /// Close 1000, answered.
    Close,
    /// TCP is reset towards both sides.
    Reset,
    /// Nothing passes any more, and the target is not told.
    HalfOpen,
    /// TCP ends in the middle of a message.
    Cut,
}

impl Style {
    /// In a report.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Close => "a Close",
            Self::Reset => "a reset",
            Self::HalfOpen => "a half-open connection",
            Self::Cut => "a cut within a message",
        }
    }
}

/// Loses the connection of `session`, which leads through `link`; `lost` learns what was seen on it.
pub(super) async fn lose(
    cx: &Context,
    mut session: Session,
    link: &Link,
    style: Style,
    rng: &mut impl Rng,
    lost: &mut Lost,
) {
    let socket = &mut session.socket;
    match style {
        Style::Close => {
            socket.close(1000, "").await;
            socket.ended(END).await;
        }
        Style::Reset => {
            link.reset();
            socket.ended(END).await;
        }
        Style::HalfOpen => {
            link.half_open();
            // A client knows what it has taken; the rest it has never seen.
            while matches!(socket.next(Duration::ZERO).await, Next::Message(_) | Next::Pong(_)) {}
        }
        Style::Cut => {
            link.cut_after(rng.random_range(SOON));
            if socket.ended(cx.profile().thresholds.first_content).await.is_none() {
                // The target said too little for it.
                link.reset();
                socket.ended(END).await;
            }
        }
    }
    lost.see(socket.seen());
}
