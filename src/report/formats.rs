//! One run, made by hand, in every report. It stands here and not in `tests/` because only the crate
//! itself can make a proof that a check conforms.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use indicatif::ProgressDrawTarget;

use super::terminal::{Ending, Look, Terminal, Verbosity, closing, summary};
use super::{html, json, junit, markdown};
use crate::model::{
    Blame, CheckId, Conforms, ConnectionId, Deviation, Direction, Effect, Entry, Event, Evidence, ExitCode, Finding,
    Gate, Head, Inconclusive, Level, Need, NotVerified, Observation, Outcome, Priority, Record, Repetition, RunFacts,
    RunResult, Sink, Totals, Trace, Verdict,
};

const LOOK: Look = Look { color: false, width: 100, verbosity: Verbosity::Normal };

fn conforms() -> Verdict {
    measured([])
}

fn measured(figures: impl Into<Vec<String>>) -> Verdict {
    let conforms = Conforms::on(&[Observation::of_a_verified_fact(), Observation::of_a_verified_fact()]);
    conforms.map(|conforms| conforms.with_figures(figures.into())).into()
}

fn outcome(id: &'static str, title: &'static str, requirement: &'static str, verdict: Verdict) -> Outcome {
    Outcome {
        id: CheckId::new(id),
        title,
        requirement,
        priority: Priority::P0,
        level: Level::Must,
        required: false,
        gates: true,
        verdict,
        attempts: 1,
        flaky: false,
        known: false,
        duration: Duration::from_millis(1_118),
        claims: Vec::new(),
        trace: Trace::default(),
        history: Arc::default(),
    }
}

fn entry(check: &'static str, at_ms: u64, direction: Direction, record: Record) -> Entry {
    Entry {
        at: Duration::from_millis(at_ms),
        check: CheckId::new(check),
        connection: ConnectionId(1),
        direction,
        record,
        broken: false,
    }
}

fn frame(opcode: u8, direction: Direction, payload: &str, close_code: Option<u16>) -> Record {
    let length = payload.len() as u64;
    let head = Head { fin: true, rsv: 0, opcode, masked: direction == Direction::Sent, length, minimal: true };
    Record::Frame { head, payload: payload.into(), close_code, utf8: true }
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.into(), value.into())
}

/// An expired token that was let in, over the WebSocket.
fn accepted(id: &'static str) -> Deviation {
    let upgrade = Record::Request {
        method: "GET".into(),
        url: "wss://api.example.test/ws".into(),
        headers: vec![
            header("Host", "api.example.test"),
            header("Upgrade", "websocket"),
            header("Authorization", "Bearer «access-token 3»"),
        ],
        body: None,
    };
    let switched =
        Record::Response { status: 101, headers: vec![header("date", "Mon, 23 Nov 2026 08:30:01 GMT")], body: None };
    let welcome = format!("{{\"type\":\"connection_established\",\"note\":\"]]>\u{1b}[2J{}\"}}", "é".repeat(1_000));
    let mut broken = entry(
        id,
        1_263,
        Direction::Sent,
        Record::Frame {
            head: Head { fin: false, rsv: 4, opcode: 0x1, masked: false, length: 2, minimal: false },
            payload: "ffff".into(),
            close_code: None,
            utf8: false,
        },
    );
    broken.broken = true;
    Deviation {
        finding: Finding::Accepted,
        step: "token expired 60 s ago".into(),
        expected: vec!["HTTP 401 with TOKEN_EXPIRED".into(), "error TOKEN_EXPIRED, then close 1008".into()],
        seen: "HTTP 101 and <connection_established>".into(),
        evidence: Evidence {
            entries: vec![
                entry(id, 1_204, Direction::Sent, upgrade),
                entry(id, 1_250, Direction::Received, switched),
                entry(id, 1_251, Direction::Received, frame(0x1, Direction::Received, &welcome, None)),
                broken,
                entry(id, 1_270, Direction::Received, frame(0x8, Direction::Received, "bye", Some(1002))),
                entry("format/every-frame-fits", 1_271, Direction::Received, Record::Ended("closed".into())),
                entry(id, 1_272, Direction::Sent, Record::Note("control: the same token before".into())),
            ],
            facts: vec!["3 of 4 refusals deviate".into()],
        },
        window: None,
    }
}

/// A missing header in an answer over HTTP.
fn header_missing() -> Deviation {
    let id = "auth-sync/refresh-is-not-cached";
    let request = Record::Request {
        method: "POST".into(),
        url: "https://auth.example.test/auth/refresh".into(),
        headers: vec![header("content-type", "application/json"), header("user-agent", "netra-check/0.1.0")],
        body: Some("{\"refresh_token\":\"«refresh-token 1»\"}".into()),
    };
    let response =
        Record::Response { status: 200, headers: vec![header("x-request-id", "r-17")], body: Some("{}".into()) };
    Deviation {
        finding: Finding::WrongHeader,
        step: String::new(),
        expected: vec!["Cache-Control: no-store".into()],
        seen: "no Cache-Control".into(),
        evidence: Evidence {
            entries: vec![entry(id, 10, Direction::Sent, request), entry(id, 35, Direction::Received, response)],
            facts: Vec::new(),
        },
        window: None,
    }
}

