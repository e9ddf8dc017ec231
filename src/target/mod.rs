//! The environment under test as the checker sees it: calls over HTTP, sockets, tokens, and the
//! transcript of it all. Nothing here judges; what did not come about is a [`Fault`].

mod assemble;
mod browser;
mod canary;
mod client;
mod connect;
#[cfg(feature = "database")]
mod database;
mod fault;
pub mod frame;
mod fuse;
mod guard;
mod head;
mod http;
mod intermediary;
mod jwt;
mod lag;
mod launch;
mod learn;
mod ledger;
mod link;
mod logins;
mod manners;
mod pace;
mod places;
mod probe;
mod proxy;
mod public_key;
mod received;
mod redact;
mod response;
mod session;
mod socket;
mod stream;
mod tag;
mod task;
#[cfg(test)]
mod tests;
mod tls_fault;
mod token;
mod transcript;
mod upgrade;
mod workshop;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use ring::digest::{SHA256, digest};
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;
use url::Url;

pub use browser::{Browser, Seen};
pub use canary::{Canaries, Canary};
pub use connect::SetupError;
#[cfg(feature = "database")]
pub use database::{Database, DatabaseFault, Meeting, Table};
pub use fault::{Fault, FaultKind, split};
pub use http::{Call, Http};
pub use jwt::use_ring;
pub use lag::Lag;
pub use launch::{LaunchFault, Launched, free_port};
pub use ledger::{Ledger, Left};
pub use link::{Link, LinkBuilder};
pub use manners::Manners;
pub use pace::Pace;
pub use probe::{Certificate, NoWay, TlsFacts, Way, authority, health_of};
pub use received::{End, Missing, Next, Received, Transport};
pub use redact::{Redactor, SecretKind, placeholders};
pub use response::Response;
pub use session::Login;
pub use socket::Socket;
pub use tag::Tag;
pub use token::Token;
pub use transcript::{Line, Observer, Recorder, Transcript};
pub use upgrade::{Upgrade, Upgraded, accept_key};
pub use workshop::{Forged, Workshop};

use self::client::Clients;
use self::connect::Dialer;
use self::fuse::Fuses;
use self::logins::Logins;
use self::token::Signer;
use crate::model::{Blame, CheckId, Entry, Inconclusive, Origin, Stop};
use crate::profile::{self, Profile, Urls};
use crate::wire::{Contract, Endpoint, WsConfig};

/// The environment under test, and everything a run shares about it.
pub struct Target {
    profile: Arc<Profile>,
    contract: Arc<Contract>,
    redactor: Arc<Redactor>,
    transcript: Arc<Transcript>,
    lag: Arc<Lag>,
    ledger: Arc<Ledger>,
    mends: TaskTracker,
    /// The profile's own addresses, also where this target is at others.
    guarded: Arc<Urls>,
    clients: Clients,
    dialer: Dialer,
    pace: Arc<Pace>,
    signer: Option<Signer>,
    own_secret: [u8; 32],
    seed: u64,
    uniques: Arc<AtomicU64>,
    fuses: Fuses,
    logins: Logins,
    clock_offset: OnceCell<f64>,
    jwks: OnceCell<Option<Value>>,
}

/// What targets of one run share.
struct OfRun {
    redactor: Arc<Redactor>,
    transcript: Arc<Transcript>,
    lag: Arc<Lag>,
    ledger: Arc<Ledger>,
    mends: TaskTracker,
    guarded: Arc<Urls>,
    uniques: Arc<AtomicU64>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target {}", self.profile.name)
    }
}

impl Target {
    /// The environment of `profile`, spoken to by `contract`, for the run of this id; nothing is asked yet.
    ///
    /// # Errors
    /// [`SetupError`] when certificates or keys of the profile cannot be used.
    pub fn new(
        profile: Arc<Profile>,
        contract: Arc<Contract>,
        run: impl Into<String>,
        seed: u64,
    ) -> Result<Arc<Self>, SetupError> {
        let redactor = Arc::new(Redactor::new());
        learn_profile(&redactor, &profile);
        let transcript = Transcript::new(run, Arc::clone(&redactor));
        let of_run = OfRun {
            ledger: Arc::new(Ledger::new(Arc::clone(transcript.canaries()))),
            transcript,
            redactor,
            lag: Arc::default(),
            mends: TaskTracker::new(),
            guarded: Arc::new(profile.urls.clone()),
            uniques: Arc::default(),
        };
        Self::of(profile, contract, of_run, seed)
    }

