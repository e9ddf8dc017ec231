//! What a service shows before any check: its addresses, its connection, its certificate, its
//! health, its revision, its clock. Nothing is judged here.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::{Host, Url};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::connect::Speaks;
use super::fault::{Fault, FaultKind};
use super::proxy::place;
use super::response::Response;
use super::stream::Stream;
use super::transcript::Recorder;
use super::{Target, now};
use crate::model::Origin;
use crate::profile::RevisionPlace;
use crate::wire::{Endpoint, read_timestamp};

/// A connection that was opened and let go again.
#[derive(Clone, Debug)]
pub struct Way {
    /// Who took the connection: the service, or the proxy before it.
    pub peer: Option<SocketAddr>,
    /// Host and port of the proxy it goes through.
    pub proxy: Option<String>,
    /// What was agreed on, where the URL asks for TLS.
    pub tls: Option<TlsFacts>,
    /// Time to open it, TLS included.
    pub took: Duration,
}

/// What a TLS handshake agreed on.
#[derive(Clone, Debug)]
pub struct TlsFacts {
    /// `TLSv1.3`.
    pub version: String,
    /// The service's own certificate, where it can be read.
    pub certificate: Option<Certificate>,
}

/// What a certificate says of itself.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Distinguished name of who issued it.
    pub issuer: String,
    /// End of its validity.
    pub expires: OffsetDateTime,
}

/// No connection.
#[derive(Clone, Debug)]
pub struct NoWay {
    /// Where it ended.
    pub kind: FaultKind,
    /// What happened, redacted.
    pub what: String,
}

impl Target {
    /// Addresses of the host of `url`, or of the proxy before it.
    ///
    /// # Errors
    /// [`NoWay`] when the name has none.
    pub async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, NoWay> {
        let host = host_of(url);
        let (host, port) = match self.dialer().proxy_for(&host, port_of(url)) {
            Some(proxy) => place(&proxy.url),
            None => (host, port_of(url)),
        };
        let within = self.profile().limits.connect;
        let no_way = |what: String| NoWay { kind: FaultKind::Dns, what: self.redactor().redact(&what) };
        match tokio::time::timeout(within, self.dialer().names.addresses(&host, port)).await {
            Ok(found) => found.map_err(|error| no_way(error.to_string())),
            Err(_) => Err(no_way(format!("no address for {host} within {:.1} s", within.as_secs_f64()))),
        }
    }

    /// Opens a connection to the host and port of `url` as every exchange does, and lets it go.
    ///
    /// # Errors
    /// [`NoWay`] when there is none within `limits.connect_s`.
    pub async fn way(&self, url: &Url) -> Result<Way, NoWay> {
        let began = Instant::now();
        let dialled = self.dialer().dial(url, Speaks::Http2Or1, None, None).await;
        let stream = dialled.map_err(|none| NoWay { kind: none.kind, what: self.redactor().redact(&none.what) })?;
        let proxy = self.dialer().proxy_for(&host_of(url), port_of(url)).map(|proxy| authority(&proxy.url));
        let tls = match &stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream, _) => {
                let session = stream.get_ref().1;
                let version =
                    session.protocol_version().map_or("unknown", |version| version.as_str().unwrap_or("unknown"));
                let own = session.peer_certificates().and_then(|chain| chain.first());
                Some(TlsFacts { version: version.replace('_', "."), certificate: own.and_then(|der| certificate(der)) })
            }
        };
        Ok(Way { peer: stream.tcp().peer_addr().ok(), proxy, tls, took: began.elapsed() })
    }

    /// Asks the health of `origin` over a new connection.
    ///
    /// # Errors
    /// [`Fault`] when there is no answer within `limits.connect_s`.
    pub async fn health(&self, recorder: &Recorder, origin: Origin) -> Result<Response, Fault> {
        let call = self.http(recorder).call(health_of(origin)).fresh_connection();
        call.deadline(self.profile().limits.connect).send().await
    }

    /// Asks `ready.revision.url` over a new connection.
    ///
    /// # Errors
    /// [`Fault`] when there is no answer within `limits.connect_s`.
    pub async fn revision_at(&self, recorder: &Recorder, url: &Url) -> Result<Response, Fault> {
        let urls = &self.profile().urls;
        let is_at = |origin: &Origin| urls.of(*origin).is_some_and(|known| authority(known) == authority(url));
        let origin = Origin::ALL.into_iter().find(is_at).unwrap_or(Origin::Backend);
        let call = self.http(recorder).url(origin, "GET", url).fresh_connection();
        call.deadline(self.profile().limits.connect).send().await
    }

    /// The revision that `answer` tells, at the place of the profile; `endpoint` is the call that it
    /// answers, where it is one of the contract.
    pub fn revision(&self, answer: &Response, endpoint: Option<Endpoint>) -> Option<String> {
        let text = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let told = match &self.profile().ready.revision.place {
            RevisionPlace::Header(name) => answer.header(name).map(str::to_owned),
            RevisionPlace::Pointer(pointer) => answer.json.as_ref().and_then(|body| text(body.pointer(pointer)?)),
            RevisionPlace::Version => {
                let logical = endpoint.and_then(|endpoint| answer.logical_body(self.contract(), endpoint));
                logical.or_else(|| answer.json.clone()).and_then(|body| text(body.get("version")?))
            }
        };
        told.map(|revision| self.redactor().redact(revision.trim())).filter(|revision| !revision.is_empty())
    }

    /// Seconds by which the clock that `answer` tells is ahead of ours: by the body's `timestamp`,
    /// else by the header `Date`.
    pub fn skew(&self, answer: &Response, endpoint: Endpoint) -> Option<f64> {
        let body = answer.logical_body(self.contract(), endpoint);
        let stated = body
            .as_ref()
            .and_then(|body| read_timestamp(body.get("timestamp")?, self.contract().timestamp_forms()))
            .map(|(seconds, _)| seconds);
        // `Date` is cut to whole seconds: on average it is half a second late.
        let date = || {
            let date = OffsetDateTime::parse(answer.header("date")?, &Rfc2822).ok()?;
            Some(date.unix_timestamp() as f64 + 0.5)
        };
        let ours = now() - answer.received.elapsed().as_secs_f64() - answer.took().as_secs_f64() / 2.0;
        Some(stated.or_else(date)? - ours)
    }
}

/// The call that asks the health of `origin`.
pub const fn health_of(origin: Origin) -> Endpoint {
    match origin {
        Origin::Auth => Endpoint::AuthHealth,
        Origin::Backend => Endpoint::BackendHealth,
        Origin::Frontend => Endpoint::FrontendHealth,
    }
}

/// Host and port of `url`, the default port written out.
pub fn authority(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), port_of(url))
}

/// The host as it is looked up: an IPv6 address without its brackets.
fn host_of(url: &Url) -> String {
    match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => String::new(),
    }
}

fn port_of(url: &Url) -> u16 {
    url.port_or_known_default().unwrap_or(80)
}

fn certificate(der: &[u8]) -> Option<Certificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(Certificate {
        issuer: certificate.issuer().to_string(),
        expires: OffsetDateTime::from_unix_timestamp(certificate.validity().not_after.timestamp()).ok()?,
    })
}
