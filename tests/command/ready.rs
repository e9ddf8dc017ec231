//! An environment that is not ready to be judged: each kind is told once, with the next step, before any check; and
//! what became of it during the run is told after. `doctor` shows the same steps.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use insta::assert_snapshot;
use serde_json::Value;

use super::environment::{Environment, netra_check, scrubbed};
use super::hostile::Server;
use super::output;

/// The check that stands for all: nothing else must be asked before it.
const CHECK: &str = "handshake/valid-token-accepted";

/// `scrubbed`, and what differs between machines.
fn plain(text: &str) -> String {
    let rules = [
        (
            r"\d[\d,]* \(soft, raised as far as may be\), \d[\d,]* \(hard\)",
            "SOFT (soft, raised as far as may be), HARD (hard)",
        ),
        // Samples are taken side by side.
        (r" #\d+ +(→|←)", " #N $1"),
        (r"[\d,]+ for each destination", "PORTS for each destination"),
        (r"[+-](\d+ ms|TIME) against", "SKEW against"),
        (r"until \d{4}-\d\d-\d\d \(\d+ days\)", "until DATE (DAYS days)"),
    ];
    let text = rules.iter().fold(scrubbed(text), |text, (pattern, with)| {
        regex::Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned()
    });
    text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

/// What `doctor` and `run` say of an environment that is not ready; both end with 3.
fn not_ready(environment: &Environment, args: &[&str]) -> String {
    let (code, doctor, err) = output(environment.command("doctor", args).arg(CHECK));
    assert_eq!((code, err.as_str()), (3, ""), "{doctor}");
    let (code, run, err) = output(environment.run(args).args(["--seed", "7", CHECK]));
    assert_eq!((code, err.as_str()), (3, ""), "{run}");
    format!("$ netra-check doctor\n{}\n$ netra-check run\n{}", plain(&doctor), plain(&run))
}

/// Arguments that put every service at `address`.
fn everywhere(address: &str) -> Vec<String> {
    let mut args: Vec<_> =
        ["auth", "backend", "frontend"].map(|origin| format!("--set=urls.{origin}=http://{address}")).to_vec();
    args.push(format!("--set=urls.websocket=ws://{address}/ws"));
    args
}

fn borrowed(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// Reads a request's head; none when the peer has gone.
fn head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut octets = [0; 4096];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut octets) {
            Ok(0) | Err(_) => return None,
            Ok(read) => head.extend_from_slice(&octets[..read]),
        }
    }
    Some(head)
}

/// Answers one request with this head and body, and closes.
fn answer(mut stream: TcpStream, status: &str, headers: &str, body: &str) {
    if head(&mut stream).is_some() {
        let length = body.len();
        let text = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        let _ = stream.write_all(text.as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
    }
}

/// Passes a connection, of which `first` has been read, on to `to` until both sides have ended.
fn pass_on(mut stream: TcpStream, first: &[u8], to: &str) {
    let Ok(mut upstream) = TcpStream::connect(to) else { return };
    if upstream.write_all(first).is_err() {
        return;
    }
    let (Ok(mut from), Ok(mut back)) = (stream.try_clone(), upstream.try_clone()) else { return };
    let forward = thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut upstream);
        let _ = upstream.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut back, &mut stream);
    let _ = stream.shutdown(Shutdown::Both);
    let _ = forward.join();
}

/// Host and port of a service of `environment`.
fn address(environment: &Environment, service: &str) -> String {
    environment.url(service).trim_start_matches("http://").to_owned()
}

fn asks_health(head: &[u8]) -> bool {
    head.starts_with(b"GET /health ")
}

fn asks_upgrade(head: &[u8]) -> bool {
    head.starts_with(b"GET /ws ")
}

/// Two services behind one address that take turns, connection by connection.
fn two_replicas(one: &Environment, other: &Environment) -> Server {
    let (replicas, turn) = ([address(one, "backend"), address(other, "backend")], AtomicUsize::new(0));
    Server::start(move |mut stream| {
        if let Some(first) = head(&mut stream) {
            pass_on(stream, &first, &replicas[turn.fetch_add(1, Ordering::Relaxed) % replicas.len()]);
        }
    })
}

