//! What the clients of a link said.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Octets that are kept of what one client said.
const KEPT: usize = 1 << 20;

/// What the client of each connection said, from its beginning.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<BTreeMap<u64, Vec<u8>>>);

impl Heard {
    pub(super) fn keep(&self, connection: u64, octets: &[u8]) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = heard.entry(connection).or_default();
        let room = KEPT.saturating_sub(said.len()).min(octets.len());
        said.extend_from_slice(&octets[..room]);
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.values().any(|said| said.windows(text.len()).any(|octets| octets == text.as_bytes()))
    }

    pub(super) fn requests(&self) -> Vec<String> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = heard.values().map(|said| String::from_utf8_lossy(said));
        let lines = |said: std::borrow::Cow<'_, str>| -> Vec<String> {
            said.lines()
                .filter(|line| line.ends_with(" HTTP/1.1") || line.ends_with(" HTTP/1.0"))
                .map(last_line)
                .collect()
        };
        said.flat_map(lines).collect()
    }
}

/// A request line that follows a body without a line's end between them.
fn last_line(line: &str) -> String {
    const METHODS: [&str; 5] = ["GET /", "POST /", "PUT /", "DELETE /", "PATCH /"];
    let start = METHODS.iter().filter_map(|method| line.rfind(method)).max().unwrap_or(0);
    line[start..].to_owned()
}
