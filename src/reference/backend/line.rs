//! The conversation on one connection: one task in which a reader and a writer take turns.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::frames::{self, Incoming, Opcode, Reader, Violation};
use super::session::{Close, Entry, Next};
use super::socket::{Parting, Writer};
use super::{Backend, dispatch, outbound};
use crate::reference::notes;
use crate::wire::Kind;

/// Between two pings of an environment that pings often.
const CHATTY: Duration = Duration::from_millis(100);

/// How long a message waits for the one that it is swapped with.
const SWAP_WAIT: Duration = Duration::from_millis(100);

/// A peer that has not answered a ping for so long is slow.
const SLOW_PEER: Duration = Duration::from_millis(50);

/// How long a message that is being written may delay a Close.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How the peer ended the conversation.
enum Heard {
    Close(Option<u16>),
    Violation(Violation),
    Gone,
}

/// How we ended it.
enum Written {
    /// A Close frame is due.
    Close(Close),
    /// The peer is not there, or does not read.
    Dead,
}

/// What reader and writer of one connection share.
pub(super) struct Line<'a> {
    backend: &'a Arc<Backend>,
    number: u64,
    wake: Arc<Notify>,
    /// Told when the writer has taken something.
    taken: Notify,
    control: Mutex<Control>,
}

/// Protocol pings of both sides.
#[derive(Default)]
struct Control {
    /// Payloads of the peer's, not yet answered.
    pongs: VecDeque<Bytes>,
    /// Ours so far; each has its number as payload.
    pings: u64,
    /// Number and time of our oldest one that is not answered.
    unanswered: Option<(u64, Instant)>,
}

impl<'a> Line<'a> {
    pub(super) fn new(backend: &'a Arc<Backend>, number: u64, wake: Arc<Notify>) -> Self {
        Self { backend, number, wake, taken: Notify::new(), control: Mutex::default() }
    }

    /// Reads and writes until one side ends the conversation; `None` when nothing can be said any more.
    pub(super) async fn converse<S: AsyncRead + AsyncWrite>(
        &self,
        reader: &mut Reader<ReadHalf<S>>,
        writer: &mut Writer<'_, S>,
        cut: &CancellationToken,
    ) -> Option<Parting> {
        let silent_on_violation = self.backend.site.permitted().close_without_frame.on();
        let mut speak = std::pin::pin!(self.speak(writer));
        let heard = tokio::select! {
            // What was sent comes before the answer to what is heard.
            biased;
            written = &mut speak => return match written {
                Written::Close(close) => Some(Parting::Frame { code: close.code, reason: close.reason, is_answer: false }),
                Written::Dead => None,
            },
            heard = self.listen(reader) => heard,
            () = cut.cancelled() => Heard::Violation(Violation { code: 1001, what: "going away" }),
        };
        let parting = match heard {
            Heard::Gone => return None,
            Heard::Violation(violation) if violation.code != 1001 && silent_on_violation => Parting::Silent,
            Heard::Violation(Violation { code, what }) => {
                Parting::Frame { code, reason: what.to_owned(), is_answer: false }
            }
            Heard::Close(code) => {
                let code = code.filter(|code| self.backend.site.contract().allows_close_code(*code)).unwrap_or(1000);
                Parting::Frame { code, reason: String::new(), is_answer: true }
            }
        };
        // What is being written ends whole: half a frame would swallow the Close.
        self.backend.hub().hang_up(self.number, Close::at_once(1000, ""));
        match timeout(LAST_WORDS, speak).await {
            Ok(Written::Close(_)) => Some(parting),
            _ => None,
        }
    }

    async fn listen<S: AsyncRead>(&self, reader: &mut Reader<ReadHalf<S>>) -> Heard
    where
        ReadHalf<S>: Unpin,
    {
        let policy = self.backend.site.policy();
        let mut held: Option<String> = None;
        let mut count = 0_u64;
        loop {
            while self.backend.hub().backlog(self.number) {
                self.taken.notified().await;
            }
            let incoming = match held.is_some() {
                false => reader.next().await,
                true => match timeout(SWAP_WAIT, reader.next()).await {
                    Ok(incoming) => incoming,
                    Err(_) => {
                        self.hear(&held.take().unwrap_or_default()).await;
                        continue;
                    }
                },
            };
            match incoming {
                Err(violation) => return Heard::Violation(violation),
                Ok(Incoming::End) => return Heard::Gone,
                Ok(Incoming::Close(code)) => return Heard::Close(code),
                Ok(Incoming::Ping(payload)) => self.ping(payload),
                Ok(Incoming::Pong(payload)) => {
                    let is_ours = self.pong(&payload);
                    if !is_ours && policy.session.pong_kills.on() {
                        return Heard::Violation(Violation { code: 1002, what: "unexpected pong" });
                    }
                }
                Ok(Incoming::Text(text)) => {
                    count += 1;
                    if policy.handshake.accept_then_hang.on()
                        || (policy.messages.await_forgotten.on() && count.is_multiple_of(5))
                    {
                        continue;
                    }
                    if policy.messages.async_race.on() && count % 4 == 3 {
                        held = Some(text);
                        continue;
                    }
                    if policy.messages.blocks_while_streaming.on() {
                        self.until_runs_end().await;
                    }
                    self.hear(&text).await;
                    if let Some(text) = held.take() {
                        self.hear(&text).await;
                    }
                }
            }
        }
    }