    /// The same environment at other addresses, for services that a check has launched on loopback: it shares
    /// transcript and secrets, and needs no proxy, pace or header of the profile.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn at(&self, urls: Urls) -> Result<Arc<Self>, SetupError> {
        let pace = profile::Pace { jobs: 0, connections: 0, requests_per_s: 0, sockets_per_user: 0 };
        let profile = Profile { urls, pace, proxy: None, headers: BTreeMap::new(), ..Profile::clone(&self.profile) };
        let of_run = OfRun {
            redactor: Arc::clone(&self.redactor),
            transcript: Arc::clone(&self.transcript),
            lag: Arc::clone(&self.lag),
            ledger: Arc::clone(&self.ledger),
            mends: self.mends.clone(),
            guarded: Arc::clone(&self.guarded),
            uniques: Arc::clone(&self.uniques),
        };
        Self::of(Arc::new(profile), Arc::clone(&self.contract), of_run, self.seed)
    }

    fn of(profile: Arc<Profile>, contract: Arc<Contract>, of_run: OfRun, seed: u64) -> Result<Arc<Self>, SetupError> {
        let dialer = Dialer::new(&profile)?;
        let signer = profile.credentials.signing_key.as_ref().map(Signer::new).transpose();
        let mut own_secret = [0; 32];
        own_secret.copy_from_slice(digest(&SHA256, format!("netra-check own key {seed}").as_bytes()).as_ref());
        Ok(Arc::new(Self {
            clients: Clients::new(dialer.clone()),
            pace: Arc::new(Pace::new(&profile.pace)),
            signer: signer.map_err(SetupError::SigningKey)?,
            profile,
            contract,
            redactor: of_run.redactor,
            transcript: of_run.transcript,
            lag: of_run.lag,
            ledger: of_run.ledger,
            mends: of_run.mends,
            guarded: of_run.guarded,
            dialer,
            own_secret,
            seed,
            uniques: of_run.uniques,
            fuses: Fuses::default(),
            logins: Logins::default(),
            clock_offset: OnceCell::new(),
            jwks: OnceCell::new(),
        }))
    }

    /// What is known about it.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The same environment, asked in the words of another contract.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn speaking(&self, contract: Arc<Contract>) -> Result<Arc<Self>, SetupError> {
        Self::new(Arc::clone(&self.profile), contract, self.transcript.run(), self.seed)
    }

    /// What it promises.
    pub const fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    /// The secrets of the run.
    pub const fn redactor(&self) -> &Arc<Redactor> {
        &self.redactor
    }

    /// What was said to it.
    pub const fn transcript(&self) -> &Arc<Transcript> {
        &self.transcript
    }

    /// How late the checker itself is.
    pub const fn lag(&self) -> &Arc<Lag> {
        &self.lag
    }

    /// What the run has created.
    pub const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Where what a cancelled check has left broken is mended.
    pub const fn mends(&self) -> &TaskTracker {
        &self.mends
    }

    /// Seed of everything random.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The names that occur once in the run, and whose they are.
    pub fn canaries(&self) -> &Arc<Canaries> {
        self.transcript.canaries()
    }

    /// HTTP on behalf of the recorder's check.
    pub const fn http<'t>(&'t self, recorder: &'t Recorder) -> Http<'t> {
        Http { target: self, recorder }
    }

    /// A new connection that is to become a WebSocket, on behalf of the recorder's check.
    pub fn upgrade(&self, recorder: &Recorder) -> Upgrade<'_> {
        Upgrade::new(self, recorder)
    }

    /// The token workshop.
    pub const fn workshop(&self) -> Workshop<'_> {
        Workshop { target: self }
    }

    /// Records on behalf of `check`.
    pub fn recorder(&self, check: CheckId) -> Recorder {
        self.transcript.recorder(check)
    }

    /// Tells `observer` every entry from now on, on the task that records it.
    pub fn observe(&self, observer: impl Fn(&Entry) + Send + Sync + 'static) {
        self.transcript.observe(Arc::new(observer));
    }

    /// Whether an origin could not be reached, and is asked no more.
    pub fn unreachable(&self) -> bool {
        self.fuses.any_blown()
    }

    /// What `/ws/config` tells, each value within its bounds: what is missing, beyond them or not
    /// answered at all stands at the contract's default (`format/config-sane` judges it). From then on
    /// users keep to half of its limits.
    pub async fn config(&self, recorder: &Recorder) -> WsConfig {
        let call = self.http(recorder).call(Endpoint::WsConfig).deadline(self.profile.limits.connect);
        let body = call.send().await.ok().and_then(|answer| answer.json).unwrap_or_default();
        let (config, _) = self.contract.ws_config(&body);
        self.pace.keep_to(&config);
        config
    }

    /// Seconds by which the auth service's clock is ahead of ours, asked once a run.
    ///
    /// # Errors
    /// Inconclusive when its health tells no time.
    pub async fn clock_offset(&self, recorder: &Recorder) -> Result<f64, Stop> {
        let ask = || async {
            let answer = self.http(recorder).call(Endpoint::AuthHealth).send().await?;
            self.skew(&answer, Endpoint::AuthHealth)
                .ok_or_else(|| self.unusable(&answer, "auth's health tells no time"))
        };
        self.clock_offset.get_or_try_init(ask).await.copied()
    }

    /// The auth service's clock: seconds since 1970.
    ///
    /// # Errors
    /// As [`Self::clock_offset`].
    pub async fn clock(&self, recorder: &Recorder) -> Result<f64, Stop> {
        Ok(self.clock_offset(recorder).await? + now())
    }

    /// The auth service's public keys, asked once a run; `None` where it has none to show (HS256).
    ///
    /// # Errors
    /// Inconclusive when the question is not answered.
    pub async fn jwks(&self, recorder: &Recorder) -> Result<Option<&Value>, Stop> {
        let ask = || async {
            let call = self.http(recorder).call(Endpoint::Jwks).deadline(self.profile.limits.connect);
            let answer = call.send().await?;
            let shows = answer.succeeded(&self.contract, Endpoint::Jwks);
            let has_keys =
                |jwks: &Value| jwks.get("keys").and_then(Value::as_array).is_some_and(|keys| !keys.is_empty());
            Ok::<_, Stop>(answer.json.filter(|jwks| shows && has_keys(jwks)))
        };
        self.jwks.get_or_try_init(ask).await.map(Option::as_ref)
    }

    /// What marks everything this run creates.
    pub fn tag(&self) -> Tag {
        Tag::new(self.transcript.run())
    }

    /// A title that occurs once in the run and bears its mark: every thread is given one, so that it is found again.
    pub fn title(&self, what: &str) -> String {
        format!("{} {what} {}", self.tag(), self.number())
    }

    /// A name that occurs once in the run.
    pub fn unique(&self, what: &str) -> String {
        format!("netra-check-{}-{what}-{}", self.transcript.run(), self.number())
    }

    /// A number that occurs once in the run, always as long: one that was cut is seen to be.
    fn number(&self) -> String {
        format!("{:0width$}", self.uniques.fetch_add(1, Ordering::Relaxed), width = canary::DIGITS)
    }

    fn unusable(&self, answer: &Response, what: &str) -> Stop {
        Inconclusive::new(Blame::Target, self.redactor.redact(what)).with(answer.evidence()).into()
    }

    const fn logins(&self) -> &Logins {
        &self.logins
    }

    const fn clients(&self) -> &Clients {
        &self.clients
    }

    const fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    const fn signer(&self) -> Option<&Signer> {
        self.signer.as_ref()
    }

    const fn own_secret(&self) -> &[u8] {
        &self.own_secret
    }

    /// Whether `url` is at a host and port of the profile: only there its headers go, only there failures count.
    fn is_known(&self, url: &Url) -> bool {
        let place = |url: &Url| (url.host_str().map(str::to_owned), url.port_or_known_default());
        let urls = &self.profile.urls;
        let services = Origin::ALL.into_iter().filter_map(|origin| urls.of(origin));
        services.chain([&urls.websocket]).any(|known| place(known) == place(url))
    }

    fn count(&self, line: &Line, origin: Origin, url: &Url, failed: Option<FaultKind>) {
        // What a check took down itself is no reason to give an origin up.
        let own_doing = failed.is_some() && line.recorder().manners().expects_outages();
        if self.is_known(url) && !own_doing {
            self.fuses.count(origin, failed);
        }
    }

    /// Whether `origin` answers its health at all.
    async fn probe(&self, origin: Origin) -> Result<(), String> {
        let path = self.contract.endpoint(health_of(origin)).map_or("/", |(_, path)| path);
        let base = self.profile.urls.of(origin).map_or("", |url| url.as_str().trim_end_matches('/'));
        self.clients.probe(&format!("{base}{path}"), self.profile.limits.connect).await
    }

    /// Headers by which operators find our requests, and the profile's own.
    fn identity(&self, line: &Line, url: &Url) -> Vec<(String, String)> {
        let check = line.recorder().check();
        let trace = digest(&SHA256, format!("{}/{check}", self.transcript.run()).as_bytes());
        let trace = assemble::hex(&trace.as_ref()[..16]);
        let mut headers = Vec::new();
        if self.profile.correlation {
            headers.extend([
                ("User-Agent".to_owned(), concat!("netra-check/", env!("CARGO_PKG_VERSION")).to_owned()),
                ("X-Netra-Check".to_owned(), format!("{}/{check}", self.transcript.run())),
                ("traceparent".to_owned(), format!("00-{trace}-{:016x}-01", line.connection().0)),
            ]);
        }
        if self.is_known(url) {
            headers.extend(self.profile.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())));
        }
        headers
    }

    /// A seed for one connection of one check, the same in every run of one seed.
    fn seed_for(&self, line: &Line) -> u64 {
        let text = format!("{} {} {}", self.seed, line.recorder().check(), line.connection());
        let digest = digest(&SHA256, text.as_bytes());
        digest.as_ref().first_chunk::<8>().map_or(self.seed, |octets| u64::from_be_bytes(*octets))
    }
}

