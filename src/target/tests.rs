//! The target against raw listeners on loopback: what a real service does, and what none should.

mod between;
mod workshop;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::frame::{Decoder, RawFrame, opcode};
use super::*;
use crate::model::{CheckId, Direction, GateRules, Record, Stop};
use crate::profile::*;
use crate::wire::{Kind, Message};

const CHECK: CheckId = CheckId::new("handshake/valid-token-accepted");
const SOON: Duration = Duration::from_secs(5);
const GOOD: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1LTEiLCJlbWFpbCI6ImFAYi5jIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ";

fn profile(port: u16) -> Profile {
    let url = |scheme: &str, path: &str| Url::parse(&format!("{scheme}://127.0.0.1:{port}{path}")).unwrap();
    Profile {
        name: "test".into(),
        contract: "netra-v1".into(),
        environment: Environment::Test,
        urls: Urls { auth: url("http", ""), backend: url("http", ""), websocket: url("ws", "/ws"), frontend: None },
        headers: BTreeMap::from([("X-Access".into(), Secret::new("identity-aware"))]),
        tls: Tls::default(),
        proxy: None,
        resolve: BTreeMap::new(),
        pace: crate::profile::Pace { jobs: 4, connections: 0, requests_per_s: 0, sockets_per_user: 0 },
        credentials: Credentials {
            method: Method::E2eBypass,
            bypass_key: Some(Secret::new("bypass-key-of-the-test")),
            signing_key: Some(SigningKey {
                algorithm: "HS256".into(),
                key: Secret::new("signing-key-of-the-test"),
                kid: None,
                subjects: vec![("u-1".into(), "a@b.c".into())],
            }),
            users: Vec::new(),
            wrong_password_user: None,
            tokens: Vec::new(),
            short_login: None,
        },
        service: None,
        users: Users {
            domain: "example.test".into(),
            email: "netra-check+{n}@example.test".into(),
            count: 2,
            states: BTreeMap::new(),
            oauth_providers: Vec::new(),
            oauth_automatic: false,
        },
        suite: "full".into(),
        suites: BTreeMap::new(),
        allow: BTreeSet::new(),
        triggers: BTreeMap::new(),
        prompts: Vec::new(),
        thresholds: Thresholds {
            reply: SOON,
            welcome: SOON,
            fast: SOON,
            medium: SOON,
            first_content: SOON,
            run: SOON,
            agent_error: SOON,
            stop: SOON,
            restore: SOON,
        },
        limits: Limits {
            check: SOON,
            run: SOON,
            connect: SOON,
            request: SOON,
            settle: SOON,
            short_token: SOON,
            fresh_connections: 1,
            raw_frames: true,
        },
        ready: Ready {
            within: SOON,
            samples: 1,
            revision: Revision { url: None, place: RevisionPlace::Version, expect: None },
        },
        independence: Independence {
            launch_auth: None,
            launch_backend: None,
            start: SOON,
            source: None,
            forbidden_packages: Vec::new(),
            auth_database: None,
            backend_database: None,
        },
        browser: None,
        gate: GateSettings { required: Vec::new(), rules: GateRules::default(), origin_should: false },
        correlation: true,
        places: Places::default(),
    }
}

fn target_of(profile: Profile) -> Arc<Target> {
    let contract = Contract::load("netra-v1").unwrap();
    Target::new(Arc::new(profile), contract, "run-1", 7).unwrap()
}

async fn listener() -> (TcpListener, Arc<Target>, Recorder) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = target_of(profile(listener.local_addr().unwrap().port()));
    let recorder = target.transcript().recorder(CHECK);
    (listener, target, recorder)
}

/// Reads a request's head; what came behind it, too.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> (String, Vec<u8>) {
    let mut octets = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut octets).await.unwrap(), 0, "the request ended");
        if let Some(end) = octets.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = octets.split_off(end + 4);
            return (String::from_utf8(octets).unwrap(), rest);
        }
    }
}

async fn switch(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), behind: &[u8]) -> Vec<u8> {
    let (_, rest) = request(stream).await;
    let head = b"HTTP/1.1 101 Switching Protocols\r\nuPGRADE: websocket\r\nConnection: Upgrade\r\n\r\n";
    stream.write_all(&[head, behind].concat()).await.unwrap();
    rest
}

/// A server's frame.
fn frame(frame: RawFrame) -> Vec<u8> {
    frame.unmasked().encode([0; 4])
}

