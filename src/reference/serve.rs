//! Starting and ending a reference.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::listen::{Gate, listen};
use super::site::Site;
use super::{Conduct, Facts, backend, http_error};

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

/// Services that are served elsewhere.
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
        let of = |listener: &Option<TcpListener>, peer: &Option<Url>, scheme: &str| match listener {
            Some(listener) => listener
                .local_addr()
                .map(|address| Url::parse(&format!("{scheme}://{address}")).ok())
                .map_err(ServeError::Listener),
            None => Ok(peer.clone()),
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
    let addresses = Addresses::of(&listeners, &peers, &conduct)?;
    let facts = Facts::new(&conduct, addresses);
    let site = Arc::new(Site::new(conduct, facts, shutdown.clone())?);
    let mut services = tokio::task::JoinSet::new();
    if let Some(listener) = listeners.backend {
        let router = http_error::finish(backend::router(&site)?, &site);
        services.spawn(listen(listener, router, Arc::new(Gate::new(&shutdown)), site.clone()));
    }
    while services.join_next().await.is_some() {}
    site.tasks.close();
    site.tasks.wait().await;
    Ok(())
}
