//! Starting and ending a reference.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::listen::{Door, Gate, listen};
use super::site::Site;
use super::{Conduct, Facts, auth, backend, control, frontend, http_error, notes, provider};

/// How long each request keeps the services' common turn where they are coupled.
const COUPLED_WORK: Duration = Duration::from_millis(400);
/// How long a slow start takes.
const SLOW_START: Duration = Duration::from_secs(60);

/// Listeners of the services to be served here, bound by the caller.
#[derive(Debug, Default)]
pub struct Listeners {
    /// The auth service.
    pub auth: Option<TcpListener>,
    /// REST and WebSocket.
    pub backend: Option<TcpListener>,
    /// The web application.
    pub frontend: Option<TcpListener>,
    /// The OAuth providers.
    pub provider: Option<TcpListener>,
    /// Outages on demand: `POST /auth/down`, `/auth/up`, `/backend/down`, `/backend/up`. Plain HTTP.
    pub control: Option<TcpListener>,
}

/// Services that are served elsewhere, or that are to be asked at another address than they listen at.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    /// The auth service.
    pub auth: Option<Url>,
    /// REST and WebSocket.
    pub backend: Option<Url>,
    /// The web application.
    pub frontend: Option<Url>,
    /// The OAuth providers.
    pub provider: Option<Url>,
}

/// Base URLs of all services that are known, here or elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// The auth service.
    pub auth: Option<Url>,
    /// REST; the WebSocket is at `/ws` below it.
    pub backend: Option<Url>,
    /// The web application.
    pub frontend: Option<Url>,
    /// The OAuth providers.
    pub provider: Option<Url>,
    /// The control listener.
    pub control: Option<Url>,
}

impl Addresses {
    /// Where the services of these listeners and peers are.
    ///
    /// # Errors
    /// [`ServeError::Listener`] when a listener does not know its address.
    pub fn of(listeners: &Listeners, peers: &Peers, conduct: &Conduct) -> Result<Self, ServeError> {
        let scheme = if conduct.tls.is_some() { "https" } else { "http" };
        let of = |listener: &Option<TcpListener>, peer: &Option<Url>, scheme: &str| match (peer, listener) {
            (None, Some(listener)) => listener
                .local_addr()
                .map(|address| Url::parse(&format!("{scheme}://{address}")).ok())
                .map_err(ServeError::Listener),
            (peer, _) => Ok(peer.clone()),
        };
        Ok(Self {
            auth: of(&listeners.auth, &peers.auth, scheme)?,
            backend: of(&listeners.backend, &peers.backend, scheme)?,
            frontend: of(&listeners.frontend, &peers.frontend, scheme)?,
            provider: of(&listeners.provider, &peers.provider, scheme)?,
            control: of(&listeners.control, &None, "http")?,
        })
    }

    /// The WebSocket endpoint.
    pub fn websocket(&self) -> Option<Url> {
        let mut url = self.backend.clone()?;
        url.set_path("/ws");
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        url.set_scheme(scheme).ok()?;
        Some(url)
    }
}

/// Why a reference cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A listener does not know its address.
    #[error("a listener of the reference is unusable: {0}")]
    Listener(#[source] std::io::Error),
    /// The certificate or key cannot be used.
    #[error("the reference's TLS identity is unusable: {0}")]
    Tls(#[from] rustls::Error),
    /// The client for questions between the services cannot be made.
    #[error("the reference cannot ask its own services: {0}")]
    Client(#[from] reqwest::Error),
    /// The backend has no auth service to ask.
    #[error("the backend of the reference needs an auth service: serve one, or say where it is")]
    NoAuthService,
    /// The signing key cannot be used.
    #[error("the reference's signing key is unusable")]
    SigningKey,
    /// The defect `standalone-crashes`.
    #[error("the auth service cannot start without the backend")]
    Standalone,
}

/// Serves the reference until `shutdown`, then ends every connection and task before it returns.
///
/// # Errors
/// [`ServeError`] when it cannot start.
pub async fn serve(
    listeners: Listeners,
    peers: Peers,
    conduct: Conduct,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let notes = conduct.notes.clone();
    notes::for_nobody(notes.as_ref(), serve_all(listeners, peers, conduct, shutdown)).await
}

async fn serve_all(
    listeners: Listeners,
    peers: Peers,
    conduct: Conduct,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let is_alone = listeners.auth.is_some() && listeners.backend.is_none();
    let shutdown = standalone(&conduct, is_alone, shutdown).await?;
    let addresses = Addresses::of(&listeners, &peers, &conduct)?;
    let facts = Facts::new(&conduct, addresses);
    let site = Arc::new(Site::new(conduct, facts, shutdown.clone())?);
    let door = Arc::new(Door::of(&site)?);
    let (outside, plain) = (Arc::new(Door::outside(&site)?), Arc::new(Door::plain()));
    let gate = || Arc::new(Gate::new(&shutdown));
    let (auth_gate, backend_gate) = (gate(), gate());
    let control = control::router([("auth", auth_gate.clone()), ("backend", backend_gate.clone())]);
    let mut services = vec![
        (listeners.auth, couple(auth::router(&site)?, &site, Duration::ZERO), auth_gate, door.clone()),
        (listeners.frontend, frontend::router(&site), gate(), door.clone()),
        (listeners.provider, provider::router(&site), gate(), outside),
        (listeners.control, control, gate(), plain),
    ];
    if listeners.backend.is_some() {
        services.push((listeners.backend, couple(backend::router(&site)?, &site, COUPLED_WORK), backend_gate, door));
    }
    let mut listening = JoinSet::new();
    for (listener, router, gate, door) in services {
        if let Some(listener) = listener {
            let router = http_error::finish(router, &site);
            listening.spawn(notes::carried_on(listen(listener, router, gate, door, shutdown.clone())));
        }
    }
    while listening.join_next().await.is_some() {}
    site.join().await;
    Ok(())
}

/// What an auth service without a backend does before it starts, and what will end it: `shutdown`
/// and nothing unusual, when it is correct.
async fn standalone(
    conduct: &Conduct,
    is_alone: bool,
    shutdown: CancellationToken,
) -> Result<CancellationToken, ServeError> {
    if !is_alone {
        return Ok(shutdown);
    }
    let process = conduct.policy.process;
    if process.standalone_crashes.on() {
        return Err(ServeError::Standalone);
    }
    if process.standalone_slow.on() {
        tokio::select! {
            () = tokio::time::sleep(SLOW_START) => {}
            () = shutdown.cancelled() => {}
        }
    }
    Ok(if process.standalone_ignores_sigterm.on() { CancellationToken::new() } else { shutdown })
}

/// Where services are coupled, each request waits for one turn that they share, and keeps it for `work`.
fn couple(router: Router, site: &Arc<Site>, work: Duration) -> Router {
    if !site.policy().process.auth_coupled_to_backend.on() {
        return router;
    }
    router.layer(middleware::from_fn_with_state((site.clone(), work), take_turn))
}

async fn take_turn(State((site, work)): State<(Arc<Site>, Duration)>, request: Request, next: Next) -> Response {
    {
        let _turn = site.turn.lock().await;
        tokio::time::sleep(work).await;
    }
    next.run(request).await
}
