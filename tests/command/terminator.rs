//! TLS as something else than the reference terminates it: any certificate, any version.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// What is special about a terminator.
pub(crate) struct Manner {
    /// Names of its certificate.
    pub(crate) names: &'static [&'static str],
    /// The certificate's last year.
    pub(crate) until: i32,
    /// Nothing above TLS 1.2 is spoken.
    pub(crate) only_tls12: bool,
    /// Clients must show a certificate of the authority.
    pub(crate) demands_client: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self { names: &["127.0.0.1"], until: 2999, only_tls12: false, demands_client: false }
    }
}

/// Terminates TLS and passes the octets on, each listener to one service.
pub(crate) struct Terminator {
    /// The authority's certificate as PEM.
    pub(crate) authority: String,
    ports: Vec<u16>,
    _runtime: Runtime,
}

impl Terminator {
    /// Before the services at these ports of loopback.
    pub(crate) fn before(services: &[u16], manner: &Manner) -> Self {
        let (authority, config) = certified(manner);
        let runtime = Runtime::new().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listen = |service: &u16| {
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            let port = listener.local_addr().unwrap().port();
            runtime.spawn(serve(listener, acceptor.clone(), *service));
            port
        };
        let ports = services.iter().map(listen).collect();
        Self { authority, ports, _runtime: runtime }
    }

    /// Where the service of this place in the list is served.
    pub(crate) fn port(&self, place: usize) -> u16 {
        self.ports[place]
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, service: u16) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(mut client) = acceptor.accept(stream).await else { return };
            let Ok(mut service) = TcpStream::connect(("127.0.0.1", service)).await else { return };
            // Either side may end first.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut service).await;
        });
    }
}

/// A new authority as PEM, and a server with a certificate of it.
fn certified(manner: &Manner) -> (String, ServerConfig) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = manner.names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_after = rcgen::date_time_ymd(manner.until, 1, 1);
    let certificate = params.signed_by(&key, &issuer).unwrap();

    let versions: &[&rustls::SupportedProtocolVersion] =
        if manner.only_tls12 { &[&rustls::version::TLS12] } else { rustls::ALL_VERSIONS };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions).unwrap();
    let builder = if manner.demands_client {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority_certificate.der().clone()).unwrap();
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    (authority_certificate.pem(), builder.with_single_cert(vec![certificate.der().clone()], key).unwrap())
}
