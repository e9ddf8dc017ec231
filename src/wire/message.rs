//! One message of the WebSocket, read from and written to the contract's envelope.

use serde_json::{Map, Value};

use super::{ErrorCode, Kind};

/// A message in logical terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// What it says.
    pub kind: Kind,
    /// Its payload, fields by their logical names.
    pub payload: Map<String, Value>,
    /// Name of the event (server) or idempotency key (client).
    pub message_id: Option<String>,
    /// Number within its session.
    pub sequence: Option<u64>,
}

/// Why a text is no message of the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvelopeFault {
    /// Not JSON.
    NotJson(String),
    /// JSON, but no object.
    NotAnObject,
    /// No type where the contract puts it.
    NoType,
    /// The type is there and is no string.
    TypeNotAString,
    /// No payload object where the contract puts it.
    NoPayload,
    /// A top-level member that every message of the server bears is not there.
    Missing(String),
    /// A top-level member that the contract does not know.
    Undeclared(String),
    /// A top-level member of the wrong JSON type.
    WrongType(String),
}

impl std::fmt::Display for EnvelopeFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotJson(why) => write!(f, "not JSON: {why}"),
            Self::NotAnObject => f.write_str("no JSON object"),
            Self::NoType => f.write_str("no type"),
            Self::TypeNotAString => f.write_str("the type is no string"),
            Self::NoPayload => f.write_str("no payload object"),
            Self::Missing(member) => write!(f, "no `{member}`"),
            Self::Undeclared(member) => write!(f, "undeclared member `{member}` beside type and payload"),
            Self::WrongType(member) => write!(f, "`{member}` has the wrong JSON type"),
        }
    }
}

impl Message {
    /// A message with an empty payload.
    pub fn new(kind: Kind) -> Self {
        Self { kind, payload: Map::new(), message_id: None, sequence: None }
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.payload.insert(field.to_owned(), value.into());
        self
    }

    /// The same under a message id.
    #[must_use]
    pub fn id(mut self, message_id: impl Into<String>) -> Self {
        self.message_id = Some(message_id.into());
        self
    }

    /// A field of the payload.
    pub fn field(&self, field: &str) -> Option<&Value> {
        self.payload.get(field)
    }

    /// A field of the payload that is a string.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.field(field)?.as_str()
    }

    /// `error_code` of an error or agent error.
    pub fn error_code(&self) -> Option<ErrorCode> {
        self.text("error_code").map(ErrorCode::from)
    }

    /// `in_reply_to`: the client's message id that this answers.
    pub fn in_reply_to(&self) -> Option<&str> {
        self.text("in_reply_to")
    }

    /// `run_id`.
    pub fn run_id(&self) -> Option<&str> {
        self.text("run_id")
    }

    /// `thread_id`.
    pub fn thread_id(&self) -> Option<&str> {
        self.text("thread_id")
    }

    /// `connection_id`.
    pub fn connection_id(&self) -> Option<&str> {
        self.text("connection_id")
    }

    /// `user_id`.
    pub fn user_id(&self) -> Option<&str> {
        self.text("user_id")
    }

    /// `content`.
    pub fn content(&self) -> Option<&str> {
        self.text("content")
    }
}
