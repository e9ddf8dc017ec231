//! The reference environment inside this process, and what a profile must know about it.

mod identity;

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;

pub use identity::{Issued, TlsFiles};

use crate::profile::{Diagnostics, Environment, LoadRequest, Overrides, Profile, load};
use crate::reference::{
    Addresses, Conduct, Facts, Listeners, PROMPTS, Peers, ServeError, UserState, serve, write_source,
};

/// Where the source tree of the reference's auth service is written.
const SOURCE: &str = "source";
/// Where the authority of its certificates is written.
const AUTHORITY: &str = "authority.pem";

/// So little is on the way to a peer that one which does not read is felt after its first large message.
const SEND_BUFFER: u32 = 128 << 10;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Why the reference cannot be started here.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// Loopback ports, threads or temporary files are not to be had.
    #[error("the reference cannot be started: {0}")]
    Io(#[from] std::io::Error),
    /// The reference refuses its conduct.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// No certificate.
    #[error("no certificate for the reference: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// A running reference on free loopback ports, on a runtime of its own, so that it does not wait
/// for the checker and the checker's own delay does not look like its.
pub struct Local {
    facts: Facts,
    environment: Environment,
    switches: Vec<String>,
    files: TempDir,
    tls: Option<TlsFiles>,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Local {
    /// The same with every origin behind TLS, under a private authority of its own.
    ///
    /// # Errors
    /// As [`Self::start`], and when no certificate can be made.
    pub fn start_over_tls(mut conduct: Conduct, switches: &[String]) -> Result<Self, LocalError> {
        let issued = Issued::new(false)?;
        let files = TempDir::with_prefix("netra-check-")?;
        let tls = issued.write(&files.path().join(AUTHORITY))?;
        conduct.tls = Some(Arc::new(issued.identity));
        Self::start_in(files, conduct, switches, Some(tls))
    }

    /// Starts a reference of this conduct; `switches` are the arguments of `serve` that give a
    /// launched process the same conduct.
    ///
    /// # Errors
    /// [`LocalError`] when ports, threads or files are not to be had.
    pub fn start(conduct: Conduct, switches: &[String]) -> Result<Self, LocalError> {
        Self::start_in(TempDir::with_prefix("netra-check-")?, conduct, switches, None)
    }

    fn start_in(
        files: TempDir,
        conduct: Conduct,
        switches: &[String],
        tls: Option<TlsFiles>,
    ) -> Result<Self, LocalError> {
        std::fs::create_dir(files.path().join(SOURCE))?;
        write_source(&files.path().join(SOURCE), &conduct.policy)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("reference")
            .enable_all()
            .build()?;
        let listeners = runtime.block_on(bind())?;
        let addresses = Addresses::of(&listeners, &Peers::default(), &conduct)?;
        let facts = Facts::new(&conduct, addresses);
        let launch_arguments =
            ["--seed".to_owned(), conduct.seed.to_string()].into_iter().chain(switches.to_vec()).collect();
        let environment = if conduct.production { Environment::Production } else { Environment::Test };
        let shutdown = CancellationToken::new();
        let ends = shutdown.clone();
        let thread = std::thread::Builder::new().name("reference".into()).spawn(move || {
            if let Err(error) = runtime.block_on(serve(listeners, Peers::default(), conduct, ends)) {
                // The checks will say that nobody answers; this says why.
                eprintln!("error: {error}");
            }
        })?;
        Ok(Self { facts, environment, switches: launch_arguments, files, tls, shutdown, thread: Some(thread) })
    }

    /// What a profile must know about it, as a layer over `local`.
    pub fn overrides(&self) -> Overrides {
        let source = self.files.path().join(SOURCE).to_string_lossy().into_owned();
        let layer = overrides(&self.facts, self.environment, &self.switches).set("independence.source", source);
        match &self.tls {
            Some(files) => files.told(layer),
            None => layer,
        }
    }

    /// The profile `local` as it points at it; no variable of the process is read.
    ///
    /// # Errors
    /// [`Diagnostics`] when the profile refuses what the reference tells: a defect of ours.
    pub fn profile(&self) -> Result<Profile, Diagnostics> {
        let request = LoadRequest {
            name_or_path: "local",
            sets: &[],
            overrides: Some(&self.overrides()),
            env: &|_| None,
            directory: Path::new(""),
        };
        load(request).map(|loaded| loaded.profile)
    }

    /// Ends it, and waits until its last task is over.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already.
            let _ = thread.join();
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.end();
    }
}

/// Free loopback ports for every service.
async fn bind() -> std::io::Result<Listeners> {
    let listener = async || {
        let socket = TcpSocket::new_v4()?;
        // What is accepted inherits it.
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        socket.listen(BACKLOG)
    };
    Ok(Listeners {
        auth: Some(listener().await?),
        backend: Some(listener().await?),
        frontend: Some(listener().await?),
        provider: Some(listener().await?),
        control: Some(listener().await?),
    })
}

/// What a profile must know about a reference with these facts.
pub fn overrides(facts: &Facts, environment: Environment, switches: &[String]) -> Overrides {
    let url =
        |url: &Option<url::Url>| url.as_ref().map_or(Value::Null, |url| json!(url.as_str().trim_end_matches('/')));
    let control = |act: &str| {
        facts.urls.control.as_ref().and_then(|base| base.join(act).ok()).map_or(Value::Null, |url| json!(url.as_str()))
    };
    let states: serde_json::Map<String, Value> = facts
        .users
        .iter()
        .take(UserState::ALL.len())
        .map(|user| (user.state.slug().to_owned(), json!({"email": user.email, "password": user.password})))
        .collect();
    let active = facts.users.iter().filter(|user| matches!(user.state.slug(), "active" | "second-active"));
    let subjects: Vec<_> = active.clone().map(|user| json!({"sub": user.id, "email": user.email})).collect();
    let users: Vec<_> = active.map(|user| json!({"email": user.email, "password": user.password})).collect();
    let wrong_password_user = facts.users.iter().find(|user| user.state.slug() == "read-only");
    let launch = |command: &[&str]| -> Vec<String> {
        let command = ["{self}", "serve", "--only"].into_iter().chain(command.iter().copied());
        command.map(str::to_owned).chain(switches.iter().cloned()).collect()
    };
    let mut layer = Overrides::new("the reference")
        .set("environment", if environment == Environment::Production { "production" } else { "test" })
        .set("urls.auth", url(&facts.urls.auth))
        .set("urls.backend", url(&facts.urls.backend))
        .set("urls.websocket", url(&facts.urls.websocket()))
        .set("urls.frontend", url(&facts.urls.frontend))
        .set("credentials.bypass_key", facts.bypass_key.clone())
        .set("credentials.users", users)
        .set("credentials.signing_key.algorithm", facts.signing_key.algorithm.name())
        .set("credentials.signing_key.key", facts.signing_key.key.clone())
        .set("credentials.signing_key.kid", facts.signing_key.kid.clone())
        .set("credentials.signing_key.subjects", subjects)
        .set("service.id", facts.service_id.clone())
        .set("service.secret", facts.service_secret.clone())
        .set("users.domain", facts.user_domain.clone())
        .set("users.count", 50)
        .set("users.states", states)
        .set("users.oauth_providers", facts.providers.clone())
        .set("prompts", PROMPTS.to_vec())
        .set("independence.launch.auth", launch(&["auth", "--auth-port", "{auth_port}"]))
        .set(
            "independence.launch.backend",
            launch(&["backend", "--backend-port", "{backend_port}", "--auth-url", "{auth_url}"]),
        );
    if facts.passwords_only {
        layer = layer.set("credentials.method", "password");
    }
    if environment == Environment::Production {
        // Logins for tests are closed there. It is our own all the same: what `local` allows is not taken back.
        let allowed = ["read", "create", "revoke", "quota", "disrupt"];
        layer = layer.set("credentials.method", "password").set("allow", allowed.to_vec());
    }
    if let Some(user) = wrong_password_user {
        layer = layer.set("credentials.wrong_password_user", user.email.clone());
    }
    if facts.urls.control.is_some() {
        layer = layer
            .set("triggers.auth_outage.down", control("auth/down"))
            .set("triggers.auth_outage.up", control("auth/up"))
            .set("triggers.backend_outage.down", control("backend/down"))
            .set("triggers.backend_outage.up", control("backend/up"));
    }
    layer
}
