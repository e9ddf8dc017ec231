//! The server's side of RFC 6455 frames: strict in what it reads, plain in what it writes.
//!
//! An own codec, because libraries repair or hide what the contract speaks of: masks, reserved
//! bits, minimal lengths, fragments, pings.

use std::ops::ControlFlow;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::reference::policy::FramePolicy;

/// Most octets of a control frame's payload.
const CONTROL_LIMIT: usize = 125;
/// What even [`FramePolicy::accepts_oversize`] does not exceed.
const OVERSIZE_LIMIT: u64 = 64 << 20;

/// Opcodes of RFC 6455, 5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    const fn of(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    const fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// What a peer sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// A whole message.
    Text(String),
    Ping(Bytes),
    Pong(Bytes),
    /// A Close frame; its code where it bears one.
    Close(Option<u16>),
    /// TCP ended.
    End,
}

/// A breach of RFC 6455 and the close code that it deserves.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) code: u16,
    pub(super) what: &'static str,
}

const fn violation(code: u16, what: &'static str) -> Violation {
    Violation { code, what }
}

/// A frame's header.
struct Header {
    is_final: bool,
    opcode: Option<Opcode>,
    reserved: bool,
    mask: Option<[u8; 4]>,
    minimal: bool,
    /// Octets of the header itself.
    size: usize,
    length: u64,
}

impl Header {
    /// `None` while the header is incomplete.
    fn parse(octets: &[u8]) -> Option<Self> {
        let (first, second) = (*octets.first()?, *octets.get(1)?);
        let (length, least, mut size) = match second & 0x7F {
            126 => (u64::from(u16::from_be_bytes(octets.get(2..4)?.try_into().ok()?)), 126, 4),
            127 => (u64::from_be_bytes(octets.get(2..10)?.try_into().ok()?), 1 << 16, 10),
            short => (u64::from(short), 0, 2),
        };
        let mask = match second & 0x80 {
            0 => None,
            _ => {
                let mask = octets.get(size..size + 4)?.try_into().ok()?;
                size += 4;
                Some(mask)
            }
        };
        Some(Self {
            is_final: first & 0x80 != 0,
            opcode: Opcode::of(first & 0x0F),
            reserved: first & 0x70 != 0,
            mask,
            minimal: length >= least && length >> 63 == 0,
            size,
            length,
        })
    }
}

/// Reads messages and control frames; [`Self::next`] may be dropped and called again at any point.
pub(super) struct Reader<R> {
    io: R,
    buffer: BytesMut,
    /// A message whose last fragment has not come: text or not, and its octets so far.
    partial: Option<(bool, BytesMut)>,
    max_message: u64,
    policy: FramePolicy,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(io: R, max_message: u64, policy: FramePolicy) -> Self {
        let max_message = if policy.accepts_oversize.on() { OVERSIZE_LIMIT } else { max_message };
        let max_message = if policy.refuses_at_limit.on() { max_message - 1 } else { max_message };
        Self { io, buffer: BytesMut::new(), partial: None, max_message, policy }
    }

