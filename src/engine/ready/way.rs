//! The way to each service: name, connection, TLS.

use url::Url;

use super::{Obstacle, Patience};
use crate::model::{Blame, Origin};
use crate::target::{FaultKind, NoWay, Target, Way, authority};

/// A host and port that must let us in.
#[derive(Clone, Debug)]
pub(super) struct Door {
    /// The key below `urls`.
    pub(super) name: &'static str,
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
        let door = Door { name, url: url.clone() };
        let same = |known: &&Door| authority(&known.url) == authority(url) && known.secure() == door.secure();
        if doors.iter().find(same).is_none() {
            doors.push(door);
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
    let obstacle = |step, patience| {
        let seen = if none.what.contains(&at) { none.what.clone() } else { format!("{at}: {}", none.what) };
        Obstacle::new(step, door.name, Blame::Environment, patience).seen(seen)
    };
    match none.kind {
        FaultKind::Dns => obstacle("dns", Patience::Wait)
            .expected("an address for the name")
            .next(format!("correct {key}, or give the address in `resolve`; behind a VPN: is it up?")),
        FaultKind::Tls => {
            let what = none.what.to_lowercase();
            // A certificate stays what it is; a reset in a handshake may pass.
            let certain = what.contains("certificate") || what.contains("version") || what.contains("corrupt");
            obstacle("tls", if certain { Patience::Never } else { Patience::Wait })
                .expected("a TLS handshake with a certificate that is trusted")
                .next(tls_remedy(&what, &key))
        }
        FaultKind::ConnectTimeout => obstacle("tcp", Patience::Wait)
            .expected("a connection")
            .next(format!("correct {key}, or open the way: firewall, VPN, `proxy.url`; `limits.connect_s` bounds the wait")),
        _ if target.profile().proxy.is_some() => obstacle("tcp", Patience::Wait)
            .expected("a connection through the proxy")
            .next(format!("correct `proxy.url` or {key}, or name the host in `proxy.except`")),
        _ => obstacle("tcp", Patience::Wait)
            .expected("a connection")
            .next(format!("start the service, or correct host and port of {key}")),
    }
}

fn tls_remedy(what: &str, key: &str) -> String {
    if what.contains("unknownissuer") || what.contains("unknown issuer") || what.contains("cause") {
        "name the PEM file of its authority in `tls.ca_file`".into()
    } else if what.contains("expired") || what.contains("notvalidyet") || what.contains("not valid yet") {
        "renew the certificate; if it is valid, set the clock of this machine".into()
    } else if what.contains("name") {
        format!("the certificate is made for other names: correct {key}, or issue it for this one")
    } else if what.contains("certificaterequired") || what.contains("certificate required") {
        "name a client certificate in `tls.client_cert_file` and `tls.client_key_file`".into()
    } else if what.contains("corrupt") {
        format!("the port speaks no TLS: correct host, port or scheme of {key}")
    } else if what.contains("version") {
        "the service speaks no version that `tls.require_tls13` admits: update it, or lift that".into()
    } else {
        format!("look at what terminates TLS before {key}")
    }
}