fn unreachable_backend() -> Verdict {
    let inconclusive = Inconclusive::new(Blame::Environment, "api.example.test:443 refused the connection three times");
    Verdict::Inconclusive(Arc::new(inconclusive))
}

/// A run with each verdict, a repeated cause, a warning, a flaky check and a known deviation.
pub(super) fn run() -> RunResult {
    let deviates = |deviation| Verdict::Deviates(Arc::new(deviation));
    let refused = "An expired token MUST be refused with TOKEN_EXPIRED.";
    let mut outcomes = vec![
        outcome(
            "handshake/valid-token-accepted",
            "A valid token is accepted",
            "A valid token MUST be accepted.",
            conforms(),
        ),
        outcome(
            "handshake/expired-token-refused",
            "An expired token is refused",
            refused,
            deviates(accepted("handshake/expired-token-refused")),
        ),
        outcome(
            "handshake/idle-socket-closed-at-expiry",
            "An idle socket ends with its token",
            refused,
            deviates(accepted("handshake/idle-socket-closed-at-expiry")),
        ),
        outcome(
            "handshake/ping-answered",
            "A ping is answered",
            "A ping MUST be answered.",
            measured(["round trip: 3 ms, 4 ms, 3 ms".to_owned()]),
        ),
        outcome(
            "auth-sync/refresh-is-not-cached",
            "A refresh is not cached",
            "Token answers SHOULD carry `Cache-Control: no-store`.",
            deviates(header_missing()),
        ),
        outcome(
            "auth-sync/logout-seen-everywhere",
            "A logout is seen everywhere",
            "A logout MUST be seen by every service.",
            Verdict::NotVerified(NotVerified::Forbids(Effect::Revoke)),
        ),
        outcome(
            "recovery/agent-failure-told",
            "A failure is told",
            "A failed run MUST end with `agent_error`.",
            unreachable_backend(),
        ),
        outcome(
            "recovery/backend-survives",
            "The backend survives",
            "A failed run MUST NOT end the socket.",
            unreachable_backend(),
        ),
        outcome(
            "threads/titles-kept",
            "Titles are kept",
            "A thread's title MUST be kept.",
            Verdict::NotVerified(NotVerified::Lacks(Need::Sign)),
        ),
        outcome(
            "threads/history-in-order",
            "History is in order",
            "History MUST be in order.",
            Verdict::NotVerified(NotVerified::Lacks(Need::Sign)),
        ),
    ];
    outcomes[0].required = true;
    for told in &mut outcomes {
        let Some(evidence) = told.verdict.evidence() else { continue };
        told.history = Arc::new(evidence.entries.clone());
        told.trace = Trace::of(evidence, &told.history);
    }
    outcomes[1].claims = vec!["credentials.bypass_key at profiles/staging.yaml:14 («secret»)".into()];
    outcomes[4].claims = vec!["urls.auth at built-in staging.yaml:8 (https://auth.example.test)".into()];
    outcomes[3].attempts = 2;
    outcomes[3].flaky = true;
    outcomes[4].level = Level::Should;
    outcomes[4].gates = false;
    outcomes[4].known = true;
    for threads in &mut outcomes[8..] {
        threads.priority = Priority::P1;
        threads.attempts = 0;
        threads.duration = Duration::ZERO;
    }
    let outcomes: Vec<Arc<Outcome>> = outcomes.into_iter().map(Arc::new).collect();
    let facts = RunFacts {
        id: "01k2-quiet-otter".into(),
        reference: false,
        profile: "staging".into(),
        profile_argument: "staging".into(),
        contract: "netra-v1".into(),
        hosts: vec!["auth.example.test".into(), "api.example.test".into()],
        seed: 7,
        selection: "--suite smoke".into(),
        started: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_422_600_250),
        revision: Some("3f2c1d0".into()),
        tool_version: "0.1.0",
        planned: outcomes.iter().map(|outcome| outcome.id).collect(),
        not_selected: 98,
        repetition: Repetition {
            sets: vec!["limits.check_s=60".into()],
            curl: vec!["--cacert".into(), "it's mine.pem".into()],
        },
    };
    RunResult {
        totals: Totals::of(outcomes.iter().map(AsRef::as_ref), facts.not_selected),
        exit_code: Gate::default().exit_code(outcomes.iter().map(AsRef::as_ref)),
        facts: Arc::new(facts),
        outcomes,
        duration: Duration::from_millis(12_340),
        interrupted: false,
        not_ready: None,
        remarks: vec!["2 of 10 users".into()],
        gate: Vec::new(),
    }
}

