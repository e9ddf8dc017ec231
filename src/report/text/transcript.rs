//! Evidence as lines: who said what, when, on which connection.

use std::time::Duration;

use super::{clip, plural, visible};
use crate::model::{CheckId, Direction, Entry, Evidence, Head, Record};

/// How much of a transcript is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Octets of one payload, body or header value.
    octets: usize,
    /// Entries; of more, the first few and the last ones are shown.
    entries: usize,
    /// Headers that every exchange has, too.
    every_header: bool,
}

impl Depth {
    /// For a screen.
    pub const BRIEF: Self = Self { octets: 240, entries: 16, every_header: false };
    /// For a report that is read beside others.
    pub const AMPLE: Self = Self { octets: 2_000, entries: 24, every_header: false };
    /// Everything that was recorded.
    pub const WHOLE: Self = Self { octets: usize::MAX, entries: usize::MAX, every_header: true };

    /// At most so many octets of `text`, harmless to look at.
    pub(super) fn shown(self, text: &str) -> String {
        // Clipped first, so that the count is that of the wire and not of its escapes.
        visible(&clip(text, self.octets)).into_owned()
    }
}

/// How many of the first entries are kept where the middle is left out.
const KEPT_AT_START: usize = 4;

/// Column at which an entry's words begin.
const INDENT: &str = "                  ";

/// Headers of a request that are the same in all of them.
const USUAL_REQUEST: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "sec-websocket-key",
    "sec-websocket-version",
    "traceparent",
    "user-agent",
    "x-netra-check",
];

/// Headers of a response that concern the transport alone. `date` stays: it is the server's clock.
const USUAL_RESPONSE: &[&str] = &["connection", "content-length", "keep-alive", "server", "transfer-encoding", "vary"];

/// The lines of `evidence`: its entries with the time since the first of them, then its facts.
///
/// An entry of another check than `of` (run-wide judges have such) names that check.
pub fn transcript(evidence: &Evidence, of: CheckId, depth: Depth) -> Vec<String> {
    let entries = &evidence.entries;
    let start = entries.first().map_or(Duration::ZERO, |entry| entry.at);
    let entries = &repeats(entries);
    let tell = |(entry, times): &(&Entry, usize)| {
        let mut told = entry_lines(entry, start, depth);
        if *times > 1
            && let Some(first) = told.first_mut()
        {
            first.push_str(&format!("  (and {} more like it)", times - 1));
        }
        if entry.check != of
            && let Some(first) = told.first_mut()
        {
            first.push_str(&format!("  (in {})", entry.check));
        }
        told
    };
    let mut lines: Vec<String> = if entries.len() <= depth.entries {
        entries.iter().flat_map(tell).collect()
    } else {
        let tail = entries.len() - (depth.entries - KEPT_AT_START);
        let gap = format!("{INDENT}… {}", plural(tail - KEPT_AT_START, "more entry", "more entries"));
        let (head, tail) = (&entries[..KEPT_AT_START], &entries[tail..]);
        head.iter().flat_map(tell).chain([gap]).chain(tail.iter().flat_map(tell)).collect()
    };
    lines.extend(evidence.facts.iter().map(|fact| depth.shown(fact)));
    lines
}

/// Entries, those that say the same again on the same connection only once, with how often they are there.
fn repeats(entries: &[Entry]) -> Vec<(&Entry, usize)> {
    let mut told: Vec<(&Entry, usize)> = Vec::new();
    for entry in entries {
        match told.last_mut() {
            Some((before, times))
                if (before.connection, before.direction) == (entry.connection, entry.direction)
                    && before.check == entry.check
                    && before.record == entry.record =>
            {
                *times += 1;
            }
            _ => told.push((entry, 1)),
        }
    }
    told
}

/// One entry: a line, and below it the headers and body of an HTTP message.
///
/// `start` is the moment from which times are counted.
pub fn entry_lines(entry: &Entry, start: Duration, depth: Depth) -> Vec<String> {
    let at = format!("+{:.3} s", entry.at.saturating_sub(start).as_secs_f64());
    let arrow = match (&entry.record, entry.direction) {
        (Record::Note(_), _) => "·",
        (_, Direction::Sent) => "→",
        (_, Direction::Received) => "←",
    };
    let (what, below) = record(&entry.record, entry.direction, depth);
    // What comes back on such a connection is the target's own, however little it is judged.
    let broken = if entry.broken && entry.direction == Direction::Sent { "  (broken on purpose)" } else { "" };
    // What a check says about itself is on no connection.
    let connection = if entry.connection.0 == 0 { String::new() } else { entry.connection.to_string() };
    let mut lines = vec![format!("{at:>10}  {connection:<3} {arrow} {what}{broken}")];
    lines.extend(below.into_iter().map(|line| format!("{INDENT}{line}")));
    lines
}

