//! Requests that are refused, over WebSocket and HTTP alike.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;

use super::hub::{Hub, To};
use super::runs::whole_millis;
use crate::reference::http_error::HttpError;
use crate::wire::{ErrorCode, Kind, Message};

/// Why a request is refused.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    message: String,
    /// The field that is wrong.
    field: Option<String>,
    retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, retry_after: None }
    }

    /// `INVALID_MESSAGE` for what stands in a field.
    pub(super) fn field(field: &str, message: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), ..Self::new(ErrorCode::InvalidMessage, message) }
    }

    pub(super) fn unknown_type(name: &str) -> Self {
        let message = format!("There is no message type `{name}`.");
        Self { code: ErrorCode::UnknownType, ..Self::field("type", message) }
    }

    pub(super) fn permission() -> Self {
        Self::new(ErrorCode::PermissionDenied, "Your account may read, but not change anything or run agents.")
    }

    pub(super) fn run() -> Self {
        Self::new(ErrorCode::RunNotFound, "There is no such run, or it has ended.")
    }

    #[must_use]
    pub(super) fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }
}

impl From<Refusal> for HttpError {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal.code {
            ErrorCode::InvalidMessage => (StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::InvalidRequest),
            ErrorCode::PermissionDenied => (StatusCode::FORBIDDEN, refusal.code),
            ErrorCode::RateLimitExceeded => (StatusCode::TOO_MANY_REQUESTS, refusal.code),
            ErrorCode::AuthUnavailable => (StatusCode::SERVICE_UNAVAILABLE, refusal.code),
            ErrorCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, refusal.code),
            _ => (StatusCode::NOT_FOUND, refusal.code),
        };
        let error = Self::new(status, code, refusal.message);
        match refusal.retry_after {
            Some(after) => error.retry_after(after),
            None => error,
        }
    }
}

impl Hub {
    /// `THREAD_NOT_FOUND`, for foreign threads, too.
    pub(super) fn no_thread(&self, user: &str, thread: &str) -> Refusal {
        let code = if self.site.policy().messages.undeclared_error_code.on() {
            ErrorCode::Other("THREAD_GONE".into())
        } else {
            ErrorCode::ThreadNotFound
        };
        let whose = self.owner_of_thread(thread).filter(|owner| *owner != user);
        match whose.filter(|_| self.site.policy().isolation.thread_oracle.on()) {
            Some(_) => Refusal::new(code, "This thread is another user's."),
            None => Refusal::new(code, "There is no such thread."),
        }
    }

    /// The `error` that tells a refusal.
    pub(super) fn error(&self, refusal: &Refusal) -> Message {
        let policy = self.site.policy().messages;
        let text = if policy.traceback_in_payload.on() {
            "Traceback (most recent call last):\n  File \"/app/main.py\", line 12, in handle\nValueError: bad request"
        } else {
            &refusal.message
        };
        let ends = matches!(refusal.code, ErrorCode::TokenRevoked | ErrorCode::TokenInvalid);
        let mut message = Message::new(Kind::Error)
            .with("error_code", refusal.code.as_str())
            .with("message", text)
            .with("recoverable", !ends);
        if let Some(field) = &refusal.field
            && !policy.details_omitted.on()
        {
            message = message.with("details", json!({"field": field, "problem": refusal.message}));
        }
        if let Some(after) = refusal.retry_after {
            message = message.with("retry_after_ms", whole_millis(after));
        }
        message
    }

    /// Answers the message `asked` with an error.
    pub(super) fn refuse(&mut self, user: &str, session: &str, asked: Option<&str>, refusal: &Refusal) {
        let mut error = self.error(refusal);
        if let Some(title) = self.title_in_error(user) {
            error = error.with("message", format!("{} Last seen: \"{title}\".", refusal.message));
        }
        self.answer(user, To::Session(session), asked, error);
    }
}
