//! A connection, with or without TLS, as sockets and the HTTP client read and write it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::fault::cause_of;

/// A connection, with or without TLS.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>, TlsEnd),
}

/// What TLS said when it ended a connection. In TLS 1.3 a refusal comes after the handshake, and before or after the first
/// request: one that comes before is lost on the HTTP client, which says only that its connection is gone.
#[derive(Clone, Debug, Default)]
pub(super) struct TlsEnd(Arc<OnceLock<rustls::Error>>);

impl TlsEnd {
    /// What it said, if it ended.
    pub(super) fn told(&self) -> Option<&rustls::Error> {
        self.0.get()
    }

    fn note(&self, error: &io::Error) {
        if let Some(error) = cause_of::<rustls::Error>(error) {
            // The first is the cause of the others.
            let _ = self.0.set(error.clone());
        }
    }
}

impl Stream {
    /// The connection below TLS.
    pub(super) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls, _) => tls.get_ref().0,
        }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        match self {
            Self::Plain(_) => Connected::new(),
            Self::Tls(tls, end) => {
                let connected = Connected::new().extra(end.clone());
                match tls.get_ref().1.alpn_protocol() {
                    Some(b"h2") => connected.negotiated_h2(),
                    _ => connected,
                }
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls, end) => {
                let read = Pin::new(tls).poll_read(cx, buf);
                if let Poll::Ready(Err(error)) = &read {
                    end.note(error);
                }
                read
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, octets),
            Self::Tls(tls, _) => Pin::new(tls).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls, _) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls, _) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
