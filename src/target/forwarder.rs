//! A recording way to a service on loopback: octets pass unchanged, and what clients asked is kept.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// Octets that are kept of what one client said.
const KEPT: usize = 1 << 20;

/// What the clients of each connection said.
type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

/// Forwards connections until it is closed or dropped.
pub struct Forwarder {
    address: SocketAddr,
    heard: Heard,
    close: CancellationToken,
    task: JoinHandle<()>,
}

impl Forwarder {
    /// Listens on a free port of loopback, and forwards to `upstream`.
    ///
    /// # Errors
    /// When loopback has no port left.
    pub async fn to(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let heard = Heard::default();
        let close = CancellationToken::new();
        let task = tokio::spawn(forward(listener, upstream, Arc::clone(&heard), close.clone()));
        Ok(Self { address, heard, close, task })
    }

    /// Its own address, to be told to clients in place of the service's.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether a client has said `text` (a token: one word of a header or body).
    pub fn heard(&self, text: &str) -> bool {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().any(|said| said.windows(text.len()).any(|octets| octets == text.as_bytes()))
    }

    /// The request lines so far (`POST /auth/validate HTTP/1.1`), by connection.
    pub fn requests(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let said = heard.iter().map(|said| String::from_utf8_lossy(said));
        let lines = |said: std::borrow::Cow<'_, str>| -> Vec<String> {
            said.lines()
                .filter(|line| line.ends_with(" HTTP/1.1") || line.ends_with(" HTTP/1.0"))
                .map(last_line)
                .collect()
        };
        said.flat_map(lines).collect()
    }

    /// Ends it: when this returns, open connections have been cut and new ones are refused.
    pub async fn close(mut self) {
        self.close.cancel();
        // A panic in the task ends its connections, too.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request line that follows a body without a line's end between them.
fn last_line(line: &str) -> String {
    const METHODS: [&str; 5] = ["GET /", "POST /", "PUT /", "DELETE /", "PATCH /"];
    let start = METHODS.iter().filter_map(|method| line.rfind(method)).max().unwrap_or(0);
    line[start..].to_owned()
}

async fn forward(listener: TcpListener, upstream: SocketAddr, heard: Heard, close: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // What cannot be accepted is the client's to try again.
                if let Ok((client, _)) = accepted {
                    connections.spawn(connection(client, upstream, Arc::clone(&heard)));
                }
            }
            Some(_) = connections.join_next() => {}
            () = close.cancelled() => break,
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn connection(client: TcpStream, upstream: SocketAddr, heard: Heard) {
    // Without it small requests wait for acknowledgements; they arrive all the same.
    let _ = client.set_nodelay(true);
    // The client sees that nobody answers, as without the forwarder.
    let Ok(service) = TcpStream::connect(upstream).await else { return };
    let _ = service.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_service, to_service) = service.into_split();
    let place = {
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push(Vec::new());
        heard.len() - 1
    };
    let keep = |octets: &[u8]| {
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        let said = &mut heard[place];
        let room = KEPT.saturating_sub(said.len()).min(octets.len());
        said.extend_from_slice(&octets[..room]);
    };
    tokio::join!(pass(from_client, to_service, keep), pass(from_service, to_client, |_| {}));
}

/// Passes octets on, kept before they are sent, until one side ends.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, keep: impl Fn(&[u8])) {
    let mut octets = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut octets).await {
        keep(&octets[..read]);
        if to.write_all(&octets[..read]).await.is_err() {
            break;
        }
    }
    // The other side may be gone already.
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn octets_pass_are_kept_and_end_with_it() {
        let service = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let forwarder = Forwarder::to(service.local_addr().unwrap()).await.unwrap();
        let mut client = TcpStream::connect(forwarder.address()).await.unwrap();
        let (mut served, _) = service.accept().await.unwrap();
        let asked =
            b"POST /auth/validate HTTP/1.1\r\nContent-Length: 16\r\n\r\n{\"token\":\"a.b.c\"}GET /x HTTP/1.1\r\n\r\n";
        client.write_all(asked).await.unwrap();
        let mut read = vec![0; asked.len()];
        served.read_exact(&mut read).await.unwrap();
        assert_eq!(read, asked);
        served.write_all(b"answer").await.unwrap();
        let mut answer = [0; 6];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"answer");

        assert!(forwarder.heard("a.b.c") && !forwarder.heard("answer"));
        assert_eq!(forwarder.requests(), ["POST /auth/validate HTTP/1.1", "GET /x HTTP/1.1"]);
        let address = forwarder.address();
        forwarder.close().await;
        assert!(TcpStream::connect(address).await.is_err());
        assert!(matches!(client.read(&mut answer).await, Ok(0) | Err(_)));
    }
}
