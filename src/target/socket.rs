//! An open WebSocket, and the waits of a check on it. Dropping it drops the connection.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::Target;
use super::assemble::Assembler;
use super::frame::{Decoder, RawFrame, opcode};
use super::guard::Speaker;
use super::pace::Place;
use super::received::{End, Missing, Next, Received, Transport};
use super::stream::Stream;
use super::task::{Command, Heard, Task};
use super::transcript::Line;
use crate::model::Evidence;
use crate::wire::{Contract, Kind, Message};

/// Pings by which a socket's round trip is measured.
const RTT_PINGS: usize = 5;

/// A socket before its task runs; frames sent with the request are encoded here.
pub(super) struct Setup {
    task: Task,
    commands: mpsc::UnboundedSender<Command>,
    heard: mpsc::UnboundedReceiver<Heard>,
    deadline: Duration,
}

impl Setup {
    pub(super) fn new(target: &Target, line: Line, rng: StdRng, (place, speaker): (Place, Speaker)) -> Self {
        let (commands, commanded) = mpsc::unbounded_channel();
        let (tells, heard) = mpsc::unbounded_channel();
        let task = Task {
            line,
            contract: Arc::clone(target.contract()),
            rng,
            heard: tells,
            commands: commanded,
            place,
            speaker,
            heard_any: false,
            from_us: Assembler::default(),
            from_target: Assembler::default(),
            decoder: Decoder::default(),
            out: bytes::BytesMut::new(),
            written: Vec::new(),
            unflushed: false,
            answers_pings: true,
            reads: true,
            close_sent: false,
            close_heard: false,
        };
        Self { task, commands, heard, deadline: target.profile().limits.request }
    }

    pub(super) fn encode(&mut self, frame: &RawFrame) -> Vec<u8> {
        self.task.encode(frame)
    }

    /// Starts the task; `first` came behind the answer's head.
    pub(super) fn start(mut self, stream: Stream, first: &[u8]) -> Socket {
        self.task.place.is_let_in();
        let (line, contract) = (self.task.line.clone(), Arc::clone(&self.task.contract));
        let speaker = self.task.speaker.clone();
        let task = tokio::spawn(self.task.run(stream, first.to_vec()));
        Socket {
            line,
            contract,
            speaker,
            burst: AtomicU64::new(0),
            commands: self.commands,
            heard: self.heard,
            waiting: VecDeque::new(),
            seen: Vec::new(),
            pings: Vec::new(),
            end: None,
            deadline: self.deadline,
            _task: AbortOnDropHandle::new(task),
        }
    }
}

/// An open WebSocket.
pub struct Socket {
    line: Line,
    contract: Arc<Contract>,
    speaker: Speaker,
    /// Messages that may still follow at once.
    burst: AtomicU64,
    commands: mpsc::UnboundedSender<Command>,
    heard: mpsc::UnboundedReceiver<Heard>,
    /// Heard while waiting for something else.
    waiting: VecDeque<Heard>,
    seen: Vec<Received>,
    pings: Vec<Instant>,
    end: Option<End>,
    deadline: Duration,
    _task: AbortOnDropHandle<()>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket {:?}", self.line)
    }
}

impl Socket {
    /// Sends a message as the contract writes it. Sending never fails: a connection that has ended shows at the
    /// next wait. Returns when it was written, or after `limits.request_s` when the target does not read.
    pub async fn send(&self, message: &Message) -> Instant {
        self.send_text(&self.contract.write(message, None).to_string()).await
    }

    /// Sends any text in one frame.
    pub async fn send_text(&self, text: &str) -> Instant {
        self.send_frame(RawFrame::text(text)).await
    }

    /// Waits until the next `count` messages can be sent at once: they are needed together, and keep to the whole of
    /// the user's limit instead of half of it.
    pub async fn burst(&self, count: u64) {
        self.speaker.burst(&self.line, count).await;
        self.burst.store(count, Ordering::Relaxed);
    }

    /// Sends any frame, however illegal. A message that counts against the user's limit waits for its turn first;
    /// one that the check may not send is not sent.
    pub async fn send_frame(&self, frame: RawFrame) -> Instant {
        if frame.opcode == opcode::TEXT
            && let Ok(text) = std::str::from_utf8(&frame.payload)
        {
            let left = self.burst.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            self.speaker.turn(&self.line, &self.contract, text, left.is_ok()).await;
        }
        self.write(|written| Command::Frame(frame, written)).await
    }