    async fn hear(&self, text: &str) {
        notes::for_itself(dispatch::hear(self.backend, self.number, text)).await;
    }

    /// Waits while runs of the session stream.
    async fn until_runs_end(&self) {
        loop {
            let is_running = {
                let hub = self.backend.hub();
                hub.session_of(self.number).is_some_and(|(user, session)| hub.is_running(user, &session.id))
            };
            if !is_running {
                return;
            }
            self.taken.notified().await;
        }
    }

    fn ping(&self, payload: Bytes) {
        let policy = self.backend.site.policy().session;
        if !policy.no_pong.on() {
            let payload = if policy.pong_wrong_payload.on() { Bytes::new() } else { payload };
            self.control().pongs.push_back(payload);
            self.wake.notify_one();
        }
    }

    /// Whether a pong answers a ping of ours.
    fn pong(&self, payload: &[u8]) -> bool {
        let Ok(number) = <[u8; 8]>::try_from(payload).map(u64::from_be_bytes) else { return false };
        let mut control = self.control();
        let is_ours = number >= 1 && number <= control.pings;
        control.unanswered.take_if(|(oldest, _)| is_ours && number >= *oldest);
        is_ours
    }

    /// Writes what is due until a Close is.
    async fn speak<S: AsyncRead + AsyncWrite>(&self, writer: &mut Writer<'_, S>) -> Written {
        let site = &self.backend.site;
        let (policy, heartbeat) = (site.policy(), site.conduct.settings.heartbeat);
        let interval = if site.permitted().chatty_pings.on() { CHATTY.min(heartbeat) } else { heartbeat };
        // A peer that answers no ping is given up within two further intervals (contract, 5).
        let patience = heartbeat.mul_f64(1.5);
        let stuck = if self.backend.hub().patient() { Duration::MAX } else { 2 * heartbeat };
        let mut next_ping = Instant::now() + interval;
        let mut delayed: Option<(Arc<Entry>, Instant)> = None;
        loop {
            let given_up = self.unanswered_since().filter(|_| !policy.session.zombie_socket.on());
            let given_up = given_up.map(|since| since + patience);
            if given_up.is_some_and(|time| Instant::now() >= time) {
                return Written::Dead;
            }
            let octets = if let Some(payload) = self.next_pong() {
                Some(frames::frame(Opcode::Pong, true, &payload, policy.frames))
            } else if Instant::now() >= next_ping {
                next_ping = Instant::now() + interval;
                (!policy.session.no_heartbeat.on())
                    .then(|| frames::frame(Opcode::Ping, true, &self.next_ping(), policy.frames))
            } else {
                None
            };
            let written = match octets {
                Some(octets) => {
                    let _turn = self.turn().await;
                    timeout(stuck, writer.write(&octets)).await
                }
                None => {
                    let next = match delayed.take() {
                        Some((entry, due)) if Instant::now() >= due => Next::Message(entry),
                        Some(waiting) => {
                            delayed = Some(waiting);
                            Next::Nothing
                        }
                        None => match self.backend.hub().next(self.number) {
                            Next::Message(entry) => match outbound::delay(&policy.filters, &entry.message.kind) {
                                Some(by) => {
                                    notes::filtered();
                                    delayed = Some((entry.clone(), entry.since + by));
                                    continue;
                                }
                                None => Next::Message(entry),
                            },
                            other => other,
                        },
                    };
                    self.taken.notify_one();
                    match next {
                        Next::Message(entry) if self.loses(&entry) => continue,
                        Next::Message(entry) => {
                            let _turn = self.turn().await;
                            timeout(stuck, writer.message(&entry)).await
                        }
                        Next::Close(close) if close.is_silent() => return Written::Dead,
                        Next::Close(close) => return Written::Close(close),
                        Next::Nothing => {
                            let due = [delayed.as_ref().map(|(_, due)| *due), given_up].into_iter().flatten();
                            tokio::select! {
                                () = self.wake.notified() => {}
                                () = tokio::time::sleep_until(due.fold(next_ping, Instant::min)) => {}
                            }
                            continue;
                        }
                    }
                }
            };
            if !matches!(written, Ok(Ok(()))) {
                return Written::Dead;
            }
        }
    }

    /// Where a defect writes to one socket at a time: the turn of this one.
    async fn turn(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let one_by_one = self.backend.hub().one_by_one();
        if one_by_one { Some(self.backend.writing.lock().await) } else { None }
    }

    /// Whether a defect keeps this message from a peer that is slow to answer a ping.
    fn loses(&self, entry: &Entry) -> bool {
        self.backend.site.policy().runs.drops_on_stall.on()
            && entry.message.kind == Kind::PartialResult
            && self.unanswered_since().is_some_and(|since| since.elapsed() > SLOW_PEER)
    }

    fn next_pong(&self) -> Option<Bytes> {
        self.control().pongs.pop_front()
    }

    fn unanswered_since(&self) -> Option<Instant> {
        self.control().unanswered.map(|(_, since)| since)
    }

    fn next_ping(&self) -> [u8; 8] {
        let mut control = self.control();
        control.pings += 1;
        let number = control.pings;
        control.unanswered.get_or_insert((number, Instant::now()));
        number.to_be_bytes()
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
