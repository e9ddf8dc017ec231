//! One connection through a link.

use std::sync::Arc;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::{Way, half_open, reset};

/// Octets read at a time.
const PIECE: usize = 4 << 10;
/// Pieces on their way in one direction; then reading stops, so that back-pressure is felt.
const PIECES: usize = 64;

/// How often each command was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) resets: u64,
    pub(super) half_opens: u64,
}

/// How a connection ends before both sides have ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Reset,
    HalfOpen,
    Cut,
}

/// Serves a client until both sides, or a command, have ended it.
pub(super) async fn connection(mut client: TcpStream, way: Arc<Way>, number: u64, mut orders: watch::Receiver<Order>) {
    // Without it small requests wait for acknowledgements; they arrive all the same.
    let _ = client.set_nodelay(true);
    let at_first = *orders.borrow();
    // The client sees that nobody answers, as without the link.
    let Ok(mut service) = way.upstream.connect().await else { return };
    let end = {
        let (from_client, to_client) = client.split();
        let (from_service, to_service) = service.split();
        let up = Direction::new(&way, number, false).pass(from_client, to_service);
        let down = Direction::new(&way, number, true).pass(from_service, to_client);
        tokio::select! {
            // What was ordered comes before what happened since.
            biased;
            end = ordered(&mut orders, at_first) => Err(end),
            passed = futures_util::future::try_join(up, down) => passed.map(drop),
        }
    };
    match end {
        Ok(()) => {}
        Err(End::Reset) => reset::reset([client, service]),
        Err(End::HalfOpen) => half_open::hold([client, service]).await,
        Err(End::Cut) => {
            for side in [&mut client, &mut service] {
                // A side that is gone already needs no end.
                let _ = side.shutdown().await;
            }
        }
    }
}

/// The next command since `at_first`.
async fn ordered(orders: &mut watch::Receiver<Order>, at_first: Order) -> End {
    let given = orders.wait_for(|order| *order != at_first).await.map(|order| *order);
    match given {
        Ok(order) if order.resets == at_first.resets => End::HalfOpen,
        Ok(_) => End::Reset,
        // The link is gone: its task ends this one.
        Err(_) => std::future::pending().await,
    }
}

/// One direction of a connection.
struct Direction<'w> {
    way: &'w Way,
    number: u64,
    from_service: bool,
    began: Instant,
    rng: StdRng,
    /// When the last piece is due: no later one overtakes it.
    last: Instant,
}

impl<'w> Direction<'w> {
    fn new(way: &'w Way, number: u64, from_service: bool) -> Self {
        let seed = way.seed.wrapping_add(2 * number + u64::from(from_service));
        let began = Instant::now();
        Self { way, number, from_service, began, rng: StdRng::seed_from_u64(seed), last: began }
    }

    /// When a piece that was read now is due at the other side.
    fn due(&mut self) -> Instant {
        let delay = self.way.jitter.of(self.way.delay.0, &mut self.rng);
        let since = self.began.elapsed() + delay;
        let since = self.way.stalls.map_or(since, |stalls| stalls.past(since));
        self.last = self.last.max(self.began + since);
        self.last
    }

    /// Passes octets on until this side has ended and the other one was told.
    async fn pass(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), End> {
        let (way, from_service) = (self.way, self.from_service);
        let (queue, mut waiting) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES);
        let read = async move {
            let mut octets = vec![0; PIECE];
            loop {
                // A reset passes as a reset, at once.
                let length = from.read(&mut octets).await.map_err(|_| End::Reset)?;
                if length == 0 {
                    return Ok(());
                }
                if let Some(heard) = way.heard.as_ref().filter(|_| !from_service) {
                    heard.keep(self.number, &octets[..length]);
                }
                if queue.send((self.due(), octets[..length].to_vec())).await.is_err() {
                    return Ok(());
                }
            }
        };
        let write = async move {
            let mut stalled = way.stalled.subscribe();
            while let Some((due, octets)) = waiting.recv().await {
                sleep_until(due).await;
                // The sender lives as long as the link.
                let _ = stalled.wait_for(|stalled| !stalled).await;
                let passing = if from_service { way.cut.passing(octets.len()) } else { None };
                to.write_all(&octets[..passing.unwrap_or(octets.len())]).await.map_err(|_| End::Reset)?;
                if passing.is_some() {
                    return Err(End::Cut);
                }
            }
            let _ = stalled.wait_for(|stalled| !stalled).await;
            // The other side may be gone already.
            let _ = to.shutdown().await;
            Ok(())
        };
        futures_util::future::try_join(read, write).await.map(drop)
    }
}