/// What was said, and the lines below it.
fn record(record: &Record, direction: Direction, depth: Depth) -> (String, Vec<String>) {
    match record {
        Record::Request { method, url, headers, body } => {
            (depth.shown(&format!("{method} {url}")), message(headers, USUAL_REQUEST, body.as_deref(), depth))
        }
        Record::Response { status, headers, body } => {
            (format!("HTTP {status}"), message(headers, USUAL_RESPONSE, body.as_deref(), depth))
        }
        Record::Frame { head, payload, close_code, utf8 } => {
            (frame(head, payload, *close_code, *utf8, direction, depth), Vec::new())
        }
        Record::Ended(how) => (format!("ended: {}", depth.shown(how)), Vec::new()),
        Record::Note(note) => (depth.shown(note), Vec::new()),
    }
}

/// Headers and body of an HTTP message.
fn message(headers: &[(String, String)], usual: &[&str], body: Option<&str>, depth: Depth) -> Vec<String> {
    let told = |name: &str| depth.every_header || !usual.iter().any(|usual| name.eq_ignore_ascii_case(usual));
    let mut lines: Vec<String> = headers
        .iter()
        .filter(|(name, _)| told(name))
        .map(|(name, value)| format!("{}: {}", visible(name), depth.shown(value)))
        .collect();
    lines.extend(body.filter(|body| !body.is_empty()).map(|body| depth.shown(body)));
    lines
}

/// A frame, with everything about its head that is not as it usually is.
fn frame(head: &Head, payload: &str, close: Option<u16>, utf8: bool, direction: Direction, depth: Depth) -> String {
    let mut words = match head.opcode {
        0x0 => "continuation".to_owned(),
        0x1 => "text".into(),
        0x2 => "binary".into(),
        0x8 => "close".into(),
        0x9 => "ping".into(),
        0xA => "pong".into(),
        reserved => format!("opcode 0x{reserved:X}"),
    };
    if let Some(code) = close {
        words.push_str(&format!(" {code}"));
    }
    let mut odd = Vec::new();
    if !head.fin {
        odd.push("not final".to_owned());
    }
    if head.rsv != 0 {
        odd.push(format!("rsv {:03b}", head.rsv));
    }
    match direction {
        Direction::Sent if !head.masked => odd.push("unmasked".into()),
        Direction::Received if head.masked => odd.push("masked".into()),
        Direction::Sent | Direction::Received => {}
    }
    if !head.minimal {
        odd.push("length not minimal".into());
    }
    if !utf8 && matches!(head.opcode, 0x0 | 0x1 | 0x8) {
        odd.push("not UTF-8".into());
    }
    if !odd.is_empty() {
        words.push_str(&format!(" [{}]", odd.join(", ")));
    }
    if !payload.is_empty() {
        words.push(' ');
        words.push_str(&if is_hex(head, payload) { hex(payload, depth) } else { depth.shown(payload) });
    }
    words
}

/// Whether a payload stands in hexadecimal, as the transcript writes what is no text.
fn is_hex(head: &Head, payload: &str) -> bool {
    payload.len() as u64 == head.length.saturating_mul(2) && payload.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// Octets in hexadecimal, clipped by what they are and not by how they are written.
fn hex(digits: &str, depth: Depth) -> String {
    match digits.split_at_checked(depth.octets.saturating_mul(2)) {
        Some((shown, rest)) if !rest.is_empty() => {
            format!("0x{shown}… {}", plural(rest.len() / 2, "more octet", "more octets"))
        }
        _ => format!("0x{digits}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ConnectionId;

    fn evidence(count: u64) -> Evidence {
        let entry = |number| Entry {
            at: Duration::from_millis(5_000 + number),
            check: CheckId::new("format/every-frame-fits"),
            connection: ConnectionId(2),
            direction: Direction::Received,
            record: Record::Note(format!("number {number}")),
            broken: false,
        };
        Evidence { entries: (0..count).map(entry).collect(), facts: Vec::new() }
    }

    #[test]
    fn the_middle_of_a_long_transcript_is_counted_and_left_out() {
        let of = CheckId::new("format/every-frame-fits");
        let lines = transcript(&evidence(30), of, Depth::BRIEF);
        assert_eq!(lines.len(), 17);
        assert_eq!(lines[3], "  +0.003 s  #2  · number 3");
        assert_eq!(lines[4].trim(), "… 14 more entries");
        assert_eq!(lines[5], "  +0.018 s  #2  · number 18");
        assert_eq!(transcript(&evidence(16), of, Depth::BRIEF).len(), 16);
        assert_eq!(transcript(&evidence(30), of, Depth::WHOLE).len(), 30);
    }

    #[test]
    fn octets_in_hexadecimal_are_counted_as_octets() {
        let head = Head { fin: true, rsv: 0, opcode: 0x2, masked: false, length: 300, minimal: true };
        let told = frame(&head, &"ff".repeat(300), None, false, Direction::Received, Depth::BRIEF);
        assert!(told.starts_with("binary 0xffff") && told.ends_with("ff… 60 more octets"), "{told}");
    }
}
