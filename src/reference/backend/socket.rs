//! A WebSocket connection from its first frame to the end of TCP.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio_util::sync::CancellationToken;

use super::frames::{self, Incoming, Reader};
use super::line::Line;
use super::session::Entry;
use super::{Backend, outbound};
use crate::reference::site::Site;

/// How long the peer has to answer our Close, and again to end TCP.
const FAREWELL: Duration = Duration::from_millis(700);
/// The same when the service ends.
const HASTY_FAREWELL: Duration = Duration::from_millis(30);

/// Serves a socket until one side ends it; the session stays.
pub(super) async fn serve<S>(backend: Arc<Backend>, stream: S, number: u64, cut: CancellationToken)
where
    S: AsyncRead + AsyncWrite,
{
    let (read, write) = tokio::io::split(stream);
    let mut reader = reader(&backend.site, read);
    let mut writer = Writer { io: write, site: &backend.site };
    let Some(wake) = backend.hub().wake_of(number) else { return };
    let line = Line::new(&backend, number, wake);
    let parting = line.converse(&mut reader, &mut writer, &cut).await;
    backend.hub().detach(number);
    if let Some(parting) = parting {
        farewell(&mut reader, &mut writer, parting, &cut).await;
    }
}

/// A strict reader of this environment's limits.
pub(super) fn reader<S: AsyncRead>(site: &Site, io: ReadHalf<S>) -> Reader<ReadHalf<S>> {
    Reader::new(io, site.conduct.settings.max_message_bytes as u64, site.policy().frames)
}

/// How a conversation ends on the wire.
pub(super) enum Parting {
    /// With a Close frame; whether the peer has sent one already.
    Frame { code: u16, reason: String, is_answer: bool },
    /// Without one.
    Silent,
}

/// Closes the WebSocket and ends TCP, so that the peer sees both.
pub(super) async fn farewell<S: AsyncRead + AsyncWrite>(
    reader: &mut Reader<ReadHalf<S>>,
    writer: &mut Writer<'_, S>,
    parting: Parting,
    cut: &CancellationToken,
) {
    let policy = writer.site.policy();
    if let Parting::Frame { code, reason, is_answer } = parting {
        let code = if is_answer && policy.session.close_1006_on_wire.on() { 1006 } else { code };
        let mut octets = frames::close(code, &reason, policy.frames);
        if policy.frames.data_after_close.on() {
            octets.extend_from_slice(&frames::text_message("{\"type\":\"pong\",\"payload\":{}}", 1, policy.frames));
        }
        if writer.write(&octets).await.is_err() {
            return;
        }
        if !is_answer {
            // The peer may never answer; TCP ends all the same.
            patiently(until_closed(reader), cut).await;
        }
        if policy.session.never_closes.on() {
            cut.cancelled().await;
        }
    }
    if writer.io.shutdown().await.is_ok() {
        // What is read here would otherwise turn our last words into a reset.
        patiently(reader.drain(), cut).await;
    }
}

/// Waits for a peer that may never do its part.
async fn patiently(part: impl Future<Output = ()>, cut: &CancellationToken) {
    let hasty = async {
        cut.cancelled().await;
        tokio::time::sleep(HASTY_FAREWELL).await;
    };
    tokio::select! {
        () = part => {}
        () = tokio::time::sleep(FAREWELL) => {}
        () = hasty => {}
    }
}

async fn until_closed<R: AsyncRead + Unpin>(reader: &mut Reader<R>) {
    loop {
        match reader.next().await {
            Ok(Incoming::Close(_) | Incoming::End) => return,
            Ok(_) => {}
            // Behind a breach no Close can be told from anything else.
            Err(_) => return,
        }
    }
}

/// Writes frames.
pub(super) struct Writer<'a, S> {
    pub(super) io: WriteHalf<S>,
    pub(super) site: &'a Site,
}

impl<S: AsyncRead + AsyncWrite> Writer<'_, S> {
    pub(super) async fn write(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.io.write_all(octets).await?;
        self.io.flush().await
    }

    /// Writes a message as one frame, or as several where the environment does so.
    pub(super) async fn message(&mut self, entry: &Entry) -> std::io::Result<()> {
        let parts = if self.site.permitted().fragmented_frames.on() { 3 } else { 1 };
        let text = outbound::text(self.site, entry);
        self.write(&frames::text_message(&text, parts, self.site.policy().frames)).await
    }
}
