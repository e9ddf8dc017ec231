//! What stands between the checker and a reference: a gateway that answers itself, a long way.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use netra_check::profile::Profile;

use super::environment::Environment;

/// What a gateway says itself to its request of this number (from 1) and head; else the service is asked.
pub(crate) type Treat = fn(usize, &str) -> Option<String>;

/// Something between, before each origin of an environment.
pub(crate) struct Between {
    doors: Vec<Door>,
}

/// A listener before one origin.
struct Door {
    key: &'static str,
    url: String,
    address: String,
    ends: Arc<AtomicBool>,
}

impl Between {
    /// A gateway.
    pub(crate) fn gateway(profile: &Profile, treat: Treat) -> Self {
        let number = Arc::new(AtomicUsize::new(0));
        Self::before(profile, move |client, upstream| pass(client, &upstream, &number, treat))
    }

    /// A way that takes `delay` in each direction.
    pub(crate) fn long_way(profile: &Profile, delay: Duration) -> Self {
        Self::before(profile, move |client, upstream| {
            let Ok(service) = TcpStream::connect(upstream) else { return };
            both_ways(client, service, delay);
        })
    }

    fn before(profile: &Profile, treat: impl Fn(TcpStream, String) + Clone + Send + 'static) -> Self {
        let urls = &profile.urls;
        let origins = [("urls.auth", Some(&urls.auth)), ("urls.backend", Some(&urls.backend))];
        let origins = origins.into_iter().chain([("urls.frontend", urls.frontend.as_ref())]);
        let doors = origins.filter_map(|(key, url)| Some((key, url?))).map(|(key, url)| {
            let upstream = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
            Door::open(key, upstream, treat.clone())
        });
        Self { doors: doors.collect() }
    }

    /// A run of the environment through it.
    pub(crate) fn run(&self, environment: &Environment, args: &[&str]) -> Command {
        let mut command = environment.run(args);
        for door in &self.doors {
            command.arg(format!("--set={}={}", door.key, door.url));
            if door.key == "urls.backend" {
                command.arg(format!("--set=urls.websocket=ws://{}/ws", door.address));
            }
        }
        command
    }
}

impl Door {
    fn open(key: &'static str, upstream: String, treat: impl Fn(TcpStream, String) + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let ends = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ends);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let (treat, upstream) = (treat.clone(), upstream.clone());
                thread::spawn(move || treat(client, upstream));
            }
        });
        Self { key, url: format!("http://{address}"), address, ends }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // Wakes the listener, so that its thread ends.
        let _ = TcpStream::connect(&self.address);
    }
}

/// One request of a connection: answered here, or passed on; a connection serves one request, or one WebSocket.
fn pass(mut client: TcpStream, upstream: &str, number: &AtomicUsize, treat: Treat) {
    let mut octets = Vec::new();
    let mut buffer = [0; 4096];
    let end = loop {
        if let Some(end) = octets.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        match client.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => octets.extend_from_slice(&buffer[..read]),
        }
    };
    let head = String::from_utf8_lossy(&octets[..end]).into_owned();
    if let Some(answer) = treat(number.fetch_add(1, Ordering::Relaxed) + 1, &head) {
        let _ = client.write_all(answer.as_bytes());
        let _ = client.shutdown(Shutdown::Write);
        // Until the client has gone, so that what it still sends does not become a reset.
        while client.read(&mut buffer).is_ok_and(|read| read > 0) {}
        return;
    }
    let Ok(mut service) = TcpStream::connect(upstream) else { return };
    let mut passed = Vec::new();
    if head.to_ascii_lowercase().contains("upgrade: websocket") {
        passed.extend_from_slice(&octets);
    } else {
        let lines = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        passed.extend_from_slice(lines.collect::<Vec<_>>().join("\r\n").as_bytes());
        passed.extend_from_slice(b"\r\nConnection: close");
        passed.extend_from_slice(&octets[end..]);
    }
    if service.write_all(&passed).is_ok() {
        both_ways(client, service, Duration::ZERO);
    }
}

fn both_ways(client: TcpStream, service: TcpStream, delay: Duration) {
    let (from_client, to_client) = (client.try_clone().unwrap(), client);
    let (from_service, to_service) = (service.try_clone().unwrap(), service);
    let _ = from_client.set_nodelay(true);
    let _ = to_service.set_nodelay(true);
    let up = thread::spawn(move || one_way(from_client, to_service, delay));
    one_way(from_service, to_client, delay);
    let _ = up.join();
}

/// Hands octets on, each `delay` after it came, and then the end.
fn one_way(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    let writer = thread::spawn(move || {
        for (due, octets) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&octets).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
    let mut buffer = [0; 16_384];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if sender.send((Instant::now() + delay, buffer[..read].to_vec())).is_err() {
            break;
        }
    }
    drop(sender);
    let _ = writer.join();
}
