//! The messages of a run, out of its frames, for the judges that read all of them.

use std::collections::BTreeSet;

use crate::model::{CheckId, ConnectionId, Direction, Entry, Record};

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;

/// Connections on which a text message has begun and not ended: few at any time.
#[derive(Debug, Default)]
pub(super) struct Received(BTreeSet<(CheckId, ConnectionId)>);

impl Received {
    /// The text message that `entry` ends, if it ends one that the target sent. The transcript
    /// shows the whole text with a message's last frame.
    pub(super) fn message<'e>(&mut self, entry: &'e Entry) -> Option<&'e str> {
        let place = (entry.check, entry.connection);
        let (head, payload, utf8) = match &entry.record {
            Record::Frame { head, payload, utf8, .. } if entry.direction == Direction::Received => {
                (head, payload, *utf8)
            }
            Record::Ended(_) => {
                self.0.remove(&place);
                return None;
            }
            _ => return None,
        };
        let is_text = match head.opcode {
            TEXT => true,
            CONTINUATION => self.0.contains(&place),
            _ => return None,
        };
        match is_text && !head.fin {
            true => self.0.insert(place),
            false => self.0.remove(&place),
        };
        // What is no UTF-8 is a matter of `format/server-frames-legal`.
        (is_text && head.fin && utf8).then_some(payload.as_str())
    }
}
