//! A fault link: a TCP relay on loopback between this tool and a service, below TLS. A check opens
//! one, sends its connections through it, and commands it while traffic flows:
//!
//! ```ignore
//! let link = cx.link().delay(MS_100).jitter(MS_50).stalls(SECOND, MS_200).open().await?;
//! let session = cx.open(cx.upgrade_with(&login.access).through(&link)).await?;
//! link.reset();
//! ```
//!
//! One file a fault. Whatever passes keeps its order; nothing is lost but by a command. It ends
//! with its owner: dropping it cuts its connections, [`Link::close`] also waits until they are over.

mod connection;
mod cut;
mod delay;
mod half_open;
mod heard;
mod jitter;
mod reset;
mod stall;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ring::digest::{SHA256, digest};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::connection::{Order, connection};
use self::cut::Cut;
use self::delay::Delay;
use self::heard::Heard;
use self::jitter::Jitter;
use self::stall::Stalls;
use super::Target;
use super::connect::Dialer;
use super::transcript::Recorder;
use crate::model::{Blame, Inconclusive, Stop};

/// Connections at a time; further ones wait until they are accepted.
const CONNECTIONS: usize = 1024;

/// Where a link leads.
enum Upstream {
    /// To an address.
    Address(SocketAddr),
    /// To the host and port of a URL, by the profile's names and proxy.
    Url(Dialer, Url),
}

impl Upstream {
    async fn connect(&self) -> io::Result<TcpStream> {
        match self {
            Self::Address(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(stream)
            }
            Self::Url(dialer, url) => dialer.reach(url).await.map_err(|fault| io::Error::other(fault.what)),
        }
    }
}

/// What the connections of a link share.
struct Way {
    upstream: Upstream,
    seed: u64,
    delay: Delay,
    jitter: Jitter,
    stalls: Option<Stalls>,
    /// Whether nothing passes at present.
    stalled: watch::Sender<bool>,
    /// Commands to the connections that are open when they are given.
    orders: watch::Sender<Order>,
    cut: Cut,
    heard: Option<Heard>,
}

/// A link that is being prepared: without faults octets pass as they come.
#[must_use = "a link does nothing until it is opened"]
pub struct LinkBuilder {
    upstream: Upstream,
    seed: u64,
    recorder: Option<Recorder>,
    delay: Delay,
    jitter: Jitter,
    stalls: Option<Stalls>,
    records: bool,
}

impl LinkBuilder {
    /// Every octet comes so much later, in both directions.
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = Delay(delay);
        self
    }

    /// The delay varies by up to so much to either side, by the run's seed.
    pub const fn jitter(mut self, most: Duration) -> Self {
        self.jitter = Jitter(most);
        self
    }

    /// In each span of `every` nothing passes during the last `lasting` of it.
    pub const fn stalls(mut self, every: Duration, lasting: Duration) -> Self {
        self.stalls = Some(Stalls { every, lasting });
        self
    }

    /// Keeps what clients say; see [`Link::heard`].
    pub const fn recording(mut self) -> Self {
        self.records = true;
        self
    }

    /// Listens on a free port of loopback.
    ///
    /// # Errors
    /// Inconclusive, blaming the harness, when loopback has no port left.
    pub async fn open(self) -> Result<Link, Stop> {
        let listening = async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            Ok::<_, io::Error>((listener, address))
        };
        let no_port = |error: io::Error| Inconclusive::new(Blame::Harness, format!("no fault link: {error}"));
        let (listener, address) = listening.await.map_err(no_port)?;
        let way = Arc::new(Way {
            upstream: self.upstream,
            seed: self.seed,
            delay: self.delay,
            jitter: self.jitter,
            stalls: self.stalls,
            stalled: watch::Sender::new(false),
            orders: watch::Sender::new(Order::default()),
            cut: Cut::default(),
            heard: self.records.then(Heard::default),
        });
        let close = CancellationToken::new();
        let task = tokio::spawn(relay(listener, Arc::clone(&way), close.clone()));
        Ok(Link { address, way, recorder: self.recorder, close, task })
    }
}

