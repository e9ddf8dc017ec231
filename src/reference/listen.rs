//! The accept loop of every service: TCP or TLS, HTTP/1 with upgrades, and outages on demand.

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

use super::http_error::closing;
use super::site::Site;
use super::{Conduct, Gateway, ServeError, notes};

/// How long a peer may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between attempts to accept when the system refuses.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// How long connections may take to end when they are cut.
const CUT_WITHIN: Duration = Duration::from_secs(2);

/// The connection on which a request came: an extension of each request.
#[derive(Clone)]
pub(super) struct Connection {
    number: u64,
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Connection {
    /// Its number among all of its service, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Told when the connection must end at once: outage or shutdown.
    pub(super) const fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    /// Runs what outlives the HTTP exchange (an upgraded socket); an outage waits for its end.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(notes::carried_on(task));
    }
}

/// Takes a service down and up again.
pub(super) struct Gate {
    shutdown: CancellationToken,
    epoch: Mutex<Epoch>,
}

/// The time between two outages.
struct Epoch {
    open: bool,
    /// Connections admitted so far.
    admitted: u64,
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Epoch {
    fn begin(shutdown: &CancellationToken) -> Self {
        Self { open: true, admitted: 0, cut: shutdown.child_token(), tasks: TaskTracker::new() }
    }
}

impl Gate {
    /// An open gate.
    pub(super) fn new(shutdown: &CancellationToken) -> Self {
        let epoch = Mutex::new(Epoch::begin(shutdown));
        Self { shutdown: shutdown.clone(), epoch }
    }

    /// Takes the service down: when this returns its connections have ended and new ones are reset.
    pub(super) async fn shut(&self) {
        let tasks = {
            let mut epoch = self.epoch();
            epoch.open = false;
            epoch.cut.cancel();
            epoch.tasks.close();
            epoch.tasks.clone()
        };
        // A task that does not end in time holds no listener; the outage is in force without it.
        let _ = tokio::time::timeout(CUT_WITHIN, tasks.wait()).await;
    }

    /// Brings the service up again.
    pub(super) fn open(&self) {
        let mut epoch = self.epoch();
        if !epoch.open {
            *epoch = Epoch::begin(&self.shutdown);
        }
    }

    fn admit(&self) -> Option<Connection> {
        let mut epoch = self.epoch();
        epoch.admitted += 1;
        let number = epoch.admitted;
        epoch.open.then(|| Connection { number, cut: epoch.cut.clone(), tasks: epoch.tasks.clone() })
    }

    fn epoch(&self) -> std::sync::MutexGuard<'_, Epoch> {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves `router` on `listener` until `shutdown`; returns when every connection has ended.
pub(super) async fn listen(
    listener: TcpListener,
    router: Router,
    gate: Arc<Gate>,
    door: Arc<Door>,
    shutdown: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let Ok((stream, _)) = accepted else {
            // Mostly too many open files, which some connection's end will mend.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(connection) = gate.admit() else {
            reset(stream);
            continue;
        };
        let (door, router) = (door.clone(), router.clone());
        let cut = connection.cut.clone();
        connection.tasks.clone().spawn(notes::carried_on(async move {
            tokio::select! {
                () = door.welcome(stream, router, connection) => {}
                () = cut.cancelled() => {}
            }
        }));
    }
    gate.shut().await;
}

/// Ends a connection so that the peer sees a reset, not an end of file.
fn reset(stream: TcpStream) {
    // Without it the peer sees an orderly end, which is an outage, too.
    let _ = stream.set_zero_linger();
}

/// How a service greets new connections.
pub(super) struct Door {
    tls: Option<TlsAcceptor>,
    plain_accepted: bool,
    redirect_off_site: bool,
    title_case: bool,
    closing: bool,
    gateway: Option<Gateway>,
}

impl Door {
    /// The door of the services of this environment, behind its gateway.
    pub(super) fn of(site: &Site) -> Result<Self, ServeError> {
        Ok(Self { gateway: site.conduct.gateway.clone(), ..Self::outside(site)? })
    }

    /// The door of who is no service of this environment, though it is served here.
    pub(super) fn outside(site: &Site) -> Result<Self, ServeError> {
        let http = site.policy().http;
        Ok(Self {
            tls: acceptor(&site.conduct)?,
            plain_accepted: http.plain_accepted.on(),
            redirect_off_site: http.redirect_off_site.on(),
            title_case: !site.conduct.lower_case_headers(),
            closing: site.permitted().closing_http.on(),
            gateway: None,
        })
    }

    /// A door without TLS and without misconduct.
    pub(super) const fn plain() -> Self {
        Self {
            tls: None,
            plain_accepted: false,
            redirect_off_site: false,
            title_case: true,
            closing: false,
            gateway: None,
        }
    }

    async fn welcome(&self, mut stream: TcpStream, router: Router, connection: Connection) {
        // Frames are small and awaited: Nagle's algorithm would delay them. Without it all still works.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else { return self.converse(stream, router, connection).await };
        if (self.plain_accepted || self.redirect_off_site) && !begins_tls(&stream).await {
            if self.plain_accepted {
                return self.converse(stream, router, connection).await;
            }
            let answer = b"HTTP/1.1 301 Moved Permanently\r\nLocation: https://elsewhere.example/\r\n\
                Content-Length: 0\r\nConnection: close\r\n\r\n";
            // The peer may have gone; there is nobody else to tell.
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
            return;
        }
        if let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
            self.converse(stream, router, connection).await;
        }
    }

    async fn converse<S>(&self, stream: S, router: Router, connection: Connection)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let closing_http = self.closing;
        let gateway = self.gateway.clone();
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(connection.clone());
            let stopped = gateway.as_ref().is_some_and(|gateway| !gateway.admits(request.headers()));
            let asked_by =
                request.headers().get(notes::HEADER).and_then(|header| header.to_str().ok()).map(str::to_owned);
            let answer = router.clone().call(request);
            notes::asked_by(asked_by.as_deref(), async move {
                if stopped {
                    return Ok(Gateway::page());
                }
                let response = answer.await.unwrap_or_else(|never| match never {});
                Ok::<Response, Infallible>(match response.status() {
                    StatusCode::SWITCHING_PROTOCOLS => response,
                    _ if closing_http => closing(response),
                    _ => response,
                })
            })
        });
        // A broken connection concerns its peer only, who knows.
        let _ = http1::Builder::new()
            .title_case_headers(self.title_case)
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await;
    }
}

/// Whether the first octet is that of a TLS handshake record.
async fn begins_tls(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(tokio::time::timeout(PATIENCE, stream.peek(&mut first)).await, Ok(Ok(1)) if first == [0x16])
}

fn acceptor(conduct: &Conduct) -> Result<Option<TlsAcceptor>, ServeError> {
    let Some(identity) = &conduct.tls else { return Ok(None) };
    let provider: Arc<_> = rustls::crypto::ring::default_provider().into();
    let builder =
        rustls::ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match &identity.client {
        None => builder.with_no_client_auth(),
        Some(_) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(identity.authority.clone())?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| rustls::Error::General(error.to_string()))?)
        }
    };
    let mut config = builder.with_single_cert(identity.chain.clone(), identity.key.clone_key())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}
