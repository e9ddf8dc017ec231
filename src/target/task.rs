//! The task behind a socket: it reads, records, answers pings and Close, and writes what it is told.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use rand::Rng;
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use super::assemble::{Assembler, Whole};
use super::frame::{Decoder, RawFrame, opcode};
use super::guard::Speaker;
use super::intermediary;
use super::pace::Place;
use super::received::{Received, Transport};
use super::stream::Stream;
use super::transcript::Line;
use crate::model::{Direction, Record};
use crate::wire::{Contract, EnvelopeFault};

/// Octets read at a time.
const BUFFER: usize = 4 << 10;

/// What the owner of a socket asks of its task; the sender is told when it has been written.
pub(super) enum Command {
    Frame(RawFrame, oneshot::Sender<Instant>),
    Octets(Vec<u8>, oneshot::Sender<Instant>),
    AnswerPings(bool),
    Read(bool),
    Reset,
}

/// What the task tells the owner.
#[derive(Debug)]
pub(super) enum Heard {
    Message(Received),
    Ping(Instant),
    Pong(Vec<u8>, Instant),
    Closing { code: Option<u16>, reason: String, at: Instant },
    AfterClose,
    Ended(Transport, Instant),
}

pub(super) struct Task {
    pub(super) line: Line,
    pub(super) contract: Arc<Contract>,
    pub(super) rng: StdRng,
    pub(super) heard: mpsc::UnboundedSender<Heard>,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    /// Kept as long as the connection is.
    pub(super) place: Place,
    pub(super) speaker: Speaker,
    /// Whether a message of either side has gone over the connection.
    pub(super) heard_any: bool,
    pub(super) from_us: Assembler,
    pub(super) from_target: Assembler,
    pub(super) decoder: Decoder,
    pub(super) out: BytesMut,
    pub(super) written: Vec<oneshot::Sender<Instant>>,
    pub(super) unflushed: bool,
    pub(super) answers_pings: bool,
    pub(super) reads: bool,
    pub(super) close_sent: bool,
    pub(super) close_heard: bool,
}

impl Task {
    /// Records a frame of ours and gives its octets; none where the check may not send it.
    pub(super) fn encode(&mut self, frame: &RawFrame) -> Vec<u8> {
        let assembled = self.from_us.add(frame.fin, frame.opcode, &frame.payload);
        if let Some(Whole::Text(text)) = &assembled.whole
            && !self.speaker.may_say(&self.line, &self.contract, text)
        {
            self.line.record(Direction::Sent, Record::Note(format!("not sent: {text}")));
            return Vec::new();
        }
        self.heard_any = true;
        self.close_sent |= frame.opcode == opcode::CLOSE;
        self.line.record(
            Direction::Sent,
            Record::Frame {
                head: frame.head(),
                payload: assembled.payload,
                close_code: assembled.close_code,
                utf8: assembled.utf8,
            },
        );
        frame.encode(self.rng.random())
    }

