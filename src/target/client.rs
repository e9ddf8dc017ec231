//! The HTTP client of a run: connections are the dialer's, so calls go the way that upgrades go.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::http::Extensions;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tower_service::Service;
use url::Url;

use super::connect::{Dialer, NoConnection, Speaks};
use super::fault::{FaultKind, cause_of, kind_of, root_cause};
use super::stream::{Stream, TlsEnd};

type HttpClient = Client<Connector, Full<Bytes>>;

/// The clients of a run: one whose connections are kept, and new ones for who wants a connection of its own.
#[derive(Debug)]
pub(super) struct Clients {
    dialer: Dialer,
    shared: HttpClient,
}

impl Clients {
    pub(super) fn new(dialer: Dialer) -> Self {
        Self { shared: build(&dialer), dialer }
    }

    /// Sends `request` and reads the answer's head; a `fresh` one shares its connection with no other.
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        fresh: bool,
    ) -> Result<Response<Incoming>, (FaultKind, String)> {
        let client = if fresh { &build(&self.dialer) } else { &self.shared };
        let connection = capture_connection(&mut request);
        client.request(request).await.map_err(|error| {
            let mut extras = Extensions::new();
            if let Some(connected) = connection.connection_metadata().as_ref() {
                connected.get_extras(&mut extras);
            }
            let end = extras.get::<TlsEnd>().and_then(TlsEnd::told);
            self.fault(end.map_or(&error as &(dyn Error + 'static), |end| end))
        })
    }

    /// Whether there is an answer of any kind at `url`.
    pub(super) async fn probe(&self, url: &str, within: Duration) -> Result<(), String> {
        let uri = url.parse::<Uri>().map_err(|error| error.to_string())?;
        let request = Request::get(uri).body(Full::default()).map_err(|error| error.to_string())?;
        match tokio::time::timeout(within, self.send(request, true)).await {
            Ok(answered) => answered.map(drop).map_err(|(_, what)| what),
            Err(_) => Err(format!("no answer within {:.1} s", within.as_secs_f64())),
        }
    }

    /// What ended an exchange.
    pub(super) fn fault(&self, error: &(dyn Error + 'static)) -> (FaultKind, String) {
        if let Some(NoConnection { kind, what }) = cause_of(error) {
            return (*kind, what.clone());
        }
        if let Some(what) = self.dialer.tls_fault(error) {
            return (FaultKind::Tls, format!("TLS: {what}"));
        }
        let what = match cause_of::<hyper::Error>(error) {
            Some(error) if error.is_canceled() => "the connection was closed before a request could be sent".to_owned(),
            _ => root_cause(error),
        };
        (kind_of(error).unwrap_or(FaultKind::Protocol), what)
    }
}

fn build(dialer: &Dialer) -> HttpClient {
    Client::builder(TokioExecutor::new())
        // Shorter than servers keep idle connections: a request must not meet one that is just being closed.
        .pool_idle_timeout(Duration::from_secs(2))
        .pool_timer(TokioTimer::new())
        .build(Connector(dialer.clone()))
}

/// Opens the connections of an HTTP client.
#[derive(Clone, Debug)]
struct Connector(Dialer);

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = NoConnection;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, NoConnection>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NoConnection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialer = self.0.clone();
        Box::pin(async move {
            let no_url = |error| NoConnection { kind: FaultKind::Harness, what: format!("{uri}: {error}") };
            let url = Url::parse(&uri.to_string()).map_err(no_url)?;
            dialer.dial(&url, Speaks::Http2Or1, None, None).await.map(TokioIo::new)
        })
    }
}