    /// Sends any octets.
    pub async fn send_octets(&self, octets: &[u8]) -> Instant {
        self.write(|written| Command::Octets(octets.to_vec(), written)).await
    }

    /// Sends a Close frame; the connection goes on until the target ends it.
    pub async fn close(&self, code: u16, reason: &str) -> Instant {
        self.send_frame(RawFrame::close(Some(code), reason)).await
    }

    /// Sends a protocol ping.
    pub async fn ping(&self, payload: &[u8]) -> Instant {
        self.send_frame(RawFrame::new(opcode::PING, payload)).await
    }

    async fn write(&self, command: impl FnOnce(oneshot::Sender<Instant>) -> Command) -> Instant {
        let (written, when) = oneshot::channel();
        if self.commands.send(command(written)).is_ok()
            && let Ok(Ok(at)) = tokio::time::timeout(self.deadline, when).await
        {
            return at;
        }
        Instant::now()
    }

    fn tell(&self, command: Command) {
        // A task that has ended shows at the next wait.
        let _ = self.commands.send(command);
    }

    /// Whether protocol pings of the target are answered; they are at first.
    pub fn answer_pings(&self, answer: bool) {
        self.tell(Command::AnswerPings(answer));
    }

    /// Reads no more, so answers nothing either, and keeps the connection: a half-open or slow peer.
    pub fn pause_reading(&self) {
        self.tell(Command::Read(false));
    }

    /// Reads again.
    pub fn resume_reading(&self) {
        self.tell(Command::Read(true));
    }

    /// Resets the connection (RST): the target gets no Close frame and no end of stream.
    pub async fn reset(mut self) {
        self.tell(Command::Reset);
        self.ended(self.deadline).await;
    }

    /// What follows on this connection is broken on purpose: run-wide judges leave it out.
    pub fn mark_broken(&self) {
        self.line.mark_broken();
    }

    /// The connection in the transcript.
    pub const fn line(&self) -> &Line {
        &self.line
    }

    /// The last frames as evidence.
    pub fn evidence(&self) -> Evidence {
        self.line.evidence(12)
    }

    /// Every message taken so far, in order, also those that a wait passed over.
    pub fn seen(&self) -> &[Received] {
        &self.seen
    }

    /// When the target pinged, as far as was heard in waits.
    pub fn pings(&self) -> &[Instant] {
        &self.pings
    }

    /// The next message, pong, or end.
    pub async fn next(&mut self, within: Duration) -> Next {
        self.next_until(Instant::now() + within).await
    }

    /// The next message, which must be of `kind`; extensions of the contract and pongs are passed over.
    ///
    /// # Errors
    /// [`Missing`] when another message, the end, or nothing comes.
    pub async fn expect(&mut self, kind: &Kind, within: Duration) -> Result<Received, Missing> {
        let deadline = Instant::now() + within;
        loop {
            let instead = match self.next_until(deadline).await {
                Next::Pong(_) => continue,
                Next::Message(received) => match received.kind() {
                    Some(seen) if seen == kind => return Ok(received),
                    Some(Kind::Other(name)) if self.contract.is_extension(name) => continue,
                    _ => Next::Message(received),
                },
                other => other,
            };
            return Err(self.missing(format!("`{kind}`"), within, instead));
        }
    }

    /// The next message that `is` right, all others passed over; `what` names it in reports.
    ///
    /// # Errors
    /// [`Missing`] when the end or nothing more comes.
    pub async fn wait_for(
        &mut self,
        is: impl Fn(&Received) -> bool,
        what: &str,
        within: Duration,
    ) -> Result<Received, Missing> {
        let deadline = Instant::now() + within;
        loop {
            match self.next_until(deadline).await {
                Next::Message(received) if is(&received) => return Ok(received),
                Next::Message(_) | Next::Pong(_) => {}
                instead => return Err(self.missing(what.to_owned(), within, instead)),
            }
        }
    }

