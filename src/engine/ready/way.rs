//! The way to each service: name, connection, TLS.

use url::Url;

use super::{Obstacle, Patience};
use crate::model::{Blame, Origin};
use crate::target::{FaultKind, NoWay, Target, Way, authority};

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
        FaultKind::ConnectTimeout => obstacle("tcp", Patience::Wait).expected("a connection").next(format!(
            "correct {key}, or open the way: firewall, VPN, `proxy.url`; `limits.connect_s` bounds the wait"
        )),
        _ if target.profile().proxy.is_some() => obstacle("tcp", Patience::Wait)
            .expected("a connection through the proxy")
            .next(format!("correct `proxy.url` or {key}, or name the host in `proxy.except`")),
        _ => obstacle("tcp", Patience::Wait)
            .expected("a connection")
            .next(format!("start the service, or correct host and port of {key}")),
    }
}

/// What to do about a TLS handshake that ended with `what`, in lower case.
pub(super) fn tls_remedy(what: &str, key: &str) -> String {
    let says = |words: &[&str]| words.iter().any(|word| what.contains(word));
    if says(&["certificaterequired", "certificate required"]) {
        "name a client certificate in `tls.client_cert_file` and `tls.client_key_file`".into()
    } else if says(&["alert: badcertificate", "alert: unknownca", "alert: certificate", "alert: accessdenied"]) {
        "the service does not take the client certificate: renew `tls.client_cert_file` and `tls.client_key_file`"
            .into()
    } else if says(&["unknownissuer", "unknown issuer", "causedasendentity"]) {
        "name the PEM file of its authority in `tls.ca_file`".into()
    } else if says(&["expired", "notvalidyet", "not valid yet"]) {
        "renew the certificate; if it is valid, set the clock of this machine".into()
    } else if says(&["name"]) {
        format!("the certificate is made for other names: correct {key}, or issue it for this one")
    } else if says(&["corrupt"]) {
        format!("the port speaks no TLS: correct host, port or scheme of {key}")
    } else if says(&["version"]) {
        "the service speaks no version that `tls.require_tls13` admits: update it, or lift that".into()
    } else {
        format!("look at what terminates TLS before {key}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_of_a_handshake_has_its_own_remedy() {
        for (what, word) in [
            ("invalid peer certificate: UnknownIssuer", "tls.ca_file"),
            ("invalid peer certificate: certificate expired: verification time 5 (UNIX)", "renew the certificate"),
            ("invalid peer certificate: certificate not valid for name \"a\"", "other names"),
            ("received fatal alert: CertificateRequired", "name a client certificate"),
            ("received fatal alert: UnknownCA", "does not take the client certificate"),
            ("received corrupt message of type InvalidContentType", "speaks no TLS"),
            ("received fatal alert: ProtocolVersion", "require_tls13"),
            ("unexpected end of file", "terminates TLS"),
        ] {
            let remedy = tls_remedy(&what.to_lowercase(), "`urls.auth`");
            assert!(remedy.contains(word), "{what}: {remedy}");
        }
    }
}
