//! Connections that must stay.

use std::time::Instant;

use super::Context;
use crate::model::{Finding, Stop};
use crate::target::Socket;

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
}