/// The same against the reference, interrupted after its first check.
pub(super) fn interrupted() -> RunResult {
    let mut result = run();
    let facts = RunFacts {
        reference: true,
        profile: "local".into(),
        profile_argument: "local".into(),
        revision: None,
        ..result.facts.as_ref().clone()
    };
    result.facts = Arc::new(facts);
    result.outcomes.truncate(1);
    result.totals = Totals::of(result.outcomes.iter().map(AsRef::as_ref), 98);
    result.interrupted = true;
    result.exit_code = ExitCode::Interrupted;
    result
}

#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Screen {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Screen {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a log shows of a whole run.
fn told(result: RunResult, verbosity: Verbosity) -> String {
    let screen = Screen::default();
    let look = Look { verbosity, ..LOOK };
    let mut terminal = Terminal::to(Box::new(screen.clone()), look, ProgressDrawTarget::hidden());
    terminal.on(&Event::RunStarted(Arc::clone(&result.facts)));
    let mut scenario = None;
    for outcome in &result.outcomes {
        if scenario.replace(outcome.id.scenario()) != Some(outcome.id.scenario()) {
            terminal.on(&Event::ScenarioStarted(outcome.id.scenario()));
        }
        terminal.on(&Event::CheckStarted(outcome.id));
        terminal.on(&Event::CheckFinished(Arc::clone(outcome)));
    }
    let (facts, code) = (Arc::clone(&result.facts), result.exit_code);
    terminal.on(&Event::RunFinished(Arc::new(result)));
    screen.text() + &closing(&facts, code, &look)
}

#[test]
fn terminal() {
    insta::assert_snapshot!(told(run(), Verbosity::Normal));
}

#[test]
fn terminal_quiet() {
    insta::assert_snapshot!(told(run(), Verbosity::Quiet));
}

#[test]
fn terminal_verbose_and_interrupted() {
    insta::assert_snapshot!(told(interrupted(), Verbosity::Verbose));
}

#[test]
fn colours_change_nothing_but_colours() {
    let result = run();
    let ending = Ending::of(&result);
    let colored = summary(&ending, &Look { color: true, ..LOOK });
    assert!(colored.contains("\u{1b}["));
    assert_eq!(anstream::adapter::strip_str(&colored).to_string(), summary(&ending, &LOOK));
}

#[test]
fn json() {
    insta::assert_snapshot!(json::render(&run()));
}

#[test]
fn json_read_back_is_what_was_written() {
    let document = json::parse(&json::render(&run())).expect("our own report");
    assert_eq!(document, json::Document::of(&run()));
    for (check, outcome) in document.checks.iter().zip(&run().outcomes) {
        let recalled = check.recall(outcome.id, outcome.title, outcome.requirement);
        assert_eq!(recalled.is_none(), matches!(outcome.verdict, Verdict::Conforms(_)));
        let result = run();
        let again = super::text::Again::of(&result.facts);
        for depth in [super::text::Depth::BRIEF, super::text::Depth::WHOLE] {
            // The excerpt's entries are told as the check's own, so evidence is compared without names.
            let account = |outcome: &Outcome| {
                super::text::Account::of(outcome, again, depth).map(|told| (told.fields, told.commands))
            };
            assert_eq!(recalled.as_ref().and_then(account), account(outcome));
        }
    }
    let (rows, result) = (document.rows(), run());
    let live = super::group::rows(result.outcomes.iter().map(AsRef::as_ref));
    let counts = |rows: &[super::group::Row]| -> Vec<_> {
        let count = |row: &super::group::Row| {
            let totals = row.totals;
            (
                row.scenario,
                row.time,
                totals.conforms,
                totals.deviates,
                totals.warnings,
                totals.not_verified,
                totals.inconclusive,
            )
        };
        rows.iter().map(count).collect()
    };
    assert_eq!(counts(&rows), counts(&live));
    assert_eq!(document.totals(), result.totals);
}

#[test]
fn json_of_another_version_is_refused_by_its_number() {
    let error = json::parse("{\"version\": 2, \"anything\": []}").expect_err("version 2");
    assert_eq!(error.to_string(), "the report has version 2; this netra-check reads version 1");
}

#[test]
fn junit() {
    insta::assert_snapshot!(junit::render(&run()).replace("><", ">\n<"));
}

#[test]
fn junit_interrupted() {
    insta::assert_snapshot!(junit::render(&interrupted()).replace("><", ">\n<"));
}

#[test]
fn html() {
    insta::assert_snapshot!(html::render(&run()));
}

#[test]
fn markdown() {
    insta::assert_snapshot!(markdown::render(&run()));
}

#[test]
fn markdown_interrupted() {
    insta::assert_snapshot!(markdown::render(&interrupted()));
}