fn text(kind: &str) -> Vec<u8> {
    frame(RawFrame::text(&json!({"type": kind, "payload": {}}).to_string()))
}

async fn read_frame(stream: &mut TcpStream, decoder: &mut Decoder) -> (crate::model::Head, Vec<u8>) {
    loop {
        if let Some(frame) = decoder.next_frame().unwrap() {
            return frame;
        }
        let mut octets = [0; 1_024];
        let length = stream.read(&mut octets).await.unwrap();
        assert_ne!(length, 0, "the connection ended");
        decoder.feed(&octets[..length]);
    }
}

async fn open(upgrade: Upgrade<'_>) -> Socket {
    match upgrade.open().await.unwrap() {
        Upgraded::Switched(socket, _) => socket,
        Upgraded::Refused(response) => panic!("refused: {response:?}"),
    }
}

#[tokio::test]
async fn a_refusal_is_read_recorded_and_redacted() {
    let (listener, target, recorder) = listener().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (head, _) = request(&mut stream).await;
        let answer = format!(
            "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer error_description=\"TOKEN_INVALID\"\r\n\
             content-length: {}\r\n\r\n\"{GOOD}\"",
            GOOD.len() + 2
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        head
    };
    let good = Token::new(target.redactor(), SecretKind::AccessToken, GOOD);
    let upgrade = target
        .upgrade(&recorder)
        .carrier(crate::wire::Carrier::Subprotocol, &good)
        .subprotocol("other")
        .set("Sec-WebSocket-Version", "12")
        .without("Upgrade")
        .header("Authorization", "Bearer x")
        .header("Authorization", "Bearer y");
    let (head, answer) = tokio::join!(serve, upgrade.open());
    let Upgraded::Refused(response) = answer.unwrap() else { panic!("accepted") };
    assert_eq!(response.error_code(target.contract()).unwrap().as_str(), "TOKEN_INVALID");
    assert_eq!(response.json, Some(json!(GOOD)));
    assert!(head.contains("Sec-WebSocket-Version: 12\r\n") && !head.contains("Upgrade: websocket"));
    let offered = format!("jwt-auth, {}, other", target.contract().token_subprotocol(GOOD, "test"));
    let end =
        format!("Authorization: Bearer x\r\nAuthorization: Bearer y\r\nSec-WebSocket-Protocol: {offered}\r\n\r\n");
    assert!(head.ends_with(&end), "{head}");
    assert!(head.contains("X-Netra-Check: run-1/handshake/valid-token-accepted\r\n"));
    assert!(head.contains("X-Access: identity-aware\r\n"));
    let history = recorder.history();
    let transcript = format!("{history:?}");
    assert_eq!(history.len(), 2);
    assert_eq!(target.redactor().find(&transcript), None, "{transcript}");
    assert_eq!(transcript.matches("«access-token 1»").count(), 2);
    assert!(transcript.contains("«header 1»"));
}

#[tokio::test]
async fn octets_behind_the_head_are_frames_and_fragments_make_messages() {
    let (listener, target, recorder) = listener().await;
    let whole = json!({"type": "pong", "payload": {}}).to_string();
    let (first, second) = whole.split_at(9);
    let behind = [
        text("x_notice"),
        frame(RawFrame::text(first).unfinished()),
        frame(RawFrame::new(opcode::PING, "beat")),
        frame(RawFrame::new(opcode::CONTINUATION, second)),
        text("connection_established"),
    ]
    .concat();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        switch(&mut stream, &behind).await;
        let mut decoder = Decoder::default();
        let pong = read_frame(&mut stream, &mut decoder).await;
        let ping = read_frame(&mut stream, &mut decoder).await;
        stream.write_all(&frame(RawFrame::new(opcode::PONG, ping.1))).await.unwrap();
        (stream, pong)
    };
    let check = async {
        let mut socket = open(target.upgrade(&recorder)).await;
        socket.ping(b"here").await;
        assert!(socket.pong(b"here", SOON).await.is_some());
        socket.expect(&Kind::Pong, SOON).await.unwrap();
        let missing = socket.expect(&Kind::Pong, SOON).await.unwrap_err();
        assert!(matches!(missing.instead, Next::Message(other) if other.kind() == Some(&Kind::ConnectionEstablished)));
        assert_eq!((socket.seen().len(), socket.pings().len()), (3, 1));
        socket
    };
    let ((_stream, pong), _socket) = tokio::join!(serve, check);
    assert_eq!((pong.0.opcode, pong.0.masked, pong.1), (opcode::PONG, true, b"beat".to_vec()));
}

