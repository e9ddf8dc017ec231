//! The way to a service: addresses, TLS, proxy.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

use super::fault::{FaultKind, NoAddress, kind_of, root_cause};
use crate::profile::{Profile, Proxy, Tls};

/// A target that cannot be set up from its profile.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A PEM file of `tls` is missing or holds no such thing.
    #[error("{path}: {what}")]
    Pem {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// The certificates do not make a configuration.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// `credentials.signing_key` cannot sign.
    #[error("credentials.signing_key: {0}")]
    SigningKey(String),
    /// The HTTP client refuses the configuration.
    #[error("HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}

/// The one TLS configuration of a run; HTTP and WebSocket differ in ALPN only.
///
/// # Errors
/// [`SetupError`] when a file of the profile is no PEM of its kind.
pub(super) fn tls_config(tls: &Tls) -> Result<ClientConfig, SetupError> {
    let pem = |path: &std::path::Path, what: String| SetupError::Pem { path: path.display().to_string(), what };
    let certificates = |path: &std::path::Path| {
        CertificateDer::pem_file_iter(path)
            .and_then(|found| found.collect::<Result<Vec<_>, _>>())
            .map_err(|error| pem(path, error.to_string()))
    };
    let mut roots = RootCertStore::empty();
    // A machine without certificates can still check plain HTTP and the profile's own authority.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = &tls.ca_file {
        for certificate in certificates(path)? {
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
            let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| pem(key, error.to_string()))?;
            builder.with_client_auth_cert(certificates(chain)?, key_der)?
        }
    })
}

/// Why there is no connection.
#[derive(Debug)]
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
    pub(super) async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, NoAddress> {
        let given = self.0.get(&format!("{host}:{port}")).or_else(|| self.0.get(host));
        if let Some(address) = given {
            return Ok(vec![SocketAddr::new(*address, port)]);
        }
        let no_address = |source| NoAddress { host: host.to_owned(), source };
        let found: Vec<_> = tokio::net::lookup_host((host, port)).await.map_err(no_address)?.collect();
        match found.is_empty() {
            true => Err(no_address(io::Error::from(io::ErrorKind::NotFound))),
            false => Ok(found),
        }
    }
}

/// Opens connections the way the profile says.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    pub(super) names: Names,
    pub(super) proxy: Option<Proxy>,
    tls: Arc<ClientConfig>,
    within: Duration,
}

impl Dialer {
    pub(super) fn new(profile: &Profile, tls: &ClientConfig) -> Self {
        let mut tls = tls.clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            names: Names(Arc::new(profile.resolve.clone())),
            proxy: profile.proxy.clone(),
            tls: Arc::new(tls),
            within: profile.limits.connect,
        }
    }

    /// The proxy for `host`, unless it is among the exceptions.
    pub(super) fn proxy_for(&self, host: &str) -> Option<&Proxy> {
        let excepted =
            |proxy: &&Proxy| {
                proxy.except.iter().map(|except| except.trim_start_matches(['*', '.'])).any(|except| {
                    host == except || host.strip_suffix(except).is_some_and(|before| before.ends_with('.'))
                })
            };
        self.proxy.as_ref().filter(|proxy| !excepted(proxy))
    }

    /// A new connection to the host and port of `url`, with TLS where its scheme asks for it; by the
    /// address of a relay where there is one on the way.
    pub(super) async fn dial(
        &self,
        url: &Url,
        receive_buffer: Option<u32>,
        relay: Option<SocketAddr>,
    ) -> Result<Stream, NoConnection> {
        self.bounded(async {
            let tcp = match relay {
                Some(relay) => connect(relay, receive_buffer).await?,
                None => self.reach_unbounded(url, receive_buffer).await?,
            };
            self.secured(url, tcp).await
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
        let Some(proxy) = self.proxy_for(&name) else { return self.tcp(&name, port, receive_buffer).await };
        let through = proxy.url.host_str().unwrap_or_default();
        let port_of_proxy = proxy.url.port().unwrap_or(80);
        let mut tcp = self.tcp(through, port_of_proxy, receive_buffer).await?;
        tunnel(&mut tcp, proxy, &format!("{host}:{port}")).await?;
        Ok(tcp)
    }

    async fn secured(&self, url: &Url, tcp: TcpStream) -> Result<Stream, NoConnection> {
        if !is_secure(url) {
            return Ok(Stream::Plain(tcp));
        }
        let server = ServerName::try_from(host_of(url)?.1)
            .map_err(|error| NoConnection { kind: FaultKind::Tls, what: error.to_string() })?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.tls));
        match connector.connect(server, tcp).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
            // Whatever ends a TLS handshake, a reset included, is a matter of TLS.
            Err(error) => Err(NoConnection { kind: FaultKind::Tls, what: root_cause(&error) }),
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

/// Asks an HTTP proxy for a tunnel to `authority`.
async fn tunnel(tcp: &mut TcpStream, proxy: &Proxy, authority: &str) -> Result<(), NoConnection> {
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    if !proxy.url.username().is_empty() {
        let decode = |text| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = format!("{}:{}", decode(proxy.url.username()), decode(proxy.url.password().unwrap_or_default()));
        let user = base64::engine::general_purpose::STANDARD.encode(user);
        request.push_str(&format!("Proxy-Authorization: Basic {user}\r\n"));
    }
    request.push_str("\r\n");
    tcp.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    // Octet by octet: what follows the head belongs to the tunnel.
    while !head.ends_with(b"\r\n\r\n") && head.len() < 8_192 {
        head.push(tcp.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let first = head.lines().next().unwrap_or_default();
    match first.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) {
        true => Ok(()),
        false => Err(NoConnection { kind: FaultKind::Refused, what: format!("the proxy answered `{first}`") }),
    }
}

/// A connection, with or without TLS.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The connection below TLS.
    pub(super) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, octets),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