    /// Runs until the connection ends or its owner is gone. Cancelling it drops the connection.
    pub(super) async fn run(mut self, stream: Stream, first: Vec<u8>) {
        let (mut read, mut write) = tokio::io::split(stream);
        let mut buffer = vec![0; BUFFER];
        let mut reset = false;
        let mut ended = self.take(&first);
        while ended.is_none() {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Reset) => {
                        reset = true;
                        ended = Some(Transport::Failed("reset by the checker".into()));
                    }
                    Some(command) => self.obey(command),
                    None => return,
                },
                result = read.read(&mut buffer), if self.reads => ended = match result {
                    Ok(0) => Some(self.closed()),
                    Ok(length) => self.take(&buffer[..length]),
                    Err(error) => Some(transport(&error)),
                },
                result = push(&mut write, &self.out), if self.unflushed || !self.out.is_empty() => {
                    self.unflushed = matches!(result, Ok(1..));
                    match result {
                        Ok(length) => self.out.advance(length),
                        // What the target said before it closed is still to be read.
                        Err(_) => self.out.clear(),
                    }
                }
            }
            if self.out.is_empty() && !self.unflushed {
                for written in self.written.drain(..) {
                    // Whoever asked may have stopped waiting.
                    let _ = written.send(Instant::now());
                }
            }
        }
        let stream = read.unsplit(write);
        if reset {
            // Without it the connection ends in the ordinary way, which the check sees.
            let _ = stream.tcp().set_zero_linger();
        }
        drop(stream);
        let ended = ended.unwrap_or(Transport::Closed);
        if ended == Transport::Reset && !self.heard_any {
            intermediary::reset_at_once(&self.line);
        }
        let direction = if reset { Direction::Sent } else { Direction::Received };
        self.line.record(direction, Record::Ended(ended.to_string()));
        self.tell(Heard::Ended(ended, Instant::now()));
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Frame(frame, written) => {
                let octets = self.encode(&frame);
                self.out.extend_from_slice(&octets);
                self.written.push(written);
            }
            Command::Octets(octets, written) => {
                let text = super::assemble::hex(&octets);
                self.line.record(Direction::Sent, Record::Note(format!("octets {text}")));
                self.out.extend_from_slice(&octets);
                self.written.push(written);
            }
            Command::AnswerPings(answer) => self.answers_pings = answer,
            Command::Read(read) => self.reads = read,
            // The loop ends itself.
            Command::Reset => {}
        }
    }

    /// Takes what was read; `Some` when the stream cannot be followed any further.
    fn take(&mut self, octets: &[u8]) -> Option<Transport> {
        self.decoder.feed(octets);
        loop {
            match self.decoder.next_frame() {
                Ok(None) => return None,
                Err(error) => return Some(Transport::Failed(error.to_string())),
                Ok(Some((head, payload))) => {
                    let at = Instant::now();
                    let assembled = self.from_target.add(head.fin, head.opcode, &payload);
                    self.line.record(
                        Direction::Received,
                        Record::Frame {
                            head,
                            payload: assembled.payload,
                            close_code: assembled.close_code,
                            utf8: assembled.utf8,
                        },
                    );
                    if self.close_heard {
                        self.tell(Heard::AfterClose);
                    } else if let Some(whole) = assembled.whole {
                        self.hear(whole, at);
                    }
                }
            }
        }
    }

    fn hear(&mut self, whole: Whole, at: Instant) {
        self.heard_any = true;
        match whole {
            Whole::Text(text) => {
                let message = self.contract.read_server(&text);
                if let Ok(message) = &message {
                    intermediary::hear(&self.line, message);
                    if let Some(ledger) = &self.speaker.ledger {
                        ledger.heard(message);
                    }
                }
                self.tell(Heard::Message(Received { message, text, at }));
            }
            Whole::Octets { text, hex } => {
                let what = if text { "a text message that is no UTF-8" } else { "a binary message" };
                let message = Err(EnvelopeFault::NotJson(what.into()));
                self.tell(Heard::Message(Received { message, text: hex, at }));
            }
            Whole::Ping(payload) => {
                if self.answers_pings && !self.close_sent {
                    let pong = self.encode(&RawFrame::new(opcode::PONG, payload));
                    self.out.extend_from_slice(&pong);
                }
                self.tell(Heard::Ping(at));
            }
            Whole::Pong(payload) => self.tell(Heard::Pong(payload, at)),
            Whole::Close { code, reason } => {
                self.close_heard = true;
                intermediary::closed(&self.line, code, &reason);
                if !self.close_sent {
                    let answer = self.encode(&RawFrame::close(code, ""));
                    self.out.extend_from_slice(&answer);
                }
                self.tell(Heard::Closing { code, reason, at });
            }
        }
    }

    fn closed(&self) -> Transport {
        match self.decoder.pending() {
            0 => Transport::Closed,
            pending => Transport::Failed(format!("closed after {pending} octets of a frame")),
        }
    }

    fn tell(&self, heard: Heard) {
        // The owner may be gone; then nobody waits for it.
        let _ = self.heard.send(heard);
    }
}

/// Writes some of `out`, or flushes when there is nothing to write: how many octets were written.
async fn push(write: &mut (impl AsyncWrite + Unpin), out: &[u8]) -> io::Result<usize> {
    match out.is_empty() {
        true => write.flush().await.map(|()| 0),
        false => write.write(out).await,
    }
}

fn transport(error: &io::Error) -> Transport {
    match error.kind() {
        // TLS without its closing alert: many servers end so.
        io::ErrorKind::UnexpectedEof => Transport::Closed,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            Transport::Reset
        }
        _ => Transport::Failed(error.to_string()),
    }
}
