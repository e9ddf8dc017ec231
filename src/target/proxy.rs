//! The way through an HTTP proxy: a tunnel by CONNECT (RFC 9110, section 9.3.6) for every scheme, so that
//! the proxy changes nothing of what is said and answers nothing in the service's place.

use std::net::IpAddr;

use base64::Engine as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use super::connect::NoConnection;
use super::fault::FaultKind;
use crate::profile::Proxy;

/// Most octets of the proxy's answer.
const LARGEST_HEAD: usize = 8_192;

/// Whether `proxy` leaves a host and port to be asked directly; `host` is without brackets.
pub(super) fn is_excepted(proxy: &Proxy, host: &str, port: u16) -> bool {
    let address = host.parse::<IpAddr>().ok();
    proxy.except.iter().any(|except| {
        let (except, only_port) = split_port(except);
        if only_port.is_some_and(|only| only != port) {
            return false;
        }
        if let Some(address) = address {
            return except == "*" || is_within(address, except);
        }
        let domain = except.trim_start_matches('*').trim_start_matches('.');
        let (host, domain) = (host.to_ascii_lowercase(), domain.to_ascii_lowercase());
        except == "*"
            || !domain.is_empty()
                && (host == domain || host.strip_suffix(&domain).is_some_and(|before| before.ends_with('.')))
    })
}

/// `host` and `port` of `host:port`; an IPv6 address has a port only behind brackets.
fn split_port(text: &str) -> (&str, Option<u16>) {
    let bare = |host: &'_ str| host.starts_with('[') || !host.contains(':');
    match text.rsplit_once(':') {
        Some((host, port)) if bare(host) && !host.is_empty() && port.parse::<u16>().is_ok() => {
            (host.trim_matches(['[', ']']), port.parse().ok())
        }
        _ => (text.trim_matches(['[', ']']), None),
    }
}

/// Whether `address` is the one that `text` writes, or within the network that it writes (`10.0.0.0/8`).
fn is_within(address: IpAddr, text: &str) -> bool {
    let (network, length) = match text.split_once('/') {
        Some((network, length)) => (network, length.parse::<u32>().ok()),
        None => (text, Some(128)),
    };
    let (Ok(network), Some(length)) = (network.parse::<IpAddr>(), length) else { return false };
    // Bits of the lowest address are compared from the left.
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let differs = u32::from(address) ^ u32::from(network);
            differs.leading_zeros() >= length.min(32)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let differs = u128::from(address) ^ u128::from(network);
            differs.leading_zeros() >= length.min(128)
        }
        _ => false,
    }
}

/// Host, without brackets, and port of the proxy itself.
pub(super) fn place(url: &Url) -> (String, u16) {
    (url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned(), url.port_or_known_default().unwrap_or(80))
}

/// Asks an HTTP proxy for a tunnel to `authority`.
///
/// # Errors
/// What the proxy says instead, and the key that would mend it.
pub(super) async fn tunnel(tcp: &mut TcpStream, proxy: &Proxy, authority: &str) -> Result<(), NoConnection> {
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    let named = !proxy.url.username().is_empty();
    if named {
        let decode = |text| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = format!("{}:{}", decode(proxy.url.username()), decode(proxy.url.password().unwrap_or_default()));
        let user = base64::engine::general_purpose::STANDARD.encode(user);
        request.push_str(&format!("Proxy-Authorization: Basic {user}\r\n"));
    }
    request.push_str("\r\n");
    tcp.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    // Octet by octet: what follows the head belongs to the tunnel.
    while !head.ends_with(b"\r\n\r\n") && head.len() < LARGEST_HEAD {
        match tcp.read_u8().await {
            Ok(octet) => head.push(octet),
            Err(error) => return Err(told(proxy, &format!("ended before it answered CONNECT: {error}"))),
        }
    }
    let head = String::from_utf8_lossy(&head);
    let first = head.lines().next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    match status {
        Some(status) if status.len() == 3 && status.starts_with('2') => Ok(()),
        Some("407") if named => {
            Err(told(proxy, "refuses the user and password of `proxy.url` (407) → correct them there"))
        }
        Some("407") => {
            Err(told(proxy, "wants credentials (407) → write `http://USER:PASSWORD@HOST:PORT` as `proxy.url`"))
        }
        Some(_) => {
            let what = format!(
                "answered `{first}` to CONNECT {authority} → have it allowed there, or name the host in `proxy.except`"
            );
            Err(told(proxy, &what))
        }
        None => Err(told(proxy, "answers no HTTP → correct `proxy.url`: is it the address of an HTTP proxy?")),
    }
}

/// A failure of the proxy itself; its user information is not shown.
pub(super) fn told(proxy: &Proxy, what: &str) -> NoConnection {
    let host = proxy.url.host_str().unwrap_or_default();
    let port = proxy.url.port_or_known_default().unwrap_or(80);
    NoConnection { kind: FaultKind::Refused, what: format!("the proxy {host}:{port} {what}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(except: &[&str]) -> Proxy {
        let except = except.iter().map(|except| (*except).to_owned()).collect();
        Proxy { url: Url::parse("http://[::1]:3128").unwrap(), except }
    }

    #[test]
    fn exceptions_are_read_as_no_proxy_is() {
        let cases: [(&str, &str, u16, bool); 19] = [
            ("example.com", "example.com", 443, true),
            ("example.com", "api.example.com", 443, true),
            ("example.com", "Api.EXAMPLE.com", 443, true),
            ("example.com", "notexample.com", 443, false),
            (".example.com", "api.example.com", 443, true),
            ("*.example.com", "api.example.com", 443, true),
            ("example.com:8443", "api.example.com", 8443, true),
            ("example.com:8443", "api.example.com", 443, false),
            ("*", "anything", 80, true),
            ("*", "10.1.2.3", 80, true),
            ("10.1.2.3", "10.1.2.3", 80, true),
            ("10.0.0.0/8", "10.255.0.1", 80, true),
            ("10.0.0.0/8", "11.0.0.1", 80, false),
            ("10.0.0.0/nine", "10.0.0.1", 80, false),
            ("0.1", "10.0.0.1", 80, false),
            ("::1", "::1", 80, true),
            ("[::1]:80", "::1", 80, true),
            ("fd00::/8", "fd12::1", 80, true),
            ("0.0.0.0/0", "::1", 80, false),
        ];
        for (except, host, port, is) in cases {
            assert_eq!(is_excepted(&proxy(&[except]), host, port), is, "{except} {host}:{port}");
        }
        assert!(!is_excepted(&proxy(&[]), "example.com", 80));
        assert!(!is_excepted(&proxy(&["."]), "example.com", 80));
    }

    #[test]
    fn a_proxy_may_have_an_address_of_ipv6() {
        assert_eq!(place(&proxy(&[]).url), ("::1".to_owned(), 3128));
        assert_eq!(place(&Url::parse("http://proxy").unwrap()), ("proxy".to_owned(), 80));
    }
}
