use std::net::Ipv4Addr;

use tokio::net::{TcpListener, TcpStream};
use url::Host;

use crate::check;
use crate::check::{Check, Context, RefusalForm};
use crate::model::{Blame, Finding, Inconclusive, Judgement, Origin, Stop};
use crate::target::{Response, Token};
use crate::wire::{Endpoint, ErrorCode};

pub(super) static CHECK: Check = check!("handshake/header-injection-refused", run);

/// Refusals of the request as such, before anyone reads the token.
const REQUEST_REFUSED: [u16; 5] = [400, 403, 413, 414, 431];

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let ours = listener(cx).await?;
    let url = match &ours {
        Some(listener) => Some(format!("http://{}/jwks.json", listener.local_addr().map_err(harness)?)),
        None => None,
    };
    cx.step("control before");
    cx.session(&login.access).await?.close().await;
    for forged in cx.workshop().header_injection(&login.access, url.as_deref()) {
        cx.step(forged.step);
        match &ours {
            None => refused(cx, &forged.token).await?,
            // Whoever comes need not be answered: that would be waiting for a fetch to end.
            Some(listener) => tokio::select! {
                _ = listener.accept() => return Err(fetched(cx)),
                judged = refused(cx, &forged.token) => judged?,
            },
        }
    }
    if let Some(listener) = ours {
        cx.step("nobody comes late: our own connection is the next one");
        nobody_came(cx, &listener).await?;
    }
    cx.step("control after");
    cx.session(&login.access).await?.close().await;
    cx.conforms()
}

/// Where a service on loopback would fetch from; another could not reach us, and a URL of somebody
/// else's is not ours to have fetched.
async fn listener(cx: &Context) -> Result<Option<TcpListener>, Stop> {
    let is_here = |origin| match cx.profile().urls.of(origin).and_then(url::Url::host) {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if !is_here(Origin::Auth) || !is_here(Origin::Backend) {
        return Ok(None);
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map(Some).map_err(harness)
}

async fn nobody_came(cx: &Context, listener: &TcpListener) -> Result<(), Stop> {
    let own = TcpStream::connect(listener.local_addr().map_err(harness)?).await.map_err(harness)?;
    let (_, first) = listener.accept().await.map_err(harness)?;
    if own.local_addr().map_err(harness)? == first { Ok(()) } else { Err(fetched(cx)) }
}

fn fetched(cx: &Context) -> Stop {
    let expected = ["no request to the URL that the token names"];
    cx.deviation(Finding::Fetched, expected, "a connection to our listener", cx.evidence())
}

/// At the auth service, whose own errors are seen there, and on the socket.
async fn refused(cx: &Context, token: &Token) -> Result<(), Stop> {
    let codes = [ErrorCode::TokenInvalid];
    let answer = cx.call(Endpoint::Verify).bearer(token).send().await?;
    in_time(cx, &answer)?;
    if !REQUEST_REFUSED.contains(&answer.status) {
        cx.http_refused(&answer, &[401], &codes)?;
    }
    let refusal = cx.kept_out(cx.upgrade_with(token), &codes).await?;
    match &refusal.form {
        RefusalForm::Http(answer) if REQUEST_REFUSED.contains(&answer.status) => in_time(cx, answer),
        // After 101 nothing is waited for longer than the welcome's window.
        _ => cx.is_refusal(&refusal, &codes),
    }
}

fn in_time(cx: &Context, answer: &Response) -> Result<(), Stop> {
    let within = cx.profile().thresholds.reply;
    if answer.took() > within {
        cx.punctual(answer.sent, within)?;
    }
    cx.holds(
        answer.took() <= within,
        Finding::Late,
        format!("an answer within {} s", within.as_secs_f64()),
        || format!("an answer after {:.1} s", answer.took().as_secs_f64()),
        || answer.evidence(),
    )
    .map_err(|stop| stop.within("thresholds.reply_s"))
}

fn harness(error: std::io::Error) -> Stop {
    Inconclusive::new(Blame::Harness, format!("our own listener: {error}")).into()
}