/// Our clock: seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Learns every secret of the profile before anything is recorded.
fn learn_profile(redactor: &Redactor, profile: &Profile) {
    let credentials = &profile.credentials;
    let users = credentials.users.iter().chain(&credentials.short_login).chain(profile.users.states.values());
    let passwords = users.map(|user| (SecretKind::Password, user.password.expose()));
    let keys = credentials.bypass_key.iter().chain(credentials.signing_key.as_ref().map(|signing| &signing.key));
    let databases = [&profile.independence.auth_database, &profile.independence.backend_database];
    let secrets = passwords
        .chain(keys.map(|key| (SecretKind::Key, key.expose())))
        .chain(profile.headers.values().map(|value| (SecretKind::Header, value.expose())))
        .chain(profile.service.iter().map(|service| (SecretKind::ServiceSecret, service.secret.expose())))
        .chain(databases.into_iter().flatten().map(|dsn| (SecretKind::Dsn, dsn.expose())))
        .chain(profile.proxy.iter().filter_map(|proxy| Some((SecretKind::Password, proxy.url.password()?))))
        .chain(credentials.tokens.iter().map(|pair| (SecretKind::AccessToken, pair.access.expose())))
        .chain(
            credentials
                .tokens
                .iter()
                .filter_map(|pair| Some((SecretKind::RefreshToken, pair.refresh.as_ref()?.expose()))),
        );
    for (kind, secret) in secrets {
        redactor.learn(kind, secret);
    }
}
