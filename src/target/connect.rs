//! The way to a service: addresses, TLS, proxy.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::{TcpSocket, TcpStream};
use url::{Host, Url};

use super::fault::{FaultKind, NoAddress, cause_of, kind_of, root_cause};
use super::proxy;
use super::stream::{Stream, TlsEnd};
use super::tls_fault::Given;
use crate::profile::{Profile, Proxy, Tls};

/// A target that cannot be set up from its profile.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A PEM file of `tls` is missing or holds no such thing.
    #[error("`{key}` ({path}): {what}")]
    Pem {
        /// The key of the profile that names the file.
        key: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// The certificates do not make a configuration.
    #[error("`tls`: {0}")]
    Tls(#[from] rustls::Error),
    /// `credentials.signing_key` cannot sign.
    #[error("`credentials.signing_key`: {0}")]
    SigningKey(String),
}

/// The authorities that this machine trusts; without any it can still check plain HTTP and the profile's own.
static MACHINE: LazyLock<RootCertStore> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
});

/// The one TLS configuration of a run; HTTP and WebSocket differ in ALPN only.
///
/// # Errors
/// [`SetupError`] when a file of the profile is no PEM of its kind.
fn tls_config(tls: &Tls) -> Result<ClientConfig, SetupError> {
    let mut roots = MACHINE.clone();
    if let Some(path) = &tls.ca_file {
        for certificate in certificates("tls.ca_file", path)? {
            roots.add(certificate)?;
        }
    }
    let versions: &[&rustls::SupportedProtocolVersion] =
        if tls.require_tls13 { &[&rustls::version::TLS13] } else { rustls::ALL_VERSIONS };
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)?
        .with_root_certificates(roots);
    Ok(match &tls.client {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let unusable = |error| no_pem("tls.client_key_file", key, format!("no private key as PEM ({error})"));
            let key_der = PrivateKeyDer::from_pem_file(key).map_err(unusable)?;
            let chain = certificates("tls.client_cert_file", chain)?;
            builder
                .with_client_auth_cert(chain, key_der)
                .map_err(|error| no_pem("tls.client_key_file", key, format!("does not fit its certificate: {error}")))?
        }
    })
}

/// The certificates of a PEM file, at least one.
fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(found) if found.is_empty() => Err(no_pem(key, path, "no certificate as PEM in it".into())),
        Ok(found) => Ok(found),
        Err(error) => Err(no_pem(key, path, format!("no certificates as PEM ({error})"))),
    }
}

fn no_pem(key: &'static str, path: &Path, what: String) -> SetupError {
    SetupError::Pem { key, path: path.display().to_string(), what }
}

/// Why there is no connection: cause and next step.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct NoConnection {
    pub(super) kind: FaultKind,
    pub(super) what: String,
}

impl From<io::Error> for NoConnection {
    fn from(error: io::Error) -> Self {
        Self { kind: kind_of(&error).unwrap_or(FaultKind::Refused), what: root_cause(&error) }
    }
}

/// Addresses of names, the profile's `resolve` first.
#[derive(Clone, Debug)]
pub(super) struct Names(Arc<BTreeMap<String, IpAddr>>);

impl Names {
    fn given(&self, host: &str, port: u16) -> Option<IpAddr> {
        self.0.get(&format!("{host}:{port}")).or_else(|| self.0.get(host)).copied()
    }

    pub(super) async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, NoAddress> {
        if let Some(address) = self.given(host, port) {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let no_address = |source| NoAddress { host: host.to_owned(), source };
        let found: Vec<_> = tokio::net::lookup_host((host, port)).await.map_err(no_address)?.collect();
        match found.is_empty() {
            true => Err(no_address(io::Error::from(io::ErrorKind::NotFound))),
            false => Ok(found),
        }
    }
}

/// What may be agreed on by ALPN.
#[derive(Clone, Copy, Debug)]
pub(super) enum Speaks {
    /// HTTP/1.1 alone: upgrades.
    Http1,
    /// HTTP/2 or HTTP/1.1.
    Http2Or1,
}

/// Opens connections the way the profile says, for calls and upgrades alike.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    pub(super) names: Names,
    proxy: Option<Arc<Proxy>>,
    http1: Arc<ClientConfig>,
    http2_or_1: Arc<ClientConfig>,
    given: Given,
    within: Duration,
}

impl Dialer {
    /// # Errors
    /// As [`tls_config`].
    pub(super) fn new(profile: &Profile) -> Result<Self, SetupError> {
        let tls = tls_config(&profile.tls)?;
        let speaking = |protocols: &[&[u8]]| {
            let mut tls = tls.clone();
            tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Arc::new(tls)
        };
        Ok(Self {
            names: Names(Arc::new(profile.resolve.clone())),
            proxy: profile.proxy.clone().map(Arc::new),
            http1: speaking(&[b"http/1.1"]),
            http2_or_1: speaking(&[b"h2", b"http/1.1"]),
            given: Given::from(&profile.tls),
            within: profile.limits.connect,
        })
    }

