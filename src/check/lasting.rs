//! Connections that must stay.

use std::time::{Duration, Instant};

use super::Context;
use crate::model::{Finding, Stop};
use crate::target::{Received, Socket};
use crate::wire::{ErrorCode, Kind};

impl Context {
    /// A connection that must be open until `until`, whatever it is sent meanwhile.
    ///
    /// # Errors
    /// Deviates with [`Finding::Closed`] when it ends before.
    pub async fn outlasts(&self, socket: &mut Socket, until: Instant) -> Result<(), Stop> {
        let began = Instant::now();
        let within = until.saturating_duration_since(began);
        let end = socket.ended(within).await;
        if end.is_some() {
            self.punctual(began, within)?;
        }
        let expected = format!("open for another {:.1} s", within.as_secs_f64());
        let seen = || end.as_ref().map_or_else(String::new, |end| format!("the connection ended: {end}"));
        self.holds(end.is_none(), Finding::Closed, expected, seen, || socket.evidence())
    }

    /// A connection whose credential has ended: within `within` an `error` of this code, then Close 1008.
    ///
    /// # Errors
    /// Deviates with [`Finding::NotClosed`], [`Finding::WrongClose`] or [`Finding::WrongCode`].
    pub async fn thrown_out(&self, socket: &mut Socket, within: Duration, code: &ErrorCode) -> Result<(), Stop> {
        self.ends(socket, within, &[1008], false).await?;
        let is_extension = |kind: &Kind| matches!(kind, Kind::Other(name) if self.contract().is_extension(name));
        let judged = |received: &&Received| !received.kind().is_some_and(is_extension);
        let told = socket.seen().iter().rev().find(judged).and_then(Received::error_code);
        let seen = || told.as_ref().map_or_else(|| "no error".to_owned(), |told| format!("error {told}"));
        let expected = format!("error {code} before the Close");
        self.holds(told.as_ref() == Some(code), Finding::WrongCode, expected, seen, || socket.evidence())
    }
}
