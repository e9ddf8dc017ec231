//! The backend: REST and WebSocket.

mod agents;
mod auth_client;
mod breaker;
mod client_text;
mod content;
mod credentials;
mod dispatch;
mod frames;
mod hub;
mod identify;
mod limits;
mod line;
mod misfail;
mod misrun;
mod misstream;
mod misthread;
mod mixed;
mod outbound;
mod prompt;
mod refusal;
mod replay;
mod requests;
mod rest;
mod runs;
mod seeded;
mod session;
mod socket;
mod threads;
mod tickets;
mod upgrade;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;

use self::auth_client::AuthClient;
use self::hub::Hub;
use super::site::Site;
use super::{ServeError, oauth_news};

/// What all requests and sockets of the backend share.
struct Backend {
    site: Arc<Site>,
    auth: AuthClient,
    hub: Mutex<Hub>,
    /// Held while a socket is written to, where a defect writes to one at a time.
    writing: tokio::sync::Mutex<()>,
}

impl Backend {
    /// The state, locked; not to be held across an await.
    fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The backend's routes; what it runs beside them ends with the site.
///
/// # Errors
/// [`ServeError::NoAuthService`] when it has nobody to ask.
pub(super) fn router(site: &Arc<Site>) -> Result<Router, ServeError> {
    let url = site.facts.urls.auth.clone().ok_or(ServeError::NoAuthService)?;
    let backend = Arc::new(Backend {
        site: site.clone(),
        auth: AuthClient::new(site.clone(), url)?,
        hub: Mutex::new(Hub::new(site.clone())),
        writing: tokio::sync::Mutex::default(),
    });
    site.spawn(oauth_news::follow(site.clone(), {
        let backend = backend.clone();
        move |completion| backend.hub().oauth_completed(&completion)
    }));
    let router = rest::router(&backend).route("/ws", axum::routing::any(upgrade::upgrade)).with_state(backend);
    Ok(identify::replicas(router, site))
}