    /// The next message or control frame.
    pub(super) async fn next(&mut self) -> Result<Incoming, Violation> {
        loop {
            while let Some(header) = Header::parse(&self.buffer) {
                self.judge(&header)?;
                let length = usize::try_from(header.length).map_err(|_| violation(1009, "message too big"))?;
                if self.buffer.len() < header.size + length {
                    break;
                }
                self.buffer.advance(header.size);
                let mut payload = self.buffer.split_to(length);
                if let Some(mask) = header.mask {
                    apply_mask(&mut payload, mask);
                }
                if let ControlFlow::Break(incoming) = self.take(&header, payload)? {
                    return Ok(incoming);
                }
            }
            self.buffer.reserve(1024);
            match self.io.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return Ok(Incoming::End),
                Ok(_) => {}
            }
        }
    }

    /// Reads and forgets until the peer closes.
    pub(super) async fn drain(&mut self) {
        loop {
            self.buffer.clear();
            match self.io.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    /// What can be said of a frame before its payload has come.
    fn judge(&self, header: &Header) -> Result<(), Violation> {
        if !header.minimal {
            return Err(violation(1002, "length not in its shortest form"));
        }
        if (header.reserved || header.opcode.is_none()) && !self.policy.accepts_reserved_opcode.on() {
            return Err(violation(1002, "reserved bit or opcode"));
        }
        if header.mask.is_none() && !self.policy.accepts_unmasked.on() {
            return Err(violation(1002, "frame without a mask"));
        }
        let control = header.opcode.is_some_and(Opcode::is_control);
        if control
            && (!header.is_final || header.length > CONTROL_LIMIT as u64)
            && !self.policy.accepts_long_control.on()
        {
            return Err(violation(1002, "long or fragmented control frame"));
        }
        let so_far = self.partial.as_ref().filter(|_| !control).map_or(0, |(_, octets)| octets.len() as u64);
        if so_far.saturating_add(header.length) > self.max_message {
            return Err(violation(1009, "message too big"));
        }
        Ok(())
    }

    /// A whole frame: what it completes, if anything.
    fn take(&mut self, header: &Header, payload: BytesMut) -> Result<ControlFlow<Incoming>, Violation> {
        let opcode = match header.opcode {
            Some(opcode) if !header.reserved => opcode,
            _ => return Ok(ControlFlow::Continue(())),
        };
        match opcode {
            Opcode::Ping => Ok(ControlFlow::Break(Incoming::Ping(payload.freeze()))),
            Opcode::Pong => Ok(ControlFlow::Break(Incoming::Pong(payload.freeze()))),
            Opcode::Close => close_code(&payload).map(|code| ControlFlow::Break(Incoming::Close(code))),
            Opcode::Continuation | Opcode::Text | Opcode::Binary => self.take_data(opcode, header.is_final, payload),
        }
    }

    fn take_data(
        &mut self,
        opcode: Opcode,
        is_final: bool,
        payload: BytesMut,
    ) -> Result<ControlFlow<Incoming>, Violation> {
        let (is_text, octets) = match (self.partial.take(), opcode) {
            (None, Opcode::Continuation) => return Err(violation(1002, "continuation of nothing")),
            (None, _) => (opcode == Opcode::Text, payload),
            (Some((is_text, mut octets)), Opcode::Continuation) => {
                octets.extend_from_slice(&payload);
                (is_text, octets)
            }
            (Some(_), _) => return Err(violation(1002, "new message within another")),
        };
        if !is_text && !self.policy.accepts_binary.on() {
            return Err(violation(1003, "binary message"));
        }
        if self.policy.breaks_on_fragments.on() {
            if !is_final {
                self.partial = Some((is_text, BytesMut::new()));
            }
        } else if !is_final {
            self.partial = Some((is_text, octets));
            return Ok(ControlFlow::Continue(()));
        }
        let text = match String::from_utf8(octets.into()) {
            Ok(text) => text,
            Err(error) if self.policy.accepts_invalid_utf8.on() => {
                String::from_utf8_lossy(error.as_bytes()).into_owned()
            }
            Err(_) => return Err(violation(1007, "text that is not UTF-8")),
        };
        Ok(ControlFlow::Break(Incoming::Text(text)))
    }
}

/// The code of a Close frame's payload.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    match payload {
        [] => Ok(None),
        [_] => Err(violation(1002, "close code of one octet")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(violation(1002, "close code that may not be sent"));
            }
            std::str::from_utf8(reason).map_err(|_| violation(1007, "close reason that is not UTF-8"))?;
            Ok(Some(code))
        }
    }
}

fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    for (octet, key) in payload.iter_mut().zip(mask.into_iter().cycle()) {
        *octet ^= key;
    }
}

