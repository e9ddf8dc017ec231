use std::collections::BTreeMap;
use std::sync::Arc;

use super::tour::tour;
use crate::check;
use crate::check::{Check, RunWide, Tally};
use crate::model::{CheckId, ConnectionId, Direction, Effect, Entry, Finding, Head, Judgement, Need, Record};
use crate::wire::Contract;

pub(super) static CHECK: Check = check!("format/server-frames-legal", judge: Judge::boxed, traffic: tour)
    .needs(&[Need::Raw])
    .effects(&[Effect::Create]);

/// Fewer frames than any login, thread and run bring.
const LEAST: usize = 20;

const CLOSE: u8 = 8;

/// What earlier frames say about the next one of a connection.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
struct Line {
    /// A message has begun and not ended.
    in_message: bool,
    /// The server has sent its Close.
    closed: bool,
    /// Our own Close had no code, so that the server's answer to it has none either (RFC 6455 5.5.1).
    codeless: bool,
}

struct Judge {
    contract: Arc<Contract>,
    /// Connections about which there is something to remember: few at any time.
    lines: BTreeMap<(CheckId, ConnectionId), Line>,
    tally: Tally,
}

impl Judge {
    fn boxed(contract: Arc<Contract>) -> Box<dyn RunWide> {
        Box::new(Self { contract, lines: BTreeMap::new(), tally: Tally::new(LEAST, "frames") })
    }

    fn fault(&self, line: Line, head: &Head, close_code: Option<u16>, utf8: bool) -> Option<(Finding, String)> {
        let control = head.opcode >= CLOSE;
        let illegal = [
            (line.closed, "a frame after Close"),
            (head.masked, "a masked frame"),
            (head.rsv != 0, "a reserved bit without an extension"),
            (!matches!(head.opcode, 0..=2 | 8..=10), "a reserved opcode"),
            (!head.minimal, "a length that is not in its shortest form"),
            (control && head.length > 125, "a control frame of over 125 octets"),
            (control && !head.fin, "a fragmented control frame"),
            (head.opcode == 0 && !line.in_message, "a continuation of nothing"),
            (matches!(head.opcode, 1 | 2) && line.in_message, "a new message within another"),
            (head.opcode == CLOSE && head.length == 1, "a Close of one octet"),
            (!utf8 && head.opcode != 2 && !matches!(head.opcode, 9 | 10), "text that is not UTF-8"),
        ];
        if let Some((_, what)) = illegal.into_iter().find(|(is_so, _)| *is_so) {
            return Some((Finding::IllegalFrame, format!("{what} (opcode {}, {} octets)", head.opcode, head.length)));
        }
        match close_code {
            _ if head.opcode != CLOSE => None,
            None if line.codeless => None,
            None => Some((Finding::WrongClose, "Close without a code".to_owned())),
            Some(code) if self.contract.allows_close_code(code) => None,
            Some(code) => Some((Finding::WrongClose, format!("Close {code}"))),
        }
    }
}

impl RunWide for Judge {
    fn see(&mut self, entry: &Entry) {
        let place = (entry.check, entry.connection);
        let (head, close_code, utf8) = match &entry.record {
            Record::Frame { head, close_code, utf8, .. } => (head, *close_code, *utf8),
            Record::Ended(_) => {
                self.lines.remove(&place);
                return;
            }
            _ => return,
        };
        let mut line = self.lines.get(&place).copied().unwrap_or_default();
        if entry.direction == Direction::Sent {
            line.codeless |= head.opcode == CLOSE && close_code.is_none();
        } else {
            match self.fault(line, head, close_code, utf8) {
                None => self.tally.right(),
                Some((finding, seen)) => {
                    let expected = match finding {
                        Finding::WrongClose => "a Close code that the contract allows a server",
                        _ => "a frame as RFC 6455 5.2 and 5.5 have it",
                    };
                    self.tally.wrong(entry, finding, expected, &seen);
                }
            }
            line.closed |= head.opcode == CLOSE;
            if head.opcode <= 2 {
                line.in_message = !head.fin;
            }
        }
        match line == Line::default() {
            true => self.lines.remove(&place),
            false => self.lines.insert(place, line),
        };
    }

    fn decide(self: Box<Self>) -> Judgement {
        self.tally.decide()
    }
}