#[tokio::test]
async fn a_frame_may_travel_with_the_request() {
    let (listener, target, recorder) = listener().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        switch(&mut stream, &frame(RawFrame::close(Some(1008), "no"))).await
    };
    let check = async {
        let mut socket = open(target.upgrade(&recorder).first_frame(RawFrame::text("early"))).await;
        socket.ended(SOON).await.unwrap()
    };
    let (rest, end) = tokio::join!(serve, check);
    let mut decoder = Decoder::default();
    decoder.feed(&rest);
    assert_eq!(decoder.next_frame().unwrap().unwrap().1, b"early");
    assert_eq!(end.to_string(), "close 1008 (no)");
}

#[tokio::test]
async fn ends_are_told_apart() {
    enum Act {
        Close,
        CloseAndStay,
        Leave,
        Reset,
        Nonsense,
    }
    let acts = [Act::Close, Act::CloseAndStay, Act::Leave, Act::Reset, Act::Nonsense];
    let (listener, target, recorder) = listener().await;
    let mut seen = Vec::new();
    for act in acts {
        let (done, waits) = tokio::sync::oneshot::channel::<()>();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            switch(&mut stream, b"").await;
            let close = [frame(RawFrame::close(Some(1000), "")), text("late")].concat();
            match act {
                Act::Close => {
                    stream.write_all(&close).await.unwrap();
                    // Reads our answer, so that leaving is not a reset.
                    read_frame(&mut stream, &mut Decoder::default()).await;
                }
                Act::CloseAndStay => {
                    stream.write_all(&close).await.unwrap();
                    let _ = waits.await;
                }
                Act::Leave => {}
                Act::Reset => stream.set_zero_linger().unwrap(),
                Act::Nonsense => {
                    let frame = RawFrame::text("x").unmasked().length(frame::LengthForm::Claimed(1 << 40));
                    stream.write_all(&frame.encode([0; 4])).await.unwrap();
                    let _ = waits.await;
                }
            }
        };
        let check = async {
            let mut socket = open(target.upgrade(&recorder)).await;
            let within = if matches!(act, Act::CloseAndStay) { Duration::from_millis(200) } else { SOON };
            let end = socket.ended(within).await.unwrap();
            drop(done);
            seen.push(format!("{end}, {}, {} after", end.tcp, end.frames_after_close));
        };
        tokio::join!(serve, check);
    }
    assert_eq!(
        seen,
        [
            "close 1000, closed, 1 after",
            "close 1000, open, 1 after",
            "closed without Close, closed, 0 after",
            "reset by peer without Close, reset by peer, 0 after",
            "a frame claims 1099511627776 octets without Close, a frame claims 1099511627776 octets, 0 after",
        ]
    );
}

#[tokio::test]
async fn our_own_endings_reach_the_target() {
    let (listener, target, recorder) = listener().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        switch(&mut stream, b"").await;
        stream.read(&mut [0; 64]).await
    };
    let check = async { open(target.upgrade(&recorder)).await.reset().await };
    let (read, ()) = tokio::join!(serve, check);
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);

    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        switch(&mut stream, b"").await;
        let (head, payload) = read_frame(&mut stream, &mut Decoder::default()).await;
        (head.opcode, payload, stream.read(&mut [0; 64]).await.unwrap())
    };
    let check = async {
        let socket = open(target.upgrade(&recorder)).await;
        socket.close(1000, "done").await;
    };
    let (read, ()) = tokio::join!(serve, check);
    assert_eq!(read, (opcode::CLOSE, b"\x03\xe8done".to_vec(), 0));
}

#[tokio::test]
async fn a_peer_that_does_not_read_holds_nobody() {
    let (listener, target, recorder) = listener().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        switch(&mut stream, b"").await;
        (stream.try_write(&[0; 16]).ok(), stream)
    };
    let check = async {
        let mut socket = open(target.upgrade(&recorder).receive_buffer(4_096)).await;
        socket.pause_reading();
        assert!(matches!(socket.next(Duration::from_millis(50)).await, Next::Silence));
        socket.mark_broken();
        socket.send(&Message::new(Kind::Ping)).await;
        socket.line().recorder().history()
    };
    let (_stream, history) = tokio::join!(serve, check);
    let last = history.last().unwrap();
    assert!(last.broken && last.direction == Direction::Sent);
    assert!(matches!(&last.record, Record::Frame { payload, .. } if payload.contains("\"ping\"")));
}