    /// The proxy before a host, written without brackets, and port; `None` where they are asked directly.
    pub(super) fn proxy_for(&self, host: &str, port: u16) -> Option<&Proxy> {
        self.proxy.as_deref().filter(|proxy| !proxy::is_excepted(proxy, host, port))
    }

    /// What TLS says of an exchange that ended; `None` where it was not TLS.
    pub(super) fn tls_fault(&self, error: &(dyn Error + 'static)) -> Option<String> {
        cause_of::<rustls::Error>(error).map(|error| self.given.told(error))
    }

    /// A new connection to the host and port of `url`, with TLS where its scheme asks for it; by the
    /// address of a relay where there is one on the way.
    pub(super) async fn dial(
        &self,
        url: &Url,
        speaks: Speaks,
        receive_buffer: Option<u32>,
        relay: Option<SocketAddr>,
    ) -> Result<Stream, NoConnection> {
        self.bounded(async {
            let tcp = match relay {
                Some(relay) => connect(relay, receive_buffer).await?,
                None => self.reach_unbounded(url, receive_buffer).await?,
            };
            self.secured(url, speaks, tcp).await
        })
        .await
    }

    /// The same below TLS, whatever the scheme: for a relay.
    pub(super) async fn reach(&self, url: &Url) -> Result<TcpStream, NoConnection> {
        self.bounded(self.reach_unbounded(url, None)).await
    }

    async fn bounded<T>(&self, dialled: impl Future<Output = Result<T, NoConnection>>) -> Result<T, NoConnection> {
        match tokio::time::timeout(self.within, dialled).await {
            Ok(dialled) => dialled,
            Err(_) => Err(NoConnection {
                kind: FaultKind::ConnectTimeout,
                what: format!("no connection within {:.1} s", self.within.as_secs_f64()),
            }),
        }
    }

    async fn reach_unbounded(&self, url: &Url, receive_buffer: Option<u32>) -> Result<TcpStream, NoConnection> {
        let (host, name) = host_of(url)?;
        let port = url.port().unwrap_or(if is_secure(url) { 443 } else { 80 });
        let Some(proxy) = self.proxy_for(&name, port) else { return self.tcp(&name, port, receive_buffer).await };
        let (through, its_port) = proxy::place(&proxy.url);
        let unreachable = |no: NoConnection| {
            let what = format!("cannot be reached: {} → correct `proxy.url`", no.what);
            NoConnection { kind: no.kind, ..proxy::told(proxy, &what) }
        };
        let mut tcp = self.tcp(&through, its_port, receive_buffer).await.map_err(unreachable)?;
        // Who says an address wants that one, whoever connects.
        let authority = match self.names.given(&name, port) {
            Some(address) => SocketAddr::new(address, port).to_string(),
            None => format!("{host}:{port}"),
        };
        proxy::tunnel(&mut tcp, proxy, &authority).await?;
        Ok(tcp)
    }

    async fn secured(&self, url: &Url, speaks: Speaks, tcp: TcpStream) -> Result<Stream, NoConnection> {
        if !is_secure(url) {
            return Ok(Stream::Plain(tcp));
        }
        let server = ServerName::try_from(host_of(url)?.1)
            .map_err(|error| NoConnection { kind: FaultKind::Tls, what: error.to_string() })?;
        let config = match speaks {
            Speaks::Http1 => &self.http1,
            Speaks::Http2Or1 => &self.http2_or_1,
        };
        match tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(server, tcp).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream), TlsEnd::default())),
            // Whatever ends a TLS handshake, a reset included, is a matter of TLS.
            Err(error) => {
                let what = self.tls_fault(&error).unwrap_or_else(|| root_cause(&error));
                Err(NoConnection { kind: FaultKind::Tls, what: format!("TLS: {what}") })
            }
        }
    }

    async fn tcp(&self, host: &str, port: u16, receive_buffer: Option<u32>) -> Result<TcpStream, NoConnection> {
        let addresses = self
            .names
            .addresses(host, port)
            .await
            .map_err(|error| NoConnection { kind: FaultKind::Dns, what: error.to_string() })?;
        let mut last = None;
        for address in addresses {
            match connect(address, receive_buffer).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(NoConnection::from(error)),
            }
        }
        Err(last.unwrap_or(NoConnection { kind: FaultKind::Dns, what: format!("no address for {host}") }))
    }
}

async fn connect(address: SocketAddr, receive_buffer: Option<u32>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(octets) = receive_buffer {
        // Before connecting: the window is agreed on then.
        socket.set_recv_buffer_size(octets)?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn is_secure(url: &Url) -> bool {
    matches!(url.scheme(), "wss" | "https")
}

/// The host of `url` as it stands there, and as a name to be resolved.
fn host_of(url: &Url) -> Result<(Host<&str>, String), NoConnection> {
    let no_host = || NoConnection { kind: FaultKind::Dns, what: format!("no host in {url}") };
    let host = url.host().ok_or_else(no_host)?;
    let name = match host {
        Host::Domain(domain) => domain.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    Ok((host, name))
}