/// The backend of `environment`; from the first upgrade on its health is answered by `later`.
fn changes_at_the_first_upgrade(
    environment: &Environment,
    later: impl Fn(TcpStream, &[u8]) + Send + Sync + 'static,
) -> Server {
    let (backend, changed) = (address(environment, "backend"), AtomicBool::new(false));
    Server::start(move |mut stream| {
        let Some(first) = head(&mut stream) else { return };
        if asks_upgrade(&first) {
            changed.store(true, Ordering::Relaxed);
        }
        if asks_health(&first) && changed.load(Ordering::Relaxed) {
            later(stream, &first);
        } else {
            pass_on(stream, &first, &backend);
        }
    })
}

/// Arguments that put the backend and its socket at `server`.
fn backend_at(server: &Server) -> Vec<String> {
    let address = &server.address;
    vec![format!("--set=urls.backend=http://{address}"), format!("--set=urls.websocket=ws://{address}/ws")]
}

#[test]
fn doctor_shows_every_step_and_what_would_not_be_verified() {
    let (code, out, err) = output(netra_check().args(["doctor", "--profile", "local", "handshake", "independence"]));
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert_snapshot!(plain(&out));
}

#[test]
fn doctor_shows_version_issuer_and_expiry_of_tls() {
    let environment = Environment::with(&[], true);
    let (code, out, _) =
        output(environment.command("doctor", &["--expect-revision", env!("CARGO_PKG_VERSION"), CHECK]));
    assert_eq!(code, 0, "{out}");
    assert_snapshot!(plain(&out));
}

#[test]
fn doctor_is_json_that_a_script_can_read() {
    let (code, out, _) = output(netra_check().args(["doctor", "--profile", "local", "--format", "json", CHECK]));
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &document["exit_code"], &document["profile"]), (0, &0.into(), &"local".into()));
    let steps = document["steps"].as_array().unwrap();
    let of = |name: &str| steps.iter().filter(|step| step["step"] == name).count();
    assert_eq!(["tcp", "health", "clock", "revision", "login", "config", "upgrade"].map(of), [3, 3, 3, 1, 1, 1, 1]);
    assert!(steps.iter().all(|step| step["grade"] == "ok" && step["seen"] != ""), "{out}");
}

#[test]
fn doctor_refuses_a_bad_profile_before_it_asks_anybody() {
    let environment = Environment::start(&[]);
    let (code, out, err) = output(environment.command("doctor", &["--set=ready.samples=none"]));
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("`ready.samples` must be a whole number"), "{err}");
}

#[test]
fn a_dead_port_is_told_once() {
    let environment = Environment::start(&[]);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_snapshot!(not_ready(&environment, &borrowed(&everywhere(&port.to_string()))));
}

#[test]
fn a_name_without_an_address_is_told_once() {
    let environment = Environment::start(&[]);
    // RFC 6761: no resolver may know it.
    let told = not_ready(&environment, &["--set=urls.auth=http://auth.invalid:8081"]);
    assert!(told.contains("fail  dns        auth") && told.contains("not ready  dns of auth"), "{told}");
    assert!(told.contains("correct `urls.auth`, or give the address in `resolve`"), "{told}");
}

#[test]
fn a_certificate_of_an_unknown_authority_is_told_once() {
    let environment = Environment::with(&[], true);
    assert_snapshot!(not_ready(&environment, &["--set=tls.ca_file=null", "--set=ready.within_s=60"]));
}

#[test]
fn a_captive_portal_is_no_service() {
    let environment = Environment::start(&[]);
    let page = "<!doctype html><title>Sign in to the network</title>";
    let portal = Server::start(move |stream| answer(stream, "200 OK", "Content-Type: text/html\r\n", page));
    assert_snapshot!(not_ready(&environment, &borrowed(&everywhere(&portal.address))));
}

#[test]
fn a_redirect_to_another_host_is_no_service() {
    let environment = Environment::start(&[]);
    let portal =
        Server::start(|stream| answer(stream, "302 Found", "Location: https://login.example.test/sso\r\n", ""));
    assert_snapshot!(not_ready(&environment, &borrowed(&everywhere(&portal.address))));
}

