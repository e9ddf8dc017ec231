//! Each defect of the backend shows: a fixed conversation goes otherwise with it on.
//!
//! What a defect must look like is for the checks to say; here it must not be dead code.

use std::time::Duration;

use crate::support::{Environment, Login};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use netra_check::reference::{DEFECTS, Setting};
use regex::Regex;
use ring::digest;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Silence after which a conversation counts as finished.
const SILENCE: Duration = Duration::from_millis(350);

/// Longest wait for the answer to a text.
const PATIENCE: Duration = Duration::from_millis(900);

/// A connection on which octets are written and read as they are.
struct Raw {
    stream: TcpStream,
    octets: Vec<u8>,
    ended: bool,
}

impl Raw {
    async fn open(environment: &Environment, head: &str) -> Self {
        let url = environment.facts.urls.backend.as_ref().unwrap();
        let stream = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).await.unwrap();
        let mut raw = Self { stream, octets: Vec::new(), ended: false };
        raw.send(head.as_bytes()).await;
        raw
    }

    async fn send(&mut self, octets: &[u8]) {
        // A peer that has gone shows in what is read.
        let _ = self.stream.write_all(octets).await;
    }

    async fn text(&mut self, text: &str) {
        self.send(&frame(0x81, text.as_bytes())).await;
    }

    /// Reads until there is silence for so long, or the end.
    async fn listen(&mut self, silence: Duration) {
        while !self.ended {
            match timeout(silence, self.stream.read_buf(&mut self.octets)).await {
                Err(_) => return,
                Ok(Ok(0) | Err(_)) => self.ended = true,
                Ok(Ok(_)) => {}
            }
        }
    }

    /// Reads until there is one more of `end`; not for ever, because a defect may withhold it.
    async fn until(&mut self, end: &str) {
        let count = |octets: &[u8]| String::from_utf8_lossy(octets).matches(end).count();
        let (before, began) = (count(&self.octets), Instant::now());
        while !self.ended && count(&self.octets) == before && began.elapsed() < PATIENCE {
            if let Ok(Ok(0) | Err(_)) = timeout(SILENCE, self.stream.read_buf(&mut self.octets)).await {
                self.ended = true;
            }
        }
    }

    /// Sends a text and reads until it has been served.
    async fn said(&mut self, text: &str) {
        self.text(text).await;
        self.until(end_of(text)).await;
    }

    /// Everything so far as text: the head, a line for each frame, and whether TCP has ended.
    async fn told(mut self, silence: Duration) -> String {
        self.listen(silence).await;
        let head_end =
            self.octets.windows(4).position(|four| four == b"\r\n\r\n").map_or(self.octets.len(), |at| at + 4);
        let (head, mut rest) = self.octets.split_at(head_end);
        let mut told = String::from_utf8_lossy(head).into_owned();
        if !told.starts_with("HTTP/1.1 101") {
            told.push_str(&String::from_utf8_lossy(rest));
            rest = &[];
        }
        while let [first, second, after @ ..] = rest {
            let extended = match second & 0x7F {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            let length = after.iter().take(extended).fold(0_usize, |length, octet| length << 8 | usize::from(*octet));
            let length = if extended == 0 { usize::from(second & 0x7F) } else { length };
            let start = extended + if second & 0x80 == 0 { 0 } else { 4 };
            let payload = after.get(start..start + length).unwrap_or_default();
            // How many pings come within a silence is a matter of time.
            if *first != 0x89 {
                let masked = second & 0x80;
                let (code, text) = match payload {
                    [high, low, reason @ ..] if *first == 0x88 => (u16::from_be_bytes([*high, *low]), reason),
                    text => (0, text),
                };
                told.push_str(&format!("\n{first:02x} {masked:02x} {code} {}", String::from_utf8_lossy(text)));
            }
            rest = after.get(start + length..).unwrap_or_default();
        }
        if self.ended { told + "\nend" } else { told }
    }
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut octets = vec![first];
    match payload.len() {
        short @ ..=125 => octets.push(0x80 | short as u8),
        medium @ ..=0xFFFF => {
            octets.push(0x80 | 126);
            octets.extend((medium as u16).to_be_bytes());
        }
        long => {
            octets.push(0x80 | 127);
            octets.extend((long as u64).to_be_bytes());
        }
    }
    octets.extend([0; 4]);
    octets.extend(payload);
    octets
}