/// A frame of the server's as it stands on the wire.
pub(super) fn frame(opcode: Opcode, is_final: bool, payload: &[u8], policy: FramePolicy) -> BytesMut {
    let mask = policy.masks_frames.on().then_some([0x37, 0xfa, 0x21, 0x3d]);
    let mut octets = BytesMut::with_capacity(payload.len() + 14);
    octets.put_u8(opcode as u8 | if is_final { 0x80 } else { 0 });
    let mask_bit = if mask.is_some() { 0x80 } else { 0 };
    match payload.len() {
        short @ ..=125 => octets.put_u8(mask_bit | short as u8),
        medium @ ..=0xFFFF => {
            octets.put_u8(mask_bit | 126);
            octets.put_u16(medium as u16);
        }
        long => {
            octets.put_u8(mask_bit | 127);
            octets.put_u64(long as u64);
        }
    }
    octets.extend_from_slice(&mask.unwrap_or_default()[..if mask.is_some() { 4 } else { 0 }]);
    let start = octets.len();
    octets.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(&mut octets[start..], mask);
    }
    octets
}

/// A text message in `parts` frames; their borders may lie within a character.
pub(super) fn text_message(text: &str, parts: usize, policy: FramePolicy) -> BytesMut {
    let octets = text.as_bytes();
    let size = octets.len().div_ceil(parts.max(1)).max(1);
    let last = octets.len().div_ceil(size).saturating_sub(1);
    if last == 0 {
        return frame(Opcode::Text, true, octets, policy);
    }
    let mut wire = BytesMut::with_capacity(octets.len() + 14 * parts);
    for (index, part) in octets.chunks(size).enumerate() {
        let opcode = if index == 0 { Opcode::Text } else { Opcode::Continuation };
        wire.extend_from_slice(&frame(opcode, index == last, part, policy));
    }
    wire
}

