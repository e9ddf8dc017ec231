//! What comes on a socket: messages, its end, or nothing.

use std::fmt;
use std::time::{Duration, Instant};

use crate::model::Evidence;
use crate::wire::{EnvelopeFault, ErrorCode, Kind, Message};

/// One message of the target.
#[derive(Clone, Debug)]
pub struct Received {
    /// As the contract reads it.
    pub message: Result<Message, EnvelopeFault>,
    /// Its text; octets that are no text in hexadecimal. Not redacted: for judging, not for reports.
    pub text: String,
    /// When its last octet had come.
    pub at: Instant,
}

impl Received {
    /// What it says, when it is a message at all.
    pub fn kind(&self) -> Option<&Kind> {
        self.message.as_ref().ok().map(|message| &message.kind)
    }

    /// Its error code, when it is an error.
    pub fn error_code(&self) -> Option<ErrorCode> {
        self.message.as_ref().ok()?.error_code()
    }
}

/// How the transport stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Still open.
    Open,
    /// Ended by the target in the ordinary way.
    Closed,
    /// Reset by the target.
    Reset,
    /// Otherwise, in a person's words.
    Failed(String),
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Reset => "reset by peer",
            Self::Failed(what) => what,
        })
    }
}

/// The end of a connection: it begins with the target's Close frame or with the end of the transport.
#[derive(Clone, Debug)]
pub struct End {
    /// The target's Close frame, if there was one: its code, if it had one, and its reason.
    pub close: Option<(Option<u16>, String)>,
    /// The transport; open while the target has sent Close only.
    pub tcp: Transport,
    /// When the end began.
    pub at: Instant,
    /// When the transport ended.
    pub tcp_at: Option<Instant>,
    /// Frames that the target sent after its Close frame.
    pub frames_after_close: usize,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.close {
            Some((Some(code), reason)) if reason.is_empty() => write!(f, "close {code}"),
            Some((Some(code), reason)) => write!(f, "close {code} ({reason})"),
            Some((None, _)) => f.write_str("close without a code"),
            None => write!(f, "{} without Close", self.tcp),
        }
    }
}

/// What came next.
#[derive(Clone, Debug)]
pub enum Next {
    /// A message.
    Message(Received),
    /// A pong, with its payload.
    Pong(Vec<u8>),
    /// The end.
    Ended(End),
    /// Nothing within the time.
    Silence,
}

/// A message that was waited for and did not come.
#[derive(Clone, Debug)]
pub struct Missing {
    /// What was waited for.
    pub what: String,
    /// How long.
    pub within: Duration,
    /// What came instead.
    pub instead: Next,
    /// The transcript up to it.
    pub evidence: Evidence,
}