#[tokio::test]
async fn faults_name_whose_doing_they_are() {
    let (listener, target, recorder) = listener().await;
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        drop(stream);
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        stream.write_all(b"SSH-2.0-OpenSSH\r\n\r\n").await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        stream
    };
    let ask = async {
        let reset = target.upgrade(&recorder).open().await.unwrap_err();
        let protocol = target.upgrade(&recorder).open().await.unwrap_err();
        let silent = target.upgrade(&recorder).deadline(Duration::from_millis(50)).open().await.unwrap_err();
        [reset, protocol, silent].map(|fault| (fault.kind, fault.blame()))
    };
    let (_stream, faults) = tokio::join!(serve, ask);
    assert_eq!(
        faults,
        [
            (FaultKind::Reset, Blame::Environment),
            (FaultKind::Protocol, Blame::Target),
            (FaultKind::NoAnswer, Blame::Target)
        ]
    );
    drop(listener);
    let refused = target.http(&recorder).call(Endpoint::Me).send().await.unwrap_err();
    assert_eq!((refused.kind, refused.origin), (FaultKind::Refused, Origin::Auth));
    assert!(matches!(Stop::from(refused), Stop::Inconclusive(why) if why.evidence.entries.len() == 2));
}

#[tokio::test]
async fn without_correlation_nothing_names_the_checker() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let known = profile(listener.local_addr().unwrap().port());
    let target = target_of(Profile { correlation: false, ..known });
    let recorder = target.transcript().recorder(CHECK);
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (call, _) = request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let (upgrade, _) = request(&mut stream).await;
        call + &upgrade
    };
    let ask = async {
        target.http(&recorder).at(Origin::Auth, "GET", "/any").send().await.unwrap();
        // Its connection ends without an answer, which is not what is judged here.
        let _ = target.upgrade(&recorder).open().await;
    };
    let (heads, ()) = tokio::join!(serve, ask);
    let heads = heads.to_lowercase();
    assert_eq!(heads.matches("x-access: identity-aware").count(), 2, "{heads}");
    for name in ["user-agent", "x-netra-check", "traceparent"] {
        assert!(!heads.contains(name), "{heads}");
    }
}

#[tokio::test]
async fn foreign_hosts_get_no_header_of_the_profile() {
    let (listener, target, recorder) = listener().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (head, _) = request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: /x#access_token=opaque-token\r\n\r\n").await.unwrap();
        head
    };
    let port = listener.local_addr().unwrap().port();
    let elsewhere = Url::parse(&format!("http://[::ffff:127.0.0.1]:{port}/authorize")).unwrap();
    let ask = target.http(&recorder).url(Origin::Auth, "GET", &elsewhere).send();
    let (head, answer) = tokio::join!(serve, ask);
    assert_eq!(answer.unwrap().status, 302);
    assert!(head.to_lowercase().contains("x-netra-check: ") && !head.to_lowercase().contains("x-access"), "{head}");
    assert!(format!("{:?}", recorder.history()).contains("#access_token=«access-token 1»"));
}

#[tokio::test]
async fn a_login_is_read_and_its_tokens_are_hidden() {
    let (listener, target, recorder) = listener().await;
    let told = Arc::new(Mutex::new(0));
    let counts = Arc::clone(&told);
    target.transcript().observe(Arc::new(move |_| *counts.lock().unwrap() += 1));
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heads = String::new();
        for body in [
            json!({"access_token": GOOD, "refresh_token": "an-opaque-refresh-token", "token_type": "Bearer",
                "expires_in": 900, "user": {"id": "u-1", "email": "a@b.c"}})
            .to_string(),
            json!({"error_code": "INVALID_CREDENTIALS"}).to_string(),
        ] {
            heads.push_str(&request(&mut stream).await.0);
            let status = if body.contains("error") { 401 } else { 200 };
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        heads
    };
    let ask = async {
        let login = target.login(&recorder, 1).await.unwrap();
        let Err(Stop::Inconclusive(refused)) = target.refresh(&recorder, &login).await else { panic!("refreshed") };
        (login, refused)
    };
    let (heads, (login, refused)) = tokio::join!(serve, ask);
    assert_eq!((login.user_id.as_str(), login.email.as_deref()), ("u-1", Some("netra-check+01@example.test")));
    assert_eq!(login.claims["email"], "a@b.c");
    assert_eq!(format!("{:?} {}", login.access, login.refresh.unwrap()), "«access-token 1» «refresh-token 1»");
    assert_eq!(refused.what, "`refresh` answered 401 INVALID_CREDENTIALS");
    assert_eq!(refused.blame, Blame::Credentials);
    assert!(heads.contains("traceparent: 00-") && heads.to_lowercase().contains("x-e2e-bypass-key: bypass-key"));
    let history = recorder.history();
    assert_eq!((history.len(), *told.lock().unwrap()), (4, 4));
    assert_eq!(target.redactor().find(&format!("{history:?}")), None);
}

