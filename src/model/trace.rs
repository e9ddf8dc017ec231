//! What finds an exchange again in the target's own logs.

use serde_json::Value;

use super::{Direction, Entry, Evidence, History, Record};

/// Headers in which servers, gateways and meshes name a request.
const HEADERS: &[&str] = &[
    "traceparent",
    "x-request-id",
    "x-correlation-id",
    "x-trace-id",
    "request-id",
    "x-b3-traceid",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "cf-ray",
];

/// Members of a body or frame that do the same.
const MEMBERS: &[&str] = &["trace_id", "traceId", "request_id", "requestId", "correlation_id", "correlationId"];

/// Members below members are looked at so deep: `payload.error.trace_id`.
const DEPTH: usize = 3;

/// Names of the decisive exchange, the last of its evidence that was answered, and when it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The `traceparent` that was sent.
    pub sent: Option<String>,
    /// Header or member and value, as the server returned them.
    pub returned: Vec<(String, String)>,
    /// The server's own clock, as it wrote it: the timestamp of the frame, else the header `Date`.
    pub server_time: Option<String>,
}

impl Trace {
    /// The trace of `evidence`; what its excerpt lacks (an upgrade long ago) is taken from `history`.
    pub fn of(evidence: &Evidence, history: &History) -> Self {
        let received = |entry: &&Entry| {
            entry.direction == Direction::Received
                && matches!(entry.record, Record::Response { .. } | Record::Frame { .. })
        };
        let entries = &evidence.entries;
        let Some(decisive) = entries.iter().rev().find(received).or(entries.last()) else { return Self::default() };
        let of_it = |entry: &&Entry| entry.check == decisive.check && entry.connection == decisive.connection;
        // The newest first; the history has the excerpt's entries again, which changes nothing.
        let after = |entry: &&Entry| entry.at <= decisive.at;
        let line: Vec<&Entry> = entries.iter().rev().chain(history.iter().rev()).filter(of_it).filter(after).collect();
        let sent = line.iter().find_map(|entry| match &entry.record {
            Record::Request { headers, .. } => Some(header(headers, "traceparent")?.to_owned()),
            _ => None,
        });
        let mut trace = Self { sent, ..Self::default() };
        let frame = line.iter().filter(|entry| received(entry)).find_map(|entry| match &entry.record {
            Record::Frame { payload, .. } => serde_json::from_str::<Value>(payload).ok(),
            _ => None,
        });
        let response = line.iter().find_map(|entry| match &entry.record {
            Record::Response { headers, body, .. } => Some((headers, body.as_deref().unwrap_or_default())),
            _ => None,
        });
        if let Some(frame) = &frame {
            trace.add_members(frame, DEPTH);
        }
        if let Some((headers, body)) = response {
            for name in HEADERS {
                if let Some(value) = header(headers, name) {
                    trace.add(name, value);
                }
            }
            if let Ok(body) = serde_json::from_str(body) {
                trace.add_members(&body, DEPTH);
            }
        }
        let stamped = frame.as_ref().and_then(|frame| frame.get("timestamp")).and_then(|stamp| match stamp {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
        trace.server_time =
            stamped.or_else(|| response.and_then(|(headers, _)| header(headers, "date")).map(str::to_owned));
        trace
    }

    fn add(&mut self, name: &str, value: &str) {
        let known = |(other, same): &(String, String)| other == name && same == value;
        if !value.is_empty() && !self.returned.iter().any(known) {
            self.returned.push((name.to_owned(), value.to_owned()));
        }
    }

    fn add_members(&mut self, value: &Value, depth: usize) {
        let Value::Object(members) = value else { return };
        for (name, member) in members {
            match member {
                Value::String(text) if MEMBERS.contains(&name.as_str()) => self.add(name, text),
                Value::Object(_) if depth > 1 => self.add_members(member, depth - 1),
                _ => {}
            }
        }
    }
}

fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{CheckId, ConnectionId, Head};

    fn entry(at: u64, connection: u32, direction: Direction, record: Record) -> Entry {
        Entry {
            at: Duration::from_millis(at),
            check: CheckId::new("format/bad-json-answered"),
            connection: ConnectionId(connection),
            direction,
            record,
            broken: false,
        }
    }

    fn headers(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn request(at: u64, connection: u32, traceparent: &str) -> Entry {
        let headers = headers(&[("Traceparent", traceparent)]);
        let record = Record::Request { method: "GET".into(), url: "http://h/".into(), headers, body: None };
        entry(at, connection, Direction::Sent, record)
    }

    fn response(at: u64, connection: u32, list: &[(&str, &str)], body: &str) -> Entry {
        let record = Record::Response { status: 400, headers: headers(list), body: Some(body.into()) };
        entry(at, connection, Direction::Received, record)
    }

    fn frame(at: u64, connection: u32, payload: &str) -> Entry {
        let head = Head { fin: true, rsv: 0, opcode: 1, masked: false, length: payload.len() as u64, minimal: true };
        let record = Record::Frame { head, payload: payload.into(), close_code: None, utf8: true };
        entry(at, connection, Direction::Received, record)
    }

    #[test]
    fn the_last_answered_exchange_names_itself() {
        let body = r#"{"error": {"trace_id": "t-1", "code": "X"}, "request_id": "r-1"}"#;
        let entries = vec![
            request(1, 1, "00-a"),
            response(2, 1, &[("x-request-id", "other")], ""),
            request(3, 2, "00-b"),
            response(4, 2, &[("X-Request-Id", "r-1"), ("Date", "Mon, 23 Nov 2026 08:30:01 GMT")], body),
            request(5, 3, "00-c"),
        ];
        let trace = Trace::of(&Evidence { entries, facts: Vec::new() }, &Vec::new());
        assert_eq!(trace.sent.as_deref(), Some("00-b"));
        assert_eq!(trace.returned, headers(&[("x-request-id", "r-1"), ("trace_id", "t-1"), ("request_id", "r-1")]));
        assert_eq!(trace.server_time.as_deref(), Some("Mon, 23 Nov 2026 08:30:01 GMT"));
    }

    #[test]
    fn a_frames_own_time_wins_and_the_upgrade_is_found_in_the_history() {
        let upgrade = [request(1, 1, "00-a"), response(2, 1, &[("date", "then"), ("cf-ray", "ray")], "")];
        let last = frame(9, 1, r#"{"type":"error","timestamp":"2026-11-23T08:30:05Z","payload":{"trace_id":"t"}}"#);
        let evidence = Evidence { entries: vec![last.clone()], facts: Vec::new() };
        let trace = Trace::of(&evidence, &upgrade.into_iter().chain([last]).collect());
        assert_eq!(trace.sent.as_deref(), Some("00-a"));
        assert_eq!(trace.returned, headers(&[("trace_id", "t"), ("cf-ray", "ray")]));
        assert_eq!(trace.server_time.as_deref(), Some("2026-11-23T08:30:05Z"));
    }

    #[test]
    fn without_an_exchange_there_is_no_trace() {
        assert_eq!(Trace::of(&Evidence::default(), &Vec::new()), Trace::default());
    }
}
