//! Targets that are not what they should be: each gives its own exit code, and says whose doing it is.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use assert_cmd::Command;
use base64::Engine as _;

use super::environment::Environment;

/// A listener on loopback that treats every connection in one way.
pub(crate) struct Server {
    pub(crate) address: String,
    ends: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start(treat: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let treat = Arc::new(treat);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let ends = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ends);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let treat = Arc::clone(&treat);
                thread::spawn(move || treat(stream));
            }
        });
        Self { address, ends }
    }

    /// The profile of `environment` with every origin at this server.
    fn run(&self, environment: &Environment, args: &[&str]) -> Command {
        let mut command = environment.run(args);
        for origin in ["auth", "backend", "frontend"] {
            command.arg(format!("--set=urls.{origin}=http://{}", self.address));
        }
        command.arg(format!("--set=urls.websocket=ws://{}/ws", self.address));
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Wakes the listener, so that its thread ends.
        let _ = TcpStream::connect(&self.address);
    }
}

fn run(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), text)
}

/// Reads until the peer ends, and answers nothing.
fn silent(mut stream: TcpStream) {
    let mut octets = [0; 4096];
    while stream.read(&mut octets).is_ok_and(|read| read > 0) {}
}

/// Says yes to everything: 200 to each call, 101 to each upgrade, nothing after it.
fn yes_man(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut octets = [0; 4096];
    loop {
        let Ok(read) = stream.read(&mut octets) else { return };
        if read == 0 {
            return;
        }
        request.extend_from_slice(&octets[..read]);
        let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
        if let Some(key) = String::from_utf8_lossy(&request[..end])
            .lines()
            .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ").map(str::to_owned))
        {
            let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
            let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
            let accept = base64::engine::general_purpose::STANDARD.encode(digest);
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes());
            return silent(stream);
        }
        let answer =
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        let _ = stream.write_all(answer.as_bytes());
        if head.starts_with("post") || head.starts_with("put") {
            let _ = stream.set_read_timeout(Some(std::time::Duration::from_millis(50)));
            while stream.read(&mut octets).is_ok_and(|read| read > 0) {}
        }
        let _ = stream.shutdown(Shutdown::Both);
        return;
    }
}

#[test]
fn a_silent_target_is_inconclusive_and_blamed() {
    let (environment, server) = (Environment::start(&[]), Server::start(silent));
    let soon = ["--set=limits.request_s=1", "--set=limits.connect_s=1"];
    let (code, text) = run(&mut server.run(&environment, &soon));
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("target"), "{text}");
    assert!(!text.contains("exit 0"), "{text}");
}

#[test]
fn a_target_that_accepts_everything_deviates() {
    let (environment, server) = (Environment::start(&[]), Server::start(yes_man));
    let soon = ["--set=limits.request_s=1", "--set=thresholds.welcome_s=0.2"];
    let (code, text) = run(&mut server.run(&environment, &soon));
    assert_eq!(code, 1, "{text}");
}

#[test]
fn a_dead_port_is_the_environments_doing() {
    let environment = Environment::start(&[]);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let urls = ["auth", "backend", "frontend"].map(|origin| format!("--set=urls.{origin}=http://{port}"));
    let websocket = format!("--set=urls.websocket=ws://{port}/ws");
    let args: Vec<&str> = urls.iter().chain([&websocket]).map(String::as_str).collect();
    let (code, text) = run(&mut environment.run(&args));
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("environment") && text.to_lowercase().contains("refused"), "{text}");
}

#[test]
fn a_wrong_password_is_the_credentials_doing() {
    let environment = Environment::start(&[]);
    let password = "--set=credentials.users=[{email: active@netra.example, password: not-the-password}]";
    let args = ["--set=credentials.method=password", password, "handshake/valid-token-accepted"];
    let (code, text) = run(&mut environment.run(&args));
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("credentials"), "{text}");
    assert!(!text.contains("not-the-password"), "{text}");
}

#[test]
fn an_unknown_authority_is_the_environments_doing() {
    let environment = Environment::with(&[], true);
    let (code, text) = run(&mut environment.run(&["--set=tls.ca_file=null", "handshake/valid-token-accepted"]));
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("environment") && text.to_lowercase().contains("certificate"), "{text}");
    let (code, text) = run(&mut environment.run(&["handshake/valid-token-accepted"]));
    assert_eq!(code, 0, "with its authority it is trusted: {text}");
}

#[test]
fn refusing_or_hanging_looks_like_conformance_nowhere() {
    for defect in ["reject-everything", "accept-then-hang"] {
        let environment = Environment::start(&[defect]);
        let (code, text) = run(&mut environment.run(&["--suite", "smoke"]));
        assert_eq!(code, 1, "{defect}: {text}");
    }
}