    /// Waits for the end of the transport. A target that has sent Close and keeps the transport open gives an
    /// [`End`] whose `tcp` is open; `None` when there was neither. Messages on the way are in [`Self::seen`].
    pub async fn ended(&mut self, within: Duration) -> Option<End> {
        let deadline = Instant::now() + within;
        loop {
            match &self.end {
                Some(end) if end.tcp != Transport::Open => return self.end.clone(),
                _ => {}
            }
            if matches!(self.next_until(deadline).await, Next::Silence) {
                return self.end.clone();
            }
        }
    }

    /// When the pong of this payload came; what else comes meanwhile is kept for later waits.
    pub async fn pong(&mut self, payload: &[u8], within: Duration) -> Option<Instant> {
        let is_it = |heard: &Heard| matches!(heard, Heard::Pong(echoed, _) if echoed == payload);
        let deadline = Instant::now() + within;
        let mut known = 0;
        loop {
            while let Some(heard) = self.waiting.get(known) {
                if is_it(heard)
                    && let Some(Heard::Pong(_, at)) = self.waiting.remove(known)
                {
                    return Some(at);
                }
                known += 1;
            }
            let heard = self.pull(deadline).await?;
            self.waiting.push_back(heard);
        }
    }

    /// When the target's next ping came; what else comes meanwhile is kept for later waits.
    pub async fn pinged(&mut self, within: Duration) -> Option<Instant> {
        let deadline = Instant::now() + within;
        loop {
            match self.pull(deadline).await? {
                Heard::Ping(at) => return Some(at),
                heard => self.waiting.push_back(heard),
            }
        }
    }

    /// Round trip: the median of five pings, each answered within `limits.request_s`; `None` when one is not.
    pub async fn rtt(&mut self) -> Option<Duration> {
        let mut trips = Vec::with_capacity(RTT_PINGS);
        for number in 0..RTT_PINGS {
            let payload = format!("rtt {number}");
            let sent = Instant::now();
            self.ping(payload.as_bytes()).await;
            trips.push(self.pong(payload.as_bytes(), self.deadline).await?.saturating_duration_since(sent));
        }
        trips.sort();
        trips.get(RTT_PINGS / 2).copied()
    }

    fn missing(&self, what: String, within: Duration, instead: Next) -> Missing {
        Missing { what, within, instead, evidence: self.evidence() }
    }

    /// The next thing heard from the task; `None` at the deadline, or when there is nothing more to come.
    async fn pull(&mut self, deadline: Instant) -> Option<Heard> {
        let heard = tokio::time::timeout_at(deadline.into(), self.heard.recv()).await.ok()??;
        if let Heard::Ping(at) = heard {
            self.pings.push(at);
        }
        Some(heard)
    }

    async fn next_until(&mut self, deadline: Instant) -> Next {
        loop {
            let heard = match self.waiting.pop_front() {
                Some(heard) => heard,
                None => match self.pull(deadline).await {
                    Some(heard) => heard,
                    None => match &self.end {
                        Some(end) if end.tcp != Transport::Open => return Next::Ended(end.clone()),
                        _ => return Next::Silence,
                    },
                },
            };
            match heard {
                Heard::Message(received) => {
                    self.seen.push(received.clone());
                    return Next::Message(received);
                }
                Heard::Pong(payload, _) => return Next::Pong(payload),
                Heard::Ping(_) => {}
                Heard::Closing { code, reason, at } => {
                    let close = Some((code, reason));
                    let end = End { close, tcp: Transport::Open, at, tcp_at: None, frames_after_close: 0 };
                    self.end = Some(end.clone());
                    return Next::Ended(end);
                }
                Heard::AfterClose => {
                    if let Some(end) = &mut self.end {
                        end.frames_after_close += 1;
                    }
                }
                Heard::Ended(tcp, at) => {
                    let begun = self.end.take();
                    let end = End {
                        at: begun.as_ref().map_or(at, |end| end.at),
                        frames_after_close: begun.as_ref().map_or(0, |end| end.frames_after_close),
                        close: begun.and_then(|end| end.close),
                        tcp,
                        tcp_at: Some(at),
                    };
                    self.end = Some(end.clone());
                    return Next::Ended(end);
                }
            }
        }
    }
}
