//! What every service of one reference shares.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock::Clock;
use super::dialect::Dialect;
use super::id::Ids;
use super::{Conduct, Facts, Permitted, Policy, ServeError, notes};
use crate::wire::{Contract, Endpoint};

/// What every service of one reference shares; handed around as `Arc<Site>`.
pub(super) struct Site {
    /// How it behaves.
    pub(super) conduct: Conduct,
    /// What is known about it from outside, its addresses included.
    pub(super) facts: Facts,
    /// Makes ids.
    pub(super) ids: Ids,
    /// Writes timestamps.
    pub(super) clock: Clock,
    /// Writes JSON.
    pub(super) dialect: Dialect,
    /// Asks the other services; trusts this environment's TLS authority.
    pub(super) client: reqwest::Client,
    /// Held by one request at a time where the services are coupled.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Ends everything.
    pub(super) shutdown: CancellationToken,
    /// Every task that is not bound to one connection.
    tasks: TaskTracker,
}

impl Site {
    /// The shared part of a reference of this conduct at these addresses.
    pub(super) fn new(conduct: Conduct, facts: Facts, shutdown: CancellationToken) -> Result<Self, ServeError> {
        let permitted = &conduct.policy.permitted;
        Ok(Self {
            ids: Ids::new(conduct.seed, conduct.odd_ids()),
            clock: Clock::new(conduct.contract.timestamp_forms(), permitted),
            dialect: Dialect::new(permitted),
            client: client(&conduct)?,
            turn: tokio::sync::Mutex::default(),
            conduct,
            facts,
            shutdown,
            tasks: TaskTracker::new(),
        })
    }

    /// What is spoken on the wire.
    pub(super) fn contract(&self) -> &Contract {
        &self.conduct.contract
    }

    /// Whether a caller whose credential is not good is answered 200, as the contract has it.
    pub(super) fn says_200(&self, endpoint: Endpoint) -> bool {
        self.contract().unauthorized(endpoint) == 200
    }

    /// What is done wrong or otherwise.
    pub(super) fn policy(&self) -> &Policy {
        &self.conduct.policy
    }

    /// What is done otherwise, within the contract.
    pub(super) fn permitted(&self) -> &Permitted {
        &self.conduct.policy.permitted
    }

    /// Runs what is not bound to one connection, in the name of who asked for it, until it ends or the service does.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(notes::carried_on(async move {
            tokio::select! {
                () = task => {}
                () = shutdown.cancelled() => {}
            }
        }));
    }

    /// Waits, after the shutdown, until the last of these tasks is over.
    pub(super) async fn join(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Whether browsers may use this environment from `origin` (the allow-list holds the frontend's).
    pub(super) fn allows_origin(&self, origin: &str) -> bool {
        self.facts.urls.frontend.as_ref().is_some_and(|url| url.origin().ascii_serialization() == origin)
    }
}

/// A client for questions between the services: no redirects, no proxy, no retries.
fn client(conduct: &Conduct) -> Result<reqwest::Client, ServeError> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(identity) = &conduct.tls {
        roots.add(identity.authority.clone())?;
    }
    let builder = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let tls = match conduct.tls.as_ref().and_then(|identity| identity.client.as_ref()) {
        Some(client) => builder.with_client_auth_cert(client.chain.clone(), client.key.clone_key())?,
        None => builder.with_no_client_auth(),
    };
    let gateway = conduct.gateway.iter().map(|gateway| (gateway.name.clone(), gateway.value.clone())).collect();
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .default_headers(gateway)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .http1_only()
        .tcp_nodelay(true)
        .build()?)
}
