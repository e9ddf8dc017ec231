//! Services started by the profile's own commands, and the check at their addresses.

use std::io;
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use crate::check::Context;
use crate::model::{Blame, Finding, Inconclusive, Need, NotVerified, Origin, Stop};
use crate::target::{Launched, free_port};
use crate::wire::Endpoint;

/// Between two looks at a starting service.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A launched service that is healthy.
pub(super) struct Service {
    /// Its process.
    pub(super) process: Launched,
    /// Its port on loopback.
    pub(super) port: u16,
}

/// Starts the auth service, and waits until it is healthy.
pub(super) async fn auth(cx: &Context) -> Result<(Service, Context), Stop> {
    start(cx, Origin::Auth, None).await
}

/// Starts the backend, told that the auth service is at `auth`; the context asks that one, too.
pub(super) async fn backend(cx: &Context, auth: &Url) -> Result<(Service, Context), Stop> {
    start(cx, Origin::Backend, Some(auth)).await
}

async fn start(cx: &Context, origin: Origin, auth: Option<&Url>) -> Result<(Service, Context), Stop> {
    let settings = &cx.profile().independence;
    let (command, name, health) = match origin {
        Origin::Backend => (&settings.launch_backend, "backend_port", Endpoint::BackendHealth),
        _ => (&settings.launch_auth, "auth_port", Endpoint::AuthHealth),
    };
    let command = command.as_ref().ok_or(NotVerified::Lacks(Need::Launch))?;
    let mut tries = 0;
    loop {
        tries += 1;
        let port = free_port().await.map_err(harness)?;
        let mut values = vec![(name, port.to_string())];
        values.extend(auth.map(|url| ("auth_url", url.as_str().trim_end_matches('/').to_owned())));
        let mut process = Launched::start(command, &values, cx.target().redactor().clone())?;
        let there = at(cx, origin, port)?;
        let began = Instant::now();
        while began.elapsed() < settings.start {
            if let Some(status) = process.ended() {
                if tries == 1 {
                    // Its port may have been taken meanwhile.
                    break;
                }
                let seen = format!("the {origin} service ended at its start: {status}");
                let expected = ["a service that starts by itself"];
                return Err(cx.deviation(Finding::NotStandalone, expected, seen, process.evidence()));
            }
            let answer = there.call(health).fresh_connection().deadline(settings.start).send().await;
            if answer.is_ok_and(|answer| answer.succeeded(cx.contract(), health)) {
                return Ok((Service { process, port }, there));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        if process.ended().is_none() {
            let within = settings.start.as_secs_f64();
            let expected = [format!("healthy within {within} s")];
            return Err(cx.deviation(Finding::Late, expected, "not healthy by then", process.evidence()));
        }
    }
}

/// The check where `origin` is on loopback, and everything else where it was.
fn at(cx: &Context, origin: Origin, port: u16) -> Result<Context, Stop> {
    let url = |scheme: &str, path: &str| {
        Url::parse(&format!("{scheme}://127.0.0.1:{port}{path}")).map_err(|error| harness(io::Error::other(error)))
    };
    let mut urls = cx.profile().urls.clone();
    match origin {
        Origin::Backend => {
            urls.backend = url("http", "")?;
            urls.websocket = url("ws", cx.profile().urls.websocket.path())?;
        }
        _ => urls.auth = url("http", "")?,
    }
    cx.at(urls)
}

/// What this machine does not give.
pub(super) fn harness(error: io::Error) -> Stop {
    Inconclusive::new(Blame::Harness, error.to_string()).into()
}
