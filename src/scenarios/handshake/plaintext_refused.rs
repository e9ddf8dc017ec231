use url::Url;

use crate::check;
use crate::check::{Check, Context};
use crate::model::{Finding, Judgement, Need, Origin, Stop};
use crate::target::{Fault, FaultKind, Response, Upgraded};
use crate::wire::{Endpoint, ErrorCode};

pub(super) static CHECK: Check = check!("handshake/plaintext-refused", run).needs(&[Need::Tls]);

/// Worth nothing to whoever reads it on the way.
const FAKE: &str = "Bearer netra-check.made-up.token";

async fn run(cx: &Context) -> Judgement {
    // Where a credential is judged, if anywhere.
    for endpoint in [Endpoint::Verify, cx.contract().authenticated_call(), Endpoint::FrontendPage] {
        let service = endpoint.service();
        let (Some(base), Some((method, path))) = (cx.profile().urls.of(service), cx.contract().endpoint(endpoint))
        else {
            continue;
        };
        cx.step(format!("control: {service} over TLS"));
        let answer = cx.request(service, method, path).header("Authorization", FAKE).send().await?;
        cx.status(&answer, &[200, 401, 403]).map_err(|stop| cx.control_failed("the service answers over TLS", stop))?;
        for url in plaintext(base, "http") {
            cx.step(format!("{service}: {method} in plaintext to port {}", url.port_or_known_default().unwrap_or(80)));
            let url = url.join(path).unwrap_or(url);
            let call = cx.target().http(cx.recorder()).url(service, method, &url);
            refused(cx, &url, call.header("Authorization", FAKE).send().await)?;
        }
    }
    for url in plaintext(&cx.profile().urls.websocket, "ws") {
        cx.step(format!("backend: an upgrade in plaintext to port {}", url.port_or_known_default().unwrap_or(80)));
        let upgrade = cx.upgrade().url(url.clone()).header("Authorization", FAKE);
        let answer = upgrade.open().await.map(|upgraded| match upgraded {
            Upgraded::Switched(_, response) | Upgraded::Refused(response) => response,
        });
        refused(cx, &url, answer)?;
    }
    cx.conforms()
}

/// The same place without TLS: on its own port, and where that is 443, on port 80, too.
fn plaintext(secure: &Url, scheme: &str) -> Vec<Url> {
    let ports = secure.port().map_or_else(|| vec![443, 80], |port| vec![port]);
    let on_port = |port: u16| {
        // Not by `Url::set_scheme`, which drops the port that the *old* scheme implies.
        let host = secure.host_str()?;
        Url::parse(&format!("{scheme}://{host}:{port}{}", secure.path())).ok()
    };
    ports.into_iter().filter_map(on_port).collect()
}

/// No connection, an error before the credential is judged, or a redirect to TLS on the profile's hosts.
fn refused(cx: &Context, asked: &Url, answer: Result<Response, Fault>) -> Result<(), Stop> {
    const EXPECTED: &str = "a refused connection, an error before the token is judged, or a redirect to TLS";
    let response = match answer {
        Ok(response) => response,
        Err(fault) => {
            let refused = matches!(
                fault.kind,
                FaultKind::Refused
                    | FaultKind::Reset
                    | FaultKind::Tls
                    | FaultKind::Protocol
                    | FaultKind::ConnectTimeout
                    // Whose refusal it is does not matter here.
                    | FaultKind::Gateway
            );
            return if refused {
                cx.holds(true, Finding::Accepted, EXPECTED, String::new, Default::default)
            } else {
                Err(fault.into())
            };
        }
    };
    let code = response.error_code(cx.contract());
    let seen = || code.as_ref().map_or_else(String::new, |code| format!(", {code}"));
    let seen = || format!("HTTP {}{}", response.status, seen());
    if (300..400).contains(&response.status) {
        let location = response.header("Location").and_then(|location| asked.join(location).ok());
        let right = location.as_ref().is_some_and(|to| matches!(to.scheme(), "https" | "wss") && is_ours(cx, to));
        let seen = || {
            location.as_ref().map_or_else(|| format!("{} without Location", seen()), |to| format!("a redirect to {to}"))
        };
        return cx.holds(right, Finding::WrongHeader, EXPECTED, seen, || response.evidence());
    }
    // 401 means that the credential was looked at: a good one would have worked.
    let judged = matches!(response.status, 101 | 200..300 | 401) || code.as_ref().is_some_and(is_about_token);
    cx.holds(!judged, Finding::Accepted, EXPECTED, seen, || response.evidence())
}

/// A code that only who has looked at the credential can tell.
const fn is_about_token(code: &ErrorCode) -> bool {
    matches!(code, ErrorCode::TokenInvalid | ErrorCode::TokenExpired | ErrorCode::TokenRevoked)
}

fn is_ours(cx: &Context, url: &Url) -> bool {
    let urls = &cx.profile().urls;
    let ours = Origin::ALL.into_iter().filter_map(|origin| urls.of(origin)).chain([&urls.websocket]);
    ours.into_iter().any(|ours| ours.host_str() == url.host_str())
}
