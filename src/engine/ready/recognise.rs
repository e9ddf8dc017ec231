//! Which of the built-in contracts an environment speaks: each is tried on it, with nothing but a login, a socket and a
//! ping, and what it finds as it says is counted against what it does not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Obstacle, login, recorder};
use crate::model::Record;
use crate::target::{Login, Next, Recorder, Socket, Target, Upgraded};
use crate::wire::{Contract, Endpoint, Kind, Message};

/// After so much silence a socket has said what it says by itself.
const QUIET: Duration = Duration::from_secs(1);
/// Most misfits that are told of one contract.
const TOLD: usize = 3;

/// What an environment says to one contract.
pub struct Recognition {
    /// The contract.
    pub contract: String,
    /// What is as it says.
    pub fits: Vec<String>,
    /// What is not.
    pub misfits: Vec<String>,
}

impl Recognition {
    /// Both in one line.
    pub fn evidence(&self) -> String {
        let told = |list: &[String]| {
            let more = list.len().saturating_sub(TOLD);
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            format!("{}{more}", list.iter().take(TOLD).cloned().collect::<Vec<_>>().join(", "))
        };
        match (self.fits.is_empty(), self.misfits.is_empty()) {
            (_, true) => told(&self.fits),
            (true, false) => format!("but {}", told(&self.misfits)),
            (false, false) => format!("{}; but {}", told(&self.fits), told(&self.misfits)),
        }
    }
}

/// Tries every built-in contract and the one in use on an environment; the one that fits best first. The one in use is
/// preferred to others that fit as well.
pub async fn recognise(target: &Target) -> Vec<Recognition> {
    let used = target.contract();
    let others = Contract::builtin_names().filter(|name| *name != used.name());
    let others = others.filter_map(|name| Contract::load(name).ok());
    let mut tried = Vec::new();
    for contract in [Arc::clone(used)].into_iter().chain(others) {
        let Ok(target) = target.speaking(contract) else { continue };
        let (found, refused) = try_on(&target).await;
        tried.push(found);
        if refused {
            // An account is locked after a few wrong passwords, whatever the contract.
            break;
        }
    }
    // A stable sort: the one in use comes first.
    tried.sort_by_key(|it| (it.misfits.len(), std::cmp::Reverse(it.fits.len())));
    tried
}

/// What the environment says to the target's contract, and whether it refused the credentials as such.
async fn try_on(target: &Target) -> (Recognition, bool) {
    let contract = target.contract();
    let mut found = Recognition { contract: contract.name().to_owned(), fits: Vec::new(), misfits: Vec::new() };
    let recorder = recorder(target);
    let login = match login::log_in(target, &recorder).await {
        Ok(Some(login)) => login,
        Ok(None) => {
            found.misfits.push("a login is answered with no token set".into());
            return (found, false);
        }
        Err(obstacle) => {
            found.misfits.push("nobody can log in as it says".into());
            return (found, refuses(&obstacle));
        }
    };
    calls(target, &recorder, &login, &mut found).await;
    let carrier = contract.first_carrier();
    match target.upgrade(&recorder).carrier(carrier, &login.access).open().await {
        Ok(Upgraded::Switched(mut socket, _)) => {
            converse(target, &mut socket, &mut found).await;
            socket.close(1000, "").await;
        }
        Ok(Upgraded::Refused(answer)) => {
            found.misfits.push(format!("HTTP {} to the token in the {}", answer.status, carrier.slug()));
        }
        Err(fault) => found.misfits.push(target.redactor().redact(&fault.what)),
    }
    (found, false)
}

/// Whether a login failed for who asks, and not for how it was asked.
fn refuses(obstacle: &Obstacle) -> bool {
    let answer = obstacle.why.evidence.entries.last().map(|entry| &entry.record);
    matches!(answer, Some(Record::Response { status: 401 | 403 | 429, .. }))
}

/// Calls that one contract has and another has not.
async fn calls(target: &Target, recorder: &Recorder, login: &Login, found: &mut Recognition) {
    for endpoint in [Endpoint::UserProfile, Endpoint::Me, Endpoint::WsConfig] {
        let call = target.http(recorder).call(endpoint).bearer(&login.access);
        let Some((method, path)) = target.contract().endpoint(endpoint) else { continue };
        let name = format!("{method} {path}");
        match call.send().await {
            Ok(answer) if answer.succeeded(target.contract(), endpoint) => {
                let body = answer.json.unwrap_or_default();
                let fits = target.contract().body_faults(endpoint, &body).is_empty();
                let whole = endpoint != Endpoint::WsConfig || target.contract().ws_config(&body).1.is_empty();
                match fits && whole {
                    true => found.fits.push(name),
                    false => found.misfits.push(format!("{name} says something else")),
                }
            }
            Ok(answer) => found.misfits.push(format!("{name} answers {}", answer.status)),
            Err(fault) => found.misfits.push(format!("{name}: {}", target.redactor().redact(&fault.what))),
        }
    }
}

/// What comes by itself, then the answer to a ping.
async fn converse(target: &Target, socket: &mut Socket, found: &mut Recognition) {
    let contract = target.contract();
    listen(socket, |_| false).await;
    let came = |kind: &Kind| socket.seen().iter().any(|received| received.kind() == Some(kind));
    match (contract.has_welcome(), came(&Kind::ConnectionEstablished)) {
        (true, true) => found.fits.push("the welcome".into()),
        (true, false) => found.misfits.push("no welcome".into()),
        (false, _) if socket.seen().is_empty() => found.fits.push("no welcome".into()),
        (false, _) => found.misfits.push("something comes by itself".into()),
    }
    match (contract.handshake_settle().is_some(), came(&Kind::HandshakeResponse)) {
        (true, true) => found.fits.push("a handshake".into()),
        (true, false) => found.misfits.push("no handshake".into()),
        (false, _) => {}
    }
    socket.send(&Message::new(Kind::Ping).id(target.unique("doctor"))).await;
    let due = contract.answer_to(&Kind::Ping);
    match listen(socket, |kind| Some(kind) == due.as_ref()).await {
        true => found.fits.push("a ping's answer".into()),
        false => found.misfits.push("no answer to a ping".into()),
    }
    for received in socket.seen() {
        let value: Value = serde_json::from_str(&received.text).unwrap_or_default();
        let misfit = match &received.message {
            Err(fault) => Some(fault.to_string()),
            Ok(message) if !contract.declares_kind(&message.kind) => Some(format!("{} is unknown", message.kind)),
            Ok(message) => {
                let envelope = contract.envelope_faults(&value).first().map(ToString::to_string);
                let payload = contract.payload_faults(&message.kind, &value);
                let payload = payload.first().map(|fault| format!("{}: {}", message.kind, fault.message));
                envelope.or(payload)
            }
        };
        found.misfits.extend(misfit.map(|what| target.redactor().redact(&what)));
    }
}

/// Listens until a message `is_it`, or nothing comes any more.
async fn listen(socket: &mut Socket, is_it: impl Fn(&Kind) -> bool) -> bool {
    let end = Instant::now() + QUIET;
    loop {
        match socket.next(end.saturating_duration_since(Instant::now())).await {
            Next::Message(received) if received.kind().is_some_and(&is_it) => return true,
            Next::Message(_) | Next::Pong(_) => {}
            Next::Silence | Next::Ended(_) => return false,
        }
    }
}