/// A Close frame; a reason that is too long is cut at a character, as 7.1.6 of the RFC asks.
pub(super) fn close(code: u16, reason: &str, policy: FramePolicy) -> BytesMut {
    if policy.close_without_code.on() {
        return frame(Opcode::Close, true, &[], policy);
    }
    let mut payload = code.to_be_bytes().to_vec();
    if policy.long_close_reason.on() {
        payload.extend_from_slice(reason.as_bytes());
        payload.resize(2 + 150, b'.');
    } else {
        payload.extend_from_slice(&reason.as_bytes()[..reason.floor_char_boundary(CONTROL_LIMIT - 2)]);
    }
    frame(Opcode::Close, true, &payload, policy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Policy;

    const MASK: [u8; 4] = [1, 2, 3, 4];

    fn from_client(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut octets = vec![first];
        match payload.len() {
            short @ ..=125 => octets.push(0x80 | short as u8),
            medium @ ..=0xFFFF => {
                octets.push(0x80 | 126);
                octets.extend((medium as u16).to_be_bytes());
            }
            long => {
                octets.push(0x80 | 127);
                octets.extend((long as u64).to_be_bytes());
            }
        }
        octets.extend(MASK);
        let mut masked = payload.to_vec();
        apply_mask(&mut masked, MASK);
        octets.extend(masked);
        octets
    }

    async fn read(octets: &[u8]) -> Vec<Result<Incoming, Violation>> {
        read_with(octets, FramePolicy::default()).await
    }

    async fn read_with(octets: &[u8], policy: FramePolicy) -> Vec<Result<Incoming, Violation>> {
        let mut reader = Reader::new(octets, 65_536, policy);
        let mut all = Vec::new();
        loop {
            match reader.next().await {
                Ok(Incoming::End) => return all,
                Ok(incoming) => all.push(Ok(incoming)),
                Err(violation) => {
                    all.push(Err(violation));
                    return all;
                }
            }
        }
    }

    async fn code_of(octets: &[u8]) -> u16 {
        match read(octets).await.pop() {
            Some(Err(violation)) => violation.code,
            other => panic!("no violation but {other:?}"),
        }
    }

    #[tokio::test]
    async fn fragments_become_one_message_with_a_ping_between() {
        let octets = [
            from_client(0x01, "gr\u{fc}".as_bytes()),
            from_client(0x89, b"p"),
            from_client(0x80, "\u{df}e".as_bytes()),
        ];
        let seen = read(&octets.concat()).await;
        assert_eq!(seen, [Ok(Incoming::Ping(Bytes::from_static(b"p"))), Ok(Incoming::Text("gr\u{fc}\u{df}e".into()))]);
    }

    #[tokio::test]
    async fn a_character_may_be_split_between_fragments() {
        let euro = "€".as_bytes();
        let octets = [from_client(0x01, &euro[..1]), from_client(0x80, &euro[1..])].concat();
        assert_eq!(read(&octets).await, [Ok(Incoming::Text("€".into()))]);
    }

    #[tokio::test]
    async fn the_limit_passes_and_one_more_does_not() {
        let seen = read(&from_client(0x81, &vec![b'a'; 65_536])).await;
        assert!(matches!(&seen[..], [Ok(Incoming::Text(text))] if text.len() == 65_536));
        assert_eq!(code_of(&from_client(0x81, &vec![b'a'; 65_537])).await, 1009);
        let fragments = [from_client(0x01, &vec![b'a'; 65_530]), from_client(0x80, b"1234567")].concat();
        assert_eq!(code_of(&fragments).await, 1009);
    }

    #[tokio::test]
    async fn breaches_get_their_codes() {
        assert_eq!(code_of(&[0x81, 0x01, b'a']).await, 1002, "unmasked");
        assert_eq!(code_of(&from_client(0xC1, b"a")).await, 1002, "reserved bit");
        assert_eq!(code_of(&from_client(0x83, b"a")).await, 1002, "reserved opcode");
        assert_eq!(code_of(&from_client(0x09, b"a")).await, 1002, "fragmented ping");
        assert_eq!(code_of(&from_client(0x89, &[b'a'; 126])).await, 1002, "long ping");
        assert_eq!(code_of(&from_client(0x80, b"a")).await, 1002, "stray continuation");
        assert_eq!(code_of(&[from_client(0x01, b"a"), from_client(0x81, b"b")].concat()).await, 1002, "nested");
        assert_eq!(code_of(&[0x81, 0xFE, 0, 1, 0, 0, 0, 0, b'a']).await, 1002, "length not minimal");
        assert_eq!(code_of(&from_client(0x88, &1005_u16.to_be_bytes())).await, 1002, "forbidden close code");
        assert_eq!(code_of(&from_client(0x82, b"a")).await, 1003, "binary");
        assert_eq!(code_of(&from_client(0x81, &[0xC3, 0x28])).await, 1007, "invalid UTF-8");
    }

    #[tokio::test]
    async fn switched_off_rules_let_frames_pass() {
        let mut policy = Policy::default();
        assert!(policy.switch_on("accepts-reserved-opcode") && policy.switch_on("accepts-invalid-utf8"));
        let octets = [from_client(0x83, b"skipped"), from_client(0x81, &[b'a', 0xFF])].concat();
        assert_eq!(read_with(&octets, policy.frames).await, [Ok(Incoming::Text("a\u{FFFD}".into()))]);
    }

    #[test]
    fn lengths_are_minimal_and_reasons_short() {
        let policy = FramePolicy::default();
        assert_eq!(frame(Opcode::Text, true, &[0; 125], policy)[..2], [0x81, 125]);
        assert_eq!(frame(Opcode::Text, true, &[0; 126], policy)[..4], [0x81, 126, 0, 126]);
        assert_eq!(frame(Opcode::Text, true, &vec![0; 65_536], policy)[..4], [0x81, 127, 0, 0]);
        assert_eq!(close(1008, &"ä".repeat(100), policy)[1], 2 + 122);
    }
}
