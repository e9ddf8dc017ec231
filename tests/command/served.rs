//! `netra-check serve` as a user starts it, and what stands between it and the checker.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use assert_cmd::Command;
use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::environment::netra_check;

/// A process of `netra-check serve` with a profile that it has written.
pub(crate) struct Served {
    process: Child,
    directory: TempDir,
    /// What it said until it served.
    pub(crate) said: String,
}

impl Served {
    pub(crate) fn start(args: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let mut process = std::process::Command::new(assert_cmd::cargo::cargo_bin("netra-check"))
            .args(["serve", "--profile-out", "target.yaml"])
            .args(args)
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        while !said.contains("serving until") {
            assert_ne!(lines.read_line(&mut said).unwrap(), 0, "it ended: {said}");
        }
        Self { process, directory, said }
    }

    /// A file beside the profile.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The profile that it has written.
    pub(crate) fn profile(&self) -> Value {
        serde_yaml::from_str(&std::fs::read_to_string(self.path("target.yaml")).unwrap()).unwrap()
    }

    /// Port of a service.
    pub(crate) fn port(&self, service: &str) -> u16 {
        let url = self.profile()["urls"][service].as_str().unwrap().to_owned();
        url::Url::parse(&url).unwrap().port().unwrap()
    }

    /// `netra-check run --profile target.yaml`.
    pub(crate) fn run(&self, args: &[&str]) -> (i32, String) {
        self.run_profile("target.yaml", args)
    }

    /// The same with a profile of its own that inherits `target.yaml`.
    pub(crate) fn run_profile(&self, profile: &str, args: &[&str]) -> (i32, String) {
        let mut command: Command = netra_check();
        command.current_dir(self.directory.path()).args(["run", "--no-progress", "--profile", profile]).args(args);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap_or(-1), text)
    }

    /// A login by the e2e key, as its answer tells it; plain HTTP.
    pub(crate) fn login(&self, email: &str, life: u32) -> Value {
        let body = json!({"email": email, "expires_in": life}).to_string();
        let key = self.profile()["credentials"]["bypass_key"].as_str().unwrap().to_owned();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port("auth"))).unwrap();
        let request = format!(
            "POST /auth/e2e/test-auth HTTP/1.1\r\nHost: 127.0.0.1\r\nX-E2E-Bypass-Key: {key}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Ended already is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An HTTP proxy that knows CONNECT alone. Every name is this machine.
pub(crate) struct ConnectProxy {
    pub(crate) address: String,
    ends: Arc<AtomicBool>,
    tunnels: Arc<Mutex<Vec<String>>>,
    refusals: Arc<AtomicUsize>,
}

/// What a proxy wants and does not want.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    /// `user:password`.
    pub(crate) credentials: Option<&'static str>,
    /// A host to which nobody gets.
    pub(crate) refused: Option<&'static str>,
}

impl ConnectProxy {
    pub(crate) fn start(rules: Rules) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let proxy = Self { address, ends: Arc::default(), tunnels: Arc::default(), refusals: Arc::default() };
        let (ends, tunnels, refusals) = (proxy.ends.clone(), proxy.tunnels.clone(), proxy.refusals.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ends.load(Ordering::Relaxed) {
                    break;
                }
                let (rules, tunnels, refusals) = (rules.clone(), tunnels.clone(), refusals.clone());
                thread::spawn(move || {
                    if converse(stream, &rules, &tunnels).is_none() {
                        refusals.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        proxy
    }

    /// Where tunnels were built to.
    pub(crate) fn tunnels(&self) -> Vec<String> {
        self.tunnels.lock().unwrap().clone()
    }

    /// How many got none.
    pub(crate) fn refusals(&self) -> usize {
        self.refusals.load(Ordering::Relaxed)
    }
}

impl Drop for ConnectProxy {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Wakes the listener, so that its thread ends.
        let _ = TcpStream::connect(&self.address);
    }
}

/// A tunnel, or an answer that refuses it and `None`.
fn converse(mut client: TcpStream, rules: &Rules, tunnels: &Mutex<Vec<String>>) -> Option<()> {
    let mut head = Vec::new();
    let mut octet = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut octet).ok()?;
        head.push(octet[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let mut words = head.split(' ');
    let (method, authority) = (words.next()?, words.next()?.to_owned());
    let answer = |client: &mut TcpStream, status: &str| {
        let _ = client.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes());
        let _ = client.shutdown(Shutdown::Both);
    };
    if method != "CONNECT" {
        answer(&mut client, "405 Method Not Allowed");
        return None;
    }
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let wanted = rules.credentials.map(|wanted| format!("Proxy-Authorization: Basic {}\r\n", encode(wanted)));
    if wanted.is_some_and(|wanted| !head.contains(&wanted)) {
        answer(&mut client, "407 Proxy Authentication Required");
        return None;
    }
    let (host, port) = authority.rsplit_once(':')?;
    if rules.refused == Some(host) {
        answer(&mut client, "403 Forbidden");
        return None;
    }
    tunnels.lock().unwrap().push(host.to_owned());
    let service = TcpStream::connect(("127.0.0.1", port.parse::<u16>().ok()?)).ok()?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
    let _ = (client.set_nodelay(true), service.set_nodelay(true));
    let (to_service, to_client) = ((client.try_clone().ok()?, service.try_clone().ok()?), (service, client));
    let pass = |(mut from, mut to): (TcpStream, TcpStream)| {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    let other_way = thread::spawn(move || pass(to_service));
    pass(to_client);
    other_way.join().ok()
}
