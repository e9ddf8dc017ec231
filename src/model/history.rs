//! What was said on the wire, redacted: the transcript's entries.

use std::fmt;
use std::time::Duration;

use super::CheckId;

/// The entries of a check or a run, in the order of their recording.
pub type History = Vec<Entry>;

/// One of the services under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// The auth service.
    Auth,
    /// The backend, REST and WebSocket.
    Backend,
    /// The web application.
    Frontend,
}

impl Origin {
    /// All origins in the contract's order.
    pub const ALL: [Self; 3] = [Self::Auth, Self::Backend, Self::Frontend];

    /// Its key below `urls` in a profile.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Backend => "backend",
            Self::Frontend => "frontend",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.slug())
    }
}

/// Number of a connection within its check, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u32);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Who spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The checker.
    Sent,
    /// The target.
    Received,
}

/// One thing that happened on a connection. All strings are redacted: a secret stands as a typed,
/// numbered placeholder (`«access-token 3»`), also inside base64, percent and JSON forms.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Time since the run began, by the monotonic clock.
    pub at: Duration,
    /// On behalf of which check.
    pub check: CheckId,
    /// On which of its connections.
    pub connection: ConnectionId,
    /// Who spoke.
    pub direction: Direction,
    /// What was said.
    pub record: Record,
    /// The checker broke this exchange on purpose: run-wide judges leave it out.
    pub broken: bool,
}

/// The head of a frame as it stood on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// FIN bit.
    pub fin: bool,
    /// The three reserved bits, as the number they form (0 when all are clear).
    pub rsv: u8,
    /// Opcode, 0 to 15.
    pub opcode: u8,
    /// MASK bit.
    pub masked: bool,
    /// Length of the payload in octets.
    pub length: u64,
    /// The length stood in the shortest form that holds it.
    pub minimal: bool,
}

/// What was said.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// An HTTP request or upgrade.
    Request {
        /// Method as sent.
        method: String,
        /// Absolute URL.
        url: String,
        /// Names and values as sent, in order.
        headers: Vec<(String, String)>,
        /// Body, if any.
        body: Option<String>,
    },
    /// The answer to a request or upgrade.
    Response {
        /// Status code.
        status: u16,
        /// Names and values as received, in order.
        headers: Vec<(String, String)>,
        /// Body, if any.
        body: Option<String>,
    },
    /// One WebSocket frame.
    Frame {
        /// Its head.
        head: Head,
        /// Payload: text as it is, other octets in hexadecimal; of a Close frame the reason.
        payload: String,
        /// Status code of a Close frame that has one.
        close_code: Option<u16>,
        /// The payload is UTF-8 (judged over the whole message for fragments).
        utf8: bool,
    },
    /// The transport ended; in a person's words ("closed", "reset by peer").
    Ended(String),
    /// What a check says about itself ("control: the same token before").
    Note(String),
}