fn head(extra: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {KEY}\r\n{extra}\r\n"
    )
}

fn bearer(token: &str) -> String {
    head(&format!("Authorization: Bearer {token}\r\n"))
}

fn envelope(kind: &str, payload: Value) -> String {
    json!({"type": kind, "payload": payload, "message_id": format!("asks {kind}")}).to_string()
}

/// What shows that a text has been served.
fn end_of(text: &str) -> &'static str {
    if text.contains("\"content\":\"") { "\"final_report\"" } else { "\"timestamp\"" }
}

/// A socket of this login on which these texts are said, one after the other.
async fn conversation(environment: &Environment, login: &Login, texts: &[String]) -> String {
    let mut raw = Raw::open(environment, &bearer(&login.access)).await;
    raw.until("\"timestamp\"").await;
    for text in texts {
        raw.said(text).await;
    }
    raw.told(SILENCE).await
}

/// The messages of one kind, or of all, in their order or sorted.
fn kinds(told: &str, pattern: &str) -> Vec<String> {
    Regex::new(pattern).unwrap().find_iter(told).map(|found| found.as_str().to_owned()).collect()
}

async fn handshakes(environment: &Environment) -> String {
    let (login, other) = (environment.login("hand").await, environment.login("other").await);
    let carrier =
        |token: &str| format!("Sec-WebSocket-Protocol: jwt-auth, {}\r\n", environment.token_subprotocol(token));
    let header = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let good = &login.access;
    let frontend = environment.facts.urls.frontend.as_ref().unwrap().origin().ascii_serialization();
    let heads = [
        bearer(good),
        head(&carrier(good)),
        bearer("a.b.c"),
        head(""),
        head("Authorization: Bearer\r\n"),
        head("").replace("GET /ws", &format!("GET /ws?token={good}")),
        head(&(header(good) + &carrier(&other.access))),
        head(&(header("a.b.c") + &carrier(good))),
        head(&(header(good) + &format!("Origin: {frontend}.evil.example\r\n"))),
        head(&(header(good) + "Origin: https://evil.example\r\n")),
        bearer(good).replace("Version: 13", "Version: 12"),
        bearer(good).replace(KEY, "short"),
    ];
    let mut told = String::new();
    for head in heads {
        let mut raw = Raw::open(environment, &head).await;
        raw.text(&envelope("ping", json!({}))).await;
        told.push_str(&raw.told(SILENCE).await);
    }
    let accept = digest::digest(
        &digest::SHA1_FOR_LEGACY_USE_ONLY,
        format!("{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes(),
    );
    assert_eq!(STANDARD.encode(accept), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "the RFC's own example");
    told.replace(good, "GOOD").replace(&other.access, "OTHER").replace(&environment.token_subprotocol(good), "CARRIED")
}

async fn sessions(environment: &Environment) -> String {
    let (login, other) = (environment.login("session").await, environment.login("another").await);
    let fresh = environment.refresh(&login).await;
    let refresh = |token: &str| envelope("token_refresh", json!({"token": token}));
    let mut told =
        conversation(environment, &fresh, &[refresh(&fresh.access), refresh("bad"), refresh(&other.access)]).await;
    let mut raw = Raw::open(environment, &bearer(&fresh.access)).await;
    raw.text(&envelope("user_message", json!({"content": "[[stream:4@200ms]]"}))).await;
    raw.until("\"partial_result\"").await;
    raw.text(&refresh(&fresh.access)).await;
    let mut seen = kinds(&raw.told(SILENCE).await, r#""type":"\w+""#);
    seen.sort();
    told += &format!("{seen:?}");
    // An idle socket that expires, and one that would expire but is refreshed.
    let short = environment.login_for("short", 2).await;
    let late = environment.login("short").await;
    let idle = Raw::open(environment, &bearer(&short.access)).await.told(Duration::from_millis(1_600));
    let renewed = async {
        let mut raw = Raw::open(environment, &bearer(&short.access)).await;
        raw.text(&refresh(&late.access)).await;
        raw.listen(Duration::from_millis(1_600)).await;
        raw.text(&envelope("ping", json!({}))).await;
        raw.told(SILENCE).await
    };
    // One whose refresh token is rotated while it is open.
    let rotated = async {
        let login = environment.login("rotated").await;
        let raw = Raw::open(environment, &bearer(&login.access)).await;
        environment.refresh(&login).await;
        raw.told(Duration::from_millis(700)).await
    };
    let (idle, renewed, rotated) = tokio::join!(idle, renewed, rotated);
    told += &idle;
    told += &renewed;
    told += &rotated;
    told
}

async fn keep_alive(environment: &Environment) -> String {
    let login = environment.login("alive").await;
    let mut raw = Raw::open(environment, &bearer(&login.access)).await;
    raw.listen(Duration::from_millis(100)).await;
    raw.send(&frame(0x8A, b"unasked")).await;
    raw.send(&frame(0x89, b"payload")).await;
    raw.listen(Duration::from_millis(100)).await;
    raw.send(&frame(0x88, &1000_u16.to_be_bytes())).await;
    let mut told = raw.told(Duration::from_secs(1)).await;
    // A peer that never answers pings.
    let began = Instant::now();
    let mut raw = Raw::open(environment, &bearer(&login.access)).await;
    while !raw.ended && began.elapsed() < Duration::from_millis(3_200) {
        raw.listen(Duration::from_millis(200)).await;
    }
    let pinged = raw.octets.windows(2).any(|two| two == [0x89, 8]);
    told += &format!("pinged {pinged}, dropped {}", raw.ended);
    told
}

async fn frames(environment: &Environment) -> String {
    let login = environment.login("frames").await;
    let ping = envelope("ping", json!({})).into_bytes();
    let padded = |size: usize| {
        let mut text = envelope("ping", json!({}));
        text.push_str(&" ".repeat(size - text.len()));
        frame(0x81, text.as_bytes())
    };
    let mut unmasked = frame(0x81, &ping);
    unmasked[1] &= 0x7F;
    unmasked.drain(2..6);
    let mut invalid = envelope("ping", json!({"x": "?"})).into_bytes();
    let at = invalid.iter().position(|octet| *octet == b'?').unwrap();
    invalid[at] = 0xFF;
    let (start, end) = ping.split_at(10);
    let cases = [
        frame(0x82, &ping),
        padded(65_536),
        padded(65_537),
        frame(0x81, &invalid),
        unmasked,
        [frame(0x83, b"reserved"), frame(0x81, &ping)].concat(),
        [frame(0x89, &[b'x'; 126]), frame(0x81, &ping)].concat(),
        [frame(0x01, start), frame(0x80, end)].concat(),
    ];
    let told = cases.iter().map(|octets| async {
        let mut raw = Raw::open(environment, &bearer(&login.access)).await;
        raw.send(octets).await;
        raw.told(SILENCE).await
    });
    join_all(told).await.concat()
}

async fn messages(environment: &Environment) -> String {
    let login = environment.login("messages").await;
    let say =
        |content: &str| envelope("user_message", json!({"content": content})).replace("asks user_message", content);
    let tricky = "e\u{301} € <b> ";
    let deep = format!("{}{}", "[".repeat(110), "]".repeat(110));
    let mut told =
        conversation(environment, &login, &[envelope("create_thread", json!({})), say("one [[tools:1]]"), say(tricky)])
            .await;
    told += &conversation(environment, &login, &[say(&"x".repeat(20_000))]).await;
    told += &conversation(environment, &login, &["{".into(), envelope("nonsense", json!({}))]).await;
    told +=
        &conversation(environment, &login, &[format!("{{\"type\":\"ping\",\"payload\":{{\"deep\":{deep}}}}}")]).await;
    told += &conversation(
        environment,
        &login,
        &[
            envelope("user_message", json!({"content": null})),
            envelope("user_message", json!({"content": 7})),
            envelope("user_message", json!({"text": "in a wrong field"})),
        ],
    )
    .await;
    let asked = [
        envelope("start_agent", json!({"content": "hi", "agent_name": "triage"})),
        envelope("switch_thread", json!({"thread_id": "none"})),
        envelope("rename_thread", json!({"thread_id": "none", "title": "t"})),
        envelope("delete_thread", json!({"thread_id": "none"})),
        envelope("get_thread_history", json!({"thread_id": "none"})),
        envelope("stop_agent", json!({"run_id": "none"})),
        envelope("session_restore", json!({"connection_id": "none", "last_sequence": 1})),
        envelope("list_threads", json!({})),
        envelope("token_refresh", json!({"token": "bad"})),
    ];
    let fresh = environment.login("asked").await;
    told += &conversation(environment, &fresh, &asked).await;
    // Several at once, one of them a run that streams.
    let at_once = environment.login("at once").await;
    let mut raw = Raw::open(environment, &bearer(&at_once.access)).await;
    raw.text(&say("[[stream:10@60ms]]")).await;
    for number in 0..6 {
        raw.text(&envelope("ping", json!({})).replace("asks ping", &format!("ping {number}"))).await;
    }
    // Whether they come before or after the run's other events is a matter of time.
    told += &format!("{:?}", kinds(&raw.told(SILENCE).await, r#"ping \d|"final_report""#));
    told
}

async fn http(environment: &Environment) -> String {
    let login = environment.login("http").await;
    let config = environment.get(&login, "/ws/config").await;
    let relayed = environment.try_call(&login, "POST", "/auth/refresh", Some(json!({"refresh_token": "x"}))).await;
    format!("{config} {}", relayed.status())
}

async fn outage(environment: &Environment) -> String {
    let login = environment.login("outage").await;
    let mut raw = Raw::open(environment, &bearer(&login.access)).await;
    raw.listen(Duration::from_millis(100)).await;
    environment.control("/auth/down").await;
    let refused = Raw::open(environment, &bearer(&login.access)).await.told(SILENCE).await;
    let told = raw.told(Duration::from_millis(700)).await;
    environment.control("/auth/up").await;
    told + &refused
}

/// A conversation about one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Handshakes,
    Sessions,
    KeepAlive,
    Frames,
    Messages,
    Http,
    Outage,
}

const ALL: &[Part] =
    &[Part::Handshakes, Part::Sessions, Part::KeepAlive, Part::Frames, Part::Messages, Part::Http, Part::Outage];

/// Where a defect must show.
fn parts_of(defect: &str) -> &'static [Part] {
    let position = |id: &str| DEFECTS.iter().position(|defect| defect.id == id).unwrap();
    let position_of_defect = position(defect);
    let is_among = |first: &str, last: &str| (position(first)..=position(last)).contains(&position_of_defect);
    match defect {
        "fail-open" | "outage-drops-sockets" => &[Part::Outage],
        "config-value-missing" | "config-excuses-anything" | "backend-serves-auth-routes" => &[Part::Http],
        "data-after-close" | "long-close-reason" | "close-without-code" => &[Part::Frames],
        "no-pong" | "pong-wrong-payload" | "no-heartbeat" | "zombie-socket" | "pong-kills" | "close-1006-on-wire"
        | "never-closes" => &[Part::KeepAlive],
        _ if is_among("reject-everything", "fail-open") => &[Part::Handshakes],
        _ if is_among("refresh-drops-socket", "outage-drops-sockets") => &[Part::Sessions],
        _ if is_among("accepts-binary", "close-without-code") => &[Part::Frames],
        _ if is_among("event-data-envelope", "silently-accepts-text") || defect.starts_with("ignore-") => {
            match position_of_defect > position("silently-accepts-text") || !defect.starts_with("ignore-") {
                true => &[Part::Messages],
                false => &[],
            }
        }
        _ => &[],
    }
}

/// What the conversations come to, without times and without what follows from them.
async fn told(switches: &[&str], parts: &[Part]) -> Vec<String> {
    let environment = Environment::start(switches).await;
    let mut all = Vec::new();
    for part in parts {
        let told = match part {
            Part::Handshakes => handshakes(&environment).await,
            Part::Sessions => sessions(&environment).await,
            Part::KeepAlive => keep_alive(&environment).await,
            Part::Frames => frames(&environment).await,
            Part::Messages => messages(&environment).await,
            Part::Http => http(&environment).await,
            Part::Outage => outage(&environment).await,
        };
        all.push(without_times(*part, &told));
    }
    environment.stop().await;
    all
}

fn without_times(part: Part, told: &str) -> String {
    // Connections of one user that are opened at once get their ids in any order.
    let ids = if part == Part::Frames { "|[0-9a-f]{32}" } else { "" };
    let times = Regex::new(&format!(r"\d{{4}}-\d\d-\d\dT[\d:.]+Z|(?i)date: [^\r]*|_ms.:\d+(\.\d+)?{ids}")).unwrap();
    let expiry = Regex::new(r#""expires_at":"[^T]*T(\d\d):(\d\d)"#).unwrap();
    // Within a minute of the first, or far from it: a lie of an hour is one.
    let minutes: Vec<i64> = expiry
        .captures_iter(told)
        .map(|found| found[1].parse::<i64>().unwrap() * 60 + found[2].parse::<i64>().unwrap())
        .collect();
    let now = time::OffsetDateTime::now_utc();
    let now = i64::from(now.hour()) * 60 + i64::from(now.minute());
    let far = minutes.iter().filter(|minute| (**minute - now).rem_euclid(24 * 60) > 30).count();
    let told = times.replace_all(told, "…").into_owned();
    if part == Part::Sessions { format!("{told} {far} far") } else { told }
}

#[tokio::test]
async fn every_defect_of_the_backend_shows() {
    let (clean, again) = tokio::join!(told(&[], ALL), told(&[], ALL));
    for (part, (first, second)) in ALL.iter().zip(clean.iter().zip(&again)) {
        assert_eq!(first, second, "{part:?} goes the same way twice");
    }
    // What a ticket opens shows in a contract that has tickets (`tests/contracts`), what a page does in a browser (`prove`).
    let elsewhere = [Some(Setting::Tickets), Some(Setting::Browser)];
    let here = DEFECTS.iter().filter(|defect| !elsewhere.contains(&defect.needs));
    let own: Vec<_> = here.map(|defect| defect.id).filter(|id| !parts_of(id).is_empty()).collect();
    assert!(own.len() > 80, "{}", own.len());
    let clean = &clean;
    let hidden: Vec<_> = futures_util::stream::iter(own)
        .map(|id| async move {
            let parts = parts_of(id);
            let seen = told(&[id], parts).await;
            let same = |(part, told): (&Part, &String)| {
                ALL.iter().position(|known| known == part).is_some_and(|at| clean[at] == *told)
            };
            parts.iter().zip(&seen).all(same).then_some(id)
        })
        .buffered(64)
        .filter_map(|hidden| async move { hidden })
        .collect()
        .await;
    assert_eq!(hidden, [""; 0]);
}
