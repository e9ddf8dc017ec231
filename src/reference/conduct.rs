//! How one reference behaves: everything about it that is decided before it starts.

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{Gateway, Notes, Permitted, Policy};
use crate::wire::Contract;

/// How one reference behaves. Two references of equal conduct give the same ids, texts and order.
#[derive(Clone)]
pub struct Conduct {
    /// All ids and secrets are functions of it.
    pub seed: u64,
    /// What is spoken on the wire.
    pub contract: Arc<Contract>,
    /// What is done wrong, and what is done otherwise.
    pub policy: Policy,
    /// Limits and intervals.
    pub settings: Settings,
    /// Test logins are closed, as in production.
    pub production: bool,
    /// All origins are served over TLS with it.
    pub tls: Option<Arc<TlsIdentity>>,
    /// Stands before the services; what they ask each other passes it.
    pub gateway: Option<Gateway>,
    /// How tokens are signed.
    pub algorithm: Algorithm,
    /// Where it is noted what is done on behalf of which check.
    pub notes: Option<Notes>,
}

impl Conduct {
    /// The conduct of the seeded data, with the algorithm that the policy's variations name.
    pub fn new(seed: u64, contract: Arc<Contract>, mut policy: Policy) -> Self {
        for switch in contract.gaps().map(|(defect, _)| defect).chain(contract.variations()) {
            policy.switch_on(switch);
        }
        let algorithm = Algorithm::permitted(&policy.permitted);
        let mut settings = Settings::default();
        if let Some(messages) = contract.untold("rate_limit.messages") {
            settings.rate_messages = messages as usize;
        }
        if let Some(window) = contract.untold("rate_limit.window_s") {
            settings.rate_window = Duration::from_secs_f64(window);
        }
        if let Some(octets) = contract.untold("max_message_bytes") {
            settings.max_message_bytes = octets as usize;
        }
        if let Some(sockets) = contract.untold("max_sockets_per_user") {
            settings.max_sockets_per_user = sockets as usize;
        }
        Self { seed, contract, policy, settings, production: false, tls: None, gateway: None, algorithm, notes: None }
    }

    /// A token is expired past `exp` plus this.
    pub fn clock_leeway(&self) -> Duration {
        if self.policy.permitted.leeway_two.on() { Duration::from_secs(2) } else { self.settings.clock_leeway }
    }

    /// Whether ids use all that "opaque string" permits.
    pub(super) fn odd_ids(&self) -> bool {
        self.policy.permitted.odd_ids.on()
    }

    /// Whether header names and the word `websocket` are in another case than usual.
    pub(super) fn lower_case_headers(&self) -> bool {
        self.policy.permitted.lower_case_headers.on()
    }
}

/// Limits and intervals; most are told by `/ws/config`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The revision that health tells.
    pub version: String,
    /// Idle connections are pinged this often.
    pub heartbeat: Duration,
    /// Largest message in octets.
    pub max_message_bytes: usize,
    /// Most open sockets of one user.
    pub max_sockets_per_user: usize,
    /// Messages that pass in one [`Self::rate_window`].
    pub rate_messages: usize,
    /// Window of the rate limit.
    pub rate_window: Duration,
    /// Credentials of open sockets are asked about this often.
    pub auth_recheck: Duration,
    /// A token is expired past `exp` plus this; see [`Conduct::clock_leeway`].
    pub clock_leeway: Duration,
    /// Events kept for each lost session.
    pub replay_events: usize,
    /// How long lost sessions are kept.
    pub replay_time: Duration,
    /// Consecutive failures that open a breaker.
    pub breaker_threshold: usize,
    /// Time until an open breaker admits a trial run.
    pub breaker_retry_after: Duration,
    /// Life of access and service tokens.
    pub access_lifetime: Duration,
    /// Life of refresh tokens.
    pub refresh_lifetime: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            heartbeat: Duration::from_secs(1),
            max_message_bytes: 65_536,
            max_sockets_per_user: 16,
            rate_messages: 40,
            rate_window: Duration::from_millis(1500),
            auth_recheck: Duration::from_millis(300),
            clock_leeway: Duration::ZERO,
            replay_events: 200,
            replay_time: Duration::from_secs(60),
            breaker_threshold: 5,
            breaker_retry_after: Duration::from_secs(1),
            access_lifetime: Duration::from_secs(15 * 60),
            refresh_lifetime: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// Certificate and key of all origins.
#[derive(Debug)]
pub struct TlsIdentity {
    /// The certificate and its intermediates.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// The authority that issued it; the services trust it when they ask each other.
    pub authority: CertificateDer<'static>,
    /// With it, only clients with a certificate of [`Self::authority`] are let in.
    pub client: Option<ClientIdentity>,
}

/// The certificate that the services show when they ask each other.
#[derive(Debug)]
pub struct ClientIdentity {
    /// The certificate and its intermediates.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

/// How tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each name is RFC 7518's word")]
pub enum Algorithm {
    Hs256,
    Rs256,
    Es256,
}

impl Algorithm {
    /// As a token's header writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    fn permitted(permitted: &Permitted) -> Self {
        if permitted.es256.on() {
            Self::Es256
        } else if permitted.rs256.on() {
            Self::Rs256
        } else {
            Self::Hs256
        }
    }
}
