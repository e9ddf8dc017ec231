//! Environments whose sockets misbehave as deployments have done: the checker ends in time, drowns in nothing, and says
//! what is wrong.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::hostile::Server;
use super::served::Served;

/// What a relay does to the sockets that pass it.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// An error that answers nothing stands before every message.
    ErrorFirst,
    /// Every message comes twice.
    Twice,
    /// Close 1011 right after the 101.
    DiesAtOnce,
    /// Close 1011 in place of the first answer.
    DiesAtFirstMessage,
    /// After the third connection, hundreds of messages a second that nobody asked for.
    Floods,
}

/// Messages of a flood, and the pause between two: a rate, not a wait for anything.
const FLOOD: usize = 1_500;
const FLOOD_PAUSE: Duration = Duration::from_millis(2);

/// A relay in front of the backend of `served`.
fn relay(served: &Served, manner: Manner) -> Server {
    let upstream = format!("127.0.0.1:{}", served.port("backend"));
    let connections = Arc::new(AtomicUsize::new(0));
    Server::start(move |client| {
        let number = connections.fetch_add(1, Ordering::Relaxed);
        let Ok(service) = TcpStream::connect(&upstream) else { return };
        let (from, to) = (client.try_clone().unwrap(), service.try_clone().unwrap());
        let upwards = thread::spawn(move || up(from, to, manner));
        down(service, client, manner, number);
        let _ = upwards.join();
    })
}

/// What the client sends.
fn up(mut client: TcpStream, mut service: TcpStream, manner: Manner) {
    let (mut octets, mut is_open) = ([0; 4096], false);
    while let Ok(read) = client.read(&mut octets) {
        if read == 0 || manner == Manner::DiesAtFirstMessage && is_open {
            let _ = client.write_all(&[0x88, 2, 0x03, 0xF3]);
            break;
        }
        is_open |= octets[..read].ends_with(b"\r\n\r\n");
        if service.write_all(&octets[..read]).is_err() {
            break;
        }
    }
    let _ = service.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
}

/// What the service sends: the head as it is, then frame by frame.
fn down(mut service: TcpStream, mut client: TcpStream, manner: Manner, number: usize) {
    let _ = pass_down(&mut service, &mut client, manner, number);
    let _ = client.shutdown(Shutdown::Both);
    let _ = service.shutdown(Shutdown::Both);
}

fn pass_down(service: &mut TcpStream, client: &mut TcpStream, manner: Manner, number: usize) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        service.read_exact(&mut octet)?;
        head.push(octet[0]);
    }
    client.write_all(&head)?;
    if !head.starts_with(b"HTTP/1.1 101") {
        return std::io::copy(service, client).map(drop);
    }
    if manner == Manner::DiesAtOnce {
        return client.write_all(&[0x88, 2, 0x03, 0xF3]);
    }
    let mut is_first = true;
    loop {
        let (opcode, payload) = frame(service)?;
        if opcode == 1 && !is_first && manner == Manner::ErrorFirst {
            let error = json!({"type": "error", "payload": {"error_code": "INTERNAL", "message": "Something went wrong.",
                "recoverable": true}});
            client.write_all(&written(1, error.to_string().as_bytes()))?;
        }
        client.write_all(&written(opcode, &payload))?;
        if opcode == 1 && !is_first && manner == Manner::Twice {
            client.write_all(&written(opcode, &payload))?;
        }
        if is_first && manner == Manner::Floods && number >= 3 {
            let noise = json!({"type": "status_update", "payload": {"text": "busy"}}).to_string();
            for _ in 0..FLOOD {
                client.write_all(&written(1, noise.as_bytes()))?;
                thread::sleep(FLOOD_PAUSE);
            }
        }
        is_first &= opcode != 1;
    }
}

fn frame(from: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    from.read_exact(&mut head)?;
    let length = match head[1] & 127 {
        126 => {
            let mut length = [0; 2];
            from.read_exact(&mut length)?;
            u64::from(u16::from_be_bytes(length))
        }
        127 => {
            let mut length = [0; 8];
            from.read_exact(&mut length)?;
            u64::from_be_bytes(length)
        }
        short => u64::from(short),
    };
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    from.read_exact(&mut payload)?;
    Ok((head[0] & 15, payload))
}