/// An open fault link.
pub struct Link {
    address: SocketAddr,
    way: Arc<Way>,
    recorder: Option<Recorder>,
    close: CancellationToken,
    task: JoinHandle<()>,
}

impl Link {
    /// A link to a service on loopback, for clients that are told its address.
    pub const fn to(upstream: SocketAddr) -> LinkBuilder {
        LinkBuilder {
            upstream: Upstream::Address(upstream),
            seed: 0,
            recorder: None,
            delay: Delay(Duration::ZERO),
            jitter: Jitter(Duration::ZERO),
            stalls: None,
            records: false,
        }
    }

    /// Its own address, to be dialled in place of the service's.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing passes, not even an end; all of it does after [`Self::resume`].
    pub fn stall(&self) {
        self.note("the link stalls");
        self.way.stalled.send_replace(true);
    }

    /// What was held up passes, in its order.
    pub fn resume(&self) {
        self.note("the link passes again");
        self.way.stalled.send_replace(false);
    }

    /// Nothing passes any more on the connections that are open now, and neither side is told, not
    /// even when the other one ends; both last as long as the link. New connections pass.
    pub fn half_open(&self) {
        self.note("the link is half-open");
        self.way.orders.send_modify(|order| order.half_opens += 1);
    }

    /// Resets the connections that are open now, towards both sides. New connections pass; a cut that
    /// was still to come is called off.
    pub fn reset(&self) {
        self.note("the link is reset");
        self.way.cut.call_off();
        self.way.orders.send_modify(|order| order.resets += 1);
    }

    /// Ends the connection on which the service says the `octets`th octet from now, right after it.
    pub fn cut_after(&self, octets: u64) {
        self.note(&format!("the link will be cut after {octets} octets"));
        self.way.cut.after(octets);
    }

    /// Whether a client has said `text` (a token: one word of a header or body). Always `false`
    /// where the link does not record.
    pub fn heard(&self, text: &str) -> bool {
        self.way.heard.as_ref().is_some_and(|heard| heard.contains(text))
    }

    /// The request lines that clients said (`POST /auth/validate HTTP/1.1`), by connection; none
    /// where the link does not record.
    pub fn requests(&self) -> Vec<String> {
        self.way.heard.as_ref().map(Heard::requests).unwrap_or_default()
    }

    /// Ends it: when this returns, open connections have been cut and new ones are refused.
    pub async fn close(mut self) {
        self.close.cancel();
        // A panic in the task ends its connections, too.
        let _ = (&mut self.task).await;
    }

    fn note(&self, text: &str) {
        if let Some(recorder) = &self.recorder {
            recorder.note(text);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Target {
    /// A fault link to the WebSocket endpoint, for [`super::Upgrade::through`].
    pub fn link(&self, recorder: &Recorder) -> LinkBuilder {
        let text = format!("{} {} link", self.seed(), recorder.check());
        let seed = digest(&SHA256, text.as_bytes()).as_ref().first_chunk::<8>().map_or(0, |it| u64::from_be_bytes(*it));
        LinkBuilder {
            upstream: Upstream::Url(self.dialer().clone(), self.profile().urls.websocket.clone()),
            seed,
            recorder: Some(recorder.clone()),
            ..Link::to(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        }
    }
}

/// Accepts connections until the link is closed.
async fn relay(listener: TcpListener, way: Arc<Way>, close: CancellationToken) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => {
                // What cannot be accepted is the client's to try again.
                if let Ok((client, _)) = accepted {
                    connections.spawn(connection(client, Arc::clone(&way), number, way.orders.subscribe()));
                    number += 1;
                }
            }
            Some(_) = connections.join_next() => {}
            () = close.cancelled() => break,
        }
    }
    drop(listener);
    connections.shutdown().await;
}
