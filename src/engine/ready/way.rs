//! The way to each service: name, connection, TLS.

use url::Url;

use super::{Obstacle, Patience};
use crate::model::{Blame, Origin};
use crate::target::{FaultKind, NoWay, Target, Way, authority, split};

/// A host and port that must let us in.
#[derive(Clone, Debug)]
pub(super) struct Door {
    /// The first key below `urls` that leads there.
    pub(super) name: &'static str,
    /// All of them.
    pub(super) names: Vec<&'static str>,
    pub(super) url: Url,
}

impl Door {
    fn secure(&self) -> bool {
        matches!(self.url.scheme(), "https" | "wss")
    }
}

/// The doors of an environment, each host and port once.
pub(super) fn doors(target: &Target) -> Vec<Door> {
    let urls = &target.profile().urls;
    let services = Origin::ALL.into_iter().filter_map(|origin| Some((name_of(origin), urls.of(origin)?)));
    let mut doors: Vec<Door> = Vec::new();
    for (name, url) in services.chain([("websocket", &urls.websocket)]) {
        let door = Door { name, names: vec![name], url: url.clone() };
        let same = |known: &&mut Door| authority(&known.url) == authority(url) && known.secure() == door.secure();
        match doors.iter_mut().find(same) {
            Some(known) => known.names.push(name),
            None => doors.push(door),
        }
    }
    doors
}

/// The key of `origin` below `urls`.
pub(super) const fn name_of(origin: Origin) -> &'static str {
    match origin {
        Origin::Auth => "auth",
        Origin::Backend => "backend",
        Origin::Frontend => "frontend",
    }
}

/// Opens a door.
pub(super) async fn open(target: &Target, door: &Door) -> Result<Way, Obstacle> {
    target.way(&door.url).await.map_err(|none| no_way(target, door, &none))
}

/// Why a door stays shut, and what to do about it.
pub(super) fn no_way(target: &Target, door: &Door, none: &NoWay) -> Obstacle {
    let at = authority(&door.url);
    let key = format!("`urls.{}`", door.name);
    let (cause, next) = split(&none.what);
    let obstacle = |step, patience| {
        let seen = if cause.contains(&at) { cause.to_owned() } else { format!("{at}: {cause}") };
        Obstacle::new(step, door.name, Blame::Environment, patience).seen(seen)
    };
    match none.kind {
        FaultKind::Dns => obstacle("dns", Patience::Wait)
            .expected("an address for the name")
            .next(format!("correct {key}, or give the address in `resolve`; behind a VPN: is it up?")),
        FaultKind::Tls => {
            // A certificate stays what it is; a reset in a handshake may pass.
            let certain = cause.contains("certificate") || cause.contains("version") || cause.contains("no TLS");
            obstacle("tls", if certain { Patience::Never } else { Patience::Wait })
                .expected("a TLS handshake with a certificate that is trusted")
                .next(next.map_or_else(|| format!("look at what terminates TLS before {key}"), str::to_owned))
        }
        FaultKind::ConnectTimeout => obstacle("tcp", Patience::Wait).expected("a connection").next(format!(
            "correct {key}, or open the way: firewall, VPN, `proxy.url`; `limits.connect_s` bounds the wait"
        )),
        _ if target.profile().proxy.is_some() => {
            obstacle("tcp", Patience::Wait).expected("a connection through the proxy").next(next.map_or_else(
                || format!("correct `proxy.url` or {key}, or name the host in `proxy.except`"),
                str::to_owned,
            ))
        }
        _ => obstacle("tcp", Patience::Wait)
            .expected("a connection")
            .next(format!("start the service, or correct host and port of {key}")),
    }
}