fn written(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        short @ ..=125 => frame.push(short as u8),
        medium @ ..=0xFFFF => {
            frame.push(126);
            frame.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            frame.push(127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// Checks behind such a relay: exit code, the text of the report, and the report itself.
fn checked(manner: Manner, checks: &[&str]) -> (i32, String, Value) {
    let served = Served::start(&[]);
    let relay = relay(&served, manner);
    let url = format!("--set=urls.websocket=ws://{}/ws", relay.address);
    let report = served.path("report.json");
    let json = format!("--json={}", report.display());
    let (code, text) = served.run(&[&[url.as_str(), json.as_str()], checks].concat());
    let report = serde_json::from_str(&std::fs::read_to_string(&report).unwrap_or_default()).unwrap_or_default();
    (code, text, report)
}

/// What became of the checks, and the findings.
fn told(report: &Value) -> Vec<(String, String, String)> {
    let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let checks = report["checks"].as_array().unwrap();
    checks.iter().map(|check| (text(check, "id"), text(check, "verdict"), text(check, "finding"))).collect()
}

const CHECKS: [&str; 3] =
    ["handshake/valid-token-accepted", "handshake/ping-answered", "format/every-frame-in-contract"];

#[test]
fn an_error_before_every_answer_is_told_and_does_not_hide_the_answer() {
    let checks = [&CHECKS[..], &["format/envelope-consistent", "lifecycle/sequence-gap-free"]].concat();
    let (code, text, report) = checked(Manner::ErrorFirst, &checks);
    assert_eq!(code, 1, "{text}");
    let told = told(&report);
    assert!(told.iter().any(|(id, verdict, _)| id.starts_with("format/") && verdict == "deviates"), "{told:?}");
    let answered = told.iter().find(|(id, ..)| id == "handshake/ping-answered").unwrap();
    assert_eq!(answered.1, "conforms", "{told:?}");
    assert!(text.len() < 40_000, "{} octets: {text}", text.len());
}

#[test]
fn events_that_come_twice_are_told() {
    let checks = ["lifecycle/sequence-gap-free", "lifecycle/one-terminal-event", "handshake/valid-token-accepted"];
    let (code, text, report) = checked(Manner::Twice, &checks);
    assert_eq!(code, 1, "{text}");
    let deviations = told(&report).into_iter().filter(|(_, verdict, _)| verdict == "deviates").count();
    assert!(deviations >= 2, "{text}");
}

#[test]
fn sockets_that_die_behind_a_health_that_is_well_are_no_green() {
    for (manner, checks) in [
        (Manner::DiesAtOnce, ["handshake/valid-token-accepted", "handshake/ping-answered"]),
        (Manner::DiesAtFirstMessage, ["handshake/valid-token-accepted", "handshake/ping-answered"]),
    ] {
        let (code, text, report) = checked(manner, &checks);
        assert!(code == 1 || code == 3, "{code}: {text}");
        assert!(told(&report).iter().all(|(_, verdict, _)| verdict != "conforms"), "{text}");
        assert!(text.contains("1011"), "{text}");
    }
}

#[test]
fn a_flood_is_told_once_with_its_count_and_ends_in_time() {
    let began = std::time::Instant::now();
    let (code, text, report) = checked(Manner::Floods, &CHECKS);
    assert_eq!(code, 1, "{text}");
    let told = told(&report);
    let of_frames = told.iter().find(|(id, ..)| id == "format/every-frame-in-contract").unwrap();
    assert_eq!((of_frames.1.as_str(), of_frames.2.as_str()), ("deviates", "undeclared"), "{text}");
    assert!(text.contains("more like it)") && text.contains("messages deviate"), "{text}");
    assert!(text.matches("status_update").count() < 40, "{text}");
    assert!(began.elapsed() < Duration::from_secs(120), "{:?}", began.elapsed());
}