#[test]
fn a_challenge_of_a_gateway_is_no_service() {
    let environment = Environment::start(&[]);
    let gateway = Server::start(|stream| {
        answer(stream, "403 Forbidden", "Server: cloudflare\r\ncf-mitigated: challenge\r\n", "")
    });
    let told = not_ready(&environment, &borrowed(&everywhere(&gateway.address)));
    assert!(told.contains("gateway challenge: HTTP 403, server: cloudflare, cf-mitigated: challenge"), "{told}");
    assert!(told.contains("give what it asks for in `headers`"), "{told}");
}

#[test]
fn a_service_that_calls_itself_unwell_is_waited_for_and_blamed() {
    let environment = Environment::start(&[]);
    let unwell = Server::start(|stream| answer(stream, "503 Service Unavailable", "", r#"{"status": "starting"}"#));
    let told = not_ready(&environment, &[&backend_at(&unwell)[0], "--set=ready.within_s=0.5"]);
    assert!(told.contains("the service itself says that it is unwell: HTTP 503"), "{told}");
    assert!(told.contains("blame        target") && told.contains("waiting for health of backend"), "{told}");
}

#[test]
fn a_service_that_becomes_well_in_time_is_judged() {
    let environment = Environment::start(&[]);
    let (backend, refused) = (address(&environment, "backend"), AtomicUsize::new(0));
    let starting = Server::start(move |mut stream| {
        let Some(first) = head(&mut stream) else { return };
        if asks_health(&first) && refused.fetch_add(1, Ordering::Relaxed) < 4 {
            let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        } else {
            pass_on(stream, &first, &backend);
        }
    });
    let (code, out, _) =
        output(environment.run(&borrowed(&backend_at(&starting))).args(["--set=ready.within_s=20", CHECK]));
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("waiting for health of backend: no service behind its gateway: HTTP 502"), "{out}");
}

#[test]
fn a_half_rolled_out_service_is_seen() {
    let (old, new) = (Environment::of_revision("1.4.1", &[]), Environment::of_revision("1.4.2", &[]));
    let service = two_replicas(&new, &old);
    assert_snapshot!(not_ready(&new, &[&backend_at(&service)[0], "--set=ready.samples=4", "--set=ready.within_s=0.5"]));
}

#[test]
fn an_old_revision_is_seen() {
    let environment = Environment::of_revision("1.4.1", &[]);
    assert_snapshot!(not_ready(&environment, &["--expect-revision", "1.4.2"]));
}

#[test]
fn the_revision_is_told_where_the_profile_says() {
    let environment = Environment::of_revision("1.4.2", &[]);
    let url = format!("--set=ready.revision.url={}/health/ready", environment.url("backend"));
    let place = ["--set=ready.revision.pointer=/version", "--set=ready.revision.expect=1.4.2"];
    let (code, out, _) = output(environment.run(&[&url, place[0], place[1], "--json", "report.json", CHECK]));
    assert_eq!(code, 0, "{out}");
    let report: Value = serde_json::from_str(&fs::read_to_string(environment.path("report.json")).unwrap()).unwrap();
    assert_eq!(report["run"]["revision"], "1.4.2");
    let (code, out, _) =
        output(environment.run(&["--set=ready.revision.header=X-Revision", "--expect-revision=1", CHECK]));
    assert_eq!(code, 3, "{out}");
    assert!(out.contains("no service tells one") && out.contains("`ready.revision.url`"), "{out}");
}

#[test]
fn an_expired_token_is_told_once() {
    let environment = Environment::start(&[]);
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = part(r#"{"sub":"somebody","exp":1700000000,"iat":1699999100}"#);
    let token = format!("{}.{claims}.{}", part(r#"{"alg":"HS256","typ":"JWT"}"#), part("a signature of some length"));
    let tokens = format!("--set=credentials.tokens=[{{access: {token}}}]");
    let told = not_ready(&environment, &["--set=credentials.method=tokens", &tokens]);
    assert!(!told.contains(&claims), "{told}");
    let age = regex::Regex::new(r"expired \d+ d ago").unwrap();
    assert_snapshot!(age.replace_all(&told, "expired DAYS d ago"));
}

#[test]
fn a_token_that_the_service_does_not_take_is_told_once() {
    let environment = Environment::start(&[]);
    let args = ["--set=credentials.method=signing-key", "--set=credentials.signing_key.key=not-the-key-of-the-service"];
    let told = not_ready(&environment, &args);
    assert!(told.contains("`me` answered 401") && told.contains("blame        credentials"), "{told}");
    assert!(told.contains("correct `credentials.signing_key`"), "{told}");
}

#[test]
fn a_wrong_bypass_key_is_told_once() {
    let environment = Environment::start(&[]);
    assert_snapshot!(not_ready(&environment, &["--set=credentials.bypass_key=not-the-key-of-the-service"]));
}

#[test]
fn a_revision_that_changes_during_the_run_accuses_nobody() {
    let (old, new) = (Environment::of_revision("1.4.1", &["accept-anonymous"]), Environment::of_revision("1.4.2", &[]));
    let replaced = address(&new, "backend");
    let service = changes_at_the_first_upgrade(&old, move |stream, first| pass_on(stream, first, &replaced));
    let args = backend_at(&service);
    let checks = ["--seed", "7", "--json", "report.json", "handshake/missing-token-refused", CHECK];
    let (code, out, _) = output(old.run(&borrowed(&args)).args(checks));
    assert_eq!(code, 3, "{out}");
    assert_snapshot!(plain(&out));
    let report: Value = serde_json::from_str(&fs::read_to_string(old.path("report.json")).unwrap()).unwrap();
    assert_eq!((&report["totals"]["deviates"], &report["totals"]["inconclusive"]), (&0.into(), &1.into()));
    assert_eq!(report["run"]["revision"], "1.4.1");
}

#[test]
fn damage_done_by_the_run_is_told() {
    let environment = Environment::start(&[]);
    let service = changes_at_the_first_upgrade(&environment, |mut stream, _| {
        let _ =
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    });
    let args = backend_at(&service);
    let (code, out, _) = output(environment.run(&borrowed(&args)).args(["--set=limits.connect_s=0.5", CHECK]));
    assert_eq!(code, 3, "{out}");
    assert!(out.contains("1 conforms"), "{out}");
    assert!(
        out.contains("note: damage: the environment was well before the run and is not after it (health of backend"),
        "{out}"
    );
}

#[test]
fn an_environment_that_is_not_ready_is_in_every_report() {
    let environment = Environment::of_revision("1.4.1", &[]);
    let (code, out, _) =
        output(environment.run(&["--expect-revision", "1.4.2", "--out", "report", "--suite", "smoke"]));
    assert_eq!(code, 3, "{out}");
    let read = |name: &str| fs::read_to_string(environment.path(&format!("report/{name}"))).unwrap();
    let report: Value = serde_json::from_str(&read("report.json")).unwrap();
    assert_eq!(report["run"]["not_ready"]["step"], "revision");
    let checks = report["checks"].as_array().unwrap();
    assert_eq!(checks.len(), report["run"]["planned"].as_u64().unwrap() as usize);
    assert!(checks.iter().all(|check| check["verdict"] == "inconclusive" && check["blame"] == "environment"));
    let junit = read("junit.xml");
    let synthetic = &junit[junit.find("run/completed").unwrap()..];
    assert!(synthetic.contains(r#"<error type="environment""#), "{junit}");
    for name in ["junit.xml", "report.html", "summary.md"] {
        assert!(read(name).contains("revision 1.4.2") && read(name).contains("not ready"), "{name}");
    }
}

#[test]
fn a_silent_service_ends_a_run_and_a_doctor_soon() {
    let environment = Environment::start(&[]);
    let ended = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ended);
    let silent = Server::start(move |mut stream| {
        let mut octets = [0; 4096];
        while stream.read(&mut octets).is_ok_and(|read| read > 0) {}
        count.fetch_add(1, Ordering::Relaxed);
    });
    // Whatever the budget, three attempts without any answer are enough.
    let mut args = everywhere(&silent.address);
    args.extend(["--set=limits.connect_s=0.3", "--set=ready.within_s=600"].map(str::to_owned));
    let told = not_ready(&environment, &borrowed(&args));
    assert!(told.contains("blame        target"), "{told}");
    assert!(ended.load(Ordering::Relaxed) >= 3 * 2, "three attempts at three services");
}
