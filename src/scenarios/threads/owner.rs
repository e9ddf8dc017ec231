//! A user with two sockets and REST, and what is asked of all of them.

use crate::check::{Context, Rest, Session};
use crate::model::Stop;
use crate::target::{Login, Socket};

/// A user at work.
pub(super) struct Owner<'c> {
    pub(super) login: Login,
    pub(super) rest: Rest<'c>,
    /// The socket that asks.
    pub(super) asking: Session,
    /// One that only listens.
    pub(super) second: Session,
}

/// The ways in which a thread is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Socket,
    Rest,
}

impl Way {
    pub(super) const BOTH: [Self; 2] = [Self::Socket, Self::Rest];

    /// In a step.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Socket => "over the socket",
            Self::Rest => "over REST",
        }
    }
}

impl<'c> Owner<'c> {
    /// The check's first user.
    pub(super) async fn of(cx: &'c Context) -> Result<Self, Stop> {
        let login = cx.login().await?;
        let (asking, second) = (cx.session(&login.access).await?, cx.session(&login.access).await?);
        Ok(Self { rest: cx.rest(&login), login, asking, second })
    }

    pub(super) fn sockets(&mut self) -> [(&'static str, &mut Socket); 2] {
        [("the asking socket", &mut self.asking.socket), ("the second socket", &mut self.second.socket)]
    }

    pub(super) async fn leave(self) {
        self.asking.close().await;
        self.second.close().await;
    }
}