#[tokio::test]
async fn codes_and_long_cookies_of_a_redirect_are_hidden_and_settings_are_not() {
    let (listener, target, recorder) = listener().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        let answer = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/back?code=c0de-of-a-grant&state=st4te-of-a-flow\r\n\
             set-cookie: session=s3ssion-of-a-browser; HttpOnly\r\nset-cookie: theme=dark\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
    };
    let call = target.http(&recorder).at(Origin::Auth, "GET", "/authorize").send();
    let (answer, ()) = tokio::join!(call, serve);
    assert!(answer.unwrap().header("location").unwrap().contains("code=c0de-of-a-grant"), "the checker needs it");
    let transcript = format!("{:?}", recorder.history());
    for secret in ["c0de-of-a-grant", "s3ssion-of-a-browser"] {
        assert!(!transcript.contains(secret), "{secret} in {transcript}");
    }
    for plain in ["«token 1»", "«cookie 1»", "st4te-of-a-flow", "theme=dark"] {
        assert!(transcript.contains(plain), "no {plain} in {transcript}");
    }
}

#[tokio::test]
async fn one_trust_for_http_and_sockets_and_names_resolved_by_the_profile() {
    let signed = rcgen::generate_simple_self_signed(["netra.test".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, signed.cert.pem()).unwrap();
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();

    let mut trusting = profile(port);
    trusting.urls.auth = Url::parse(&format!("https://netra.test:{port}")).unwrap();
    trusting.urls.websocket = Url::parse(&format!("wss://netra.test:{port}/ws")).unwrap();
    trusting.resolve = BTreeMap::from([("netra.test".into(), IpAddr::V4(Ipv4Addr::LOCALHOST))]);
    let doubting = trusting.clone();
    trusting.tls.ca_file = Some(ca);
    let (trusting, doubting) = (target_of(trusting), target_of(doubting));
    let recorder = trusting.transcript().recorder(CHECK);

    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        switch(&mut stream, &text("pong")).await;
        let (second, _) = listener.accept().await.unwrap();
        let mut second = acceptor.accept(second).await.unwrap();
        request(&mut second).await;
        second.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        for _ in 0..2 {
            let (third, _) = listener.accept().await.unwrap();
            assert!(acceptor.accept(third).await.is_err());
        }
        (stream, second)
    };
    let ask = async {
        let mut socket = open(trusting.upgrade(&recorder)).await;
        socket.expect(&Kind::Pong, SOON).await.unwrap();
        assert_eq!(trusting.http(&recorder).call(Endpoint::Me).send().await.unwrap().status, 204);
        let socket = doubting.upgrade(&recorder).open().await.unwrap_err();
        let call = doubting.http(&recorder).call(Endpoint::Me).send().await.unwrap_err();
        assert_eq!((socket.kind, call.kind), (FaultKind::Tls, FaultKind::Tls), "{socket} {call}");
    };
    tokio::join!(serve, ask);
}

#[test]
fn a_long_history_keeps_its_beginning_and_its_end() {
    let target = target_of(profile(1));
    let recorder = target.transcript().recorder(CHECK);
    for number in 0..10_000 {
        recorder.note(&format!("note {number}"));
    }
    let history = recorder.history();
    let notes: Vec<_> = history
        .iter()
        .map(|entry| match &entry.record {
            Record::Note(text) => text.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((notes.len(), notes[0], notes[4_000]), (4_001, "note 0", "note 9999"));
    assert_eq!(notes[2_000], "6000 entries left out");
}
