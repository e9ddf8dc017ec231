//! WebSocket frames as octets (RFC 6455, section 5.2): every frame that can be written, legal or
//! not, and every frame that comes, with all that a lenient codec would hide.

use bytes::{Buf, BytesMut};

use crate::model::Head;

/// Opcodes of RFC 6455.
#[expect(missing_docs, reason = "each name is the RFC's")]
pub mod opcode {
    pub const CONTINUATION: u8 = 0;
    pub const TEXT: u8 = 1;
    pub const BINARY: u8 = 2;
    pub const CLOSE: u8 = 8;
    pub const PING: u8 = 9;
    pub const PONG: u8 = 10;
}

/// Largest payload that is read: well above every contract's `max_message_bytes`.
const LARGEST: u64 = 64 << 20;

/// How a frame states its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthForm {
    /// In the fewest octets, as it must be.
    Shortest,
    /// In two further octets.
    TwoOctets,
    /// In eight further octets.
    EightOctets,
    /// In eight further octets, and another length than it has.
    Claimed(u64),
}

/// A frame to be written, however illegal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame {
    /// FIN bit.
    pub fin: bool,
    /// The three reserved bits as the number they form.
    pub rsv: u8,
    /// Opcode, 0 to 15.
    pub opcode: u8,
    /// MASK bit, and a masked payload.
    pub masked: bool,
    /// How the length is stated.
    pub length: LengthForm,
    /// Payload before masking.
    pub payload: Vec<u8>,
}

impl RawFrame {
    /// A whole, masked frame of this opcode.
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self { fin: true, rsv: 0, opcode, masked: true, length: LengthForm::Shortest, payload: payload.into() }
    }

    /// A text message in one frame.
    pub fn text(text: &str) -> Self {
        Self::new(opcode::TEXT, text)
    }

    /// A Close frame; without a code its payload is empty.
    pub fn close(code: Option<u16>, reason: &str) -> Self {
        let mut payload = code.map(u16::to_be_bytes).map_or_else(Vec::new, Vec::from);
        payload.extend_from_slice(reason.as_bytes());
        Self::new(opcode::CLOSE, payload)
    }

    /// The same, not the last of its message.
    #[must_use]
    pub const fn unfinished(mut self) -> Self {
        self.fin = false;
        self
    }

    /// The same with reserved bits set.
    #[must_use]
    pub const fn rsv(mut self, bits: u8) -> Self {
        self.rsv = bits;
        self
    }

    /// The same without a mask.
    #[must_use]
    pub const fn unmasked(mut self) -> Self {
        self.masked = false;
        self
    }

    /// The same with its length stated in another form.
    #[must_use]
    pub const fn length(mut self, form: LengthForm) -> Self {
        self.length = form;
        self
    }

    /// Its octets, masked with `key` where it is masked.
    pub fn encode(&self, key: [u8; 4]) -> Vec<u8> {
        let mut octets = Vec::with_capacity(self.payload.len() + 14);
        octets.push(u8::from(self.fin) << 7 | (self.rsv & 7) << 4 | self.opcode & 15);
        let mask = u8::from(self.masked) << 7;
        let length = self.payload.len() as u64;
        match (self.length, length) {
            (LengthForm::Shortest, 0..=125) => octets.push(mask | length as u8),
            (LengthForm::Shortest, 126..=0xffff) | (LengthForm::TwoOctets, _) => {
                octets.push(mask | 126);
                octets.extend_from_slice(&(length as u16).to_be_bytes());
            }
            (LengthForm::Shortest | LengthForm::EightOctets, _) => {
                octets.push(mask | 127);
                octets.extend_from_slice(&length.to_be_bytes());
            }
            (LengthForm::Claimed(claimed), _) => {
                octets.push(mask | 127);
                octets.extend_from_slice(&claimed.to_be_bytes());
            }
        }
        if self.masked {
            octets.extend_from_slice(&key);
            octets.extend(self.payload.iter().zip(key.iter().cycle()).map(|(octet, key)| octet ^ key));
        } else {
            octets.extend_from_slice(&self.payload);
        }
        octets
    }

    /// Its head as the transcript shows it.
    pub fn head(&self) -> Head {
        let length = self.payload.len() as u64;
        Head {
            fin: self.fin,
            rsv: self.rsv & 7,
            opcode: self.opcode & 15,
            masked: self.masked,
            length: if let LengthForm::Claimed(claimed) = self.length { claimed } else { length },
            minimal: match self.length {
                LengthForm::Shortest => true,
                LengthForm::TwoOctets => length > 125,
                LengthForm::EightOctets => length > 0xffff,
                LengthForm::Claimed(claimed) => claimed > 0xffff,
            },
        }
    }
}

/// A length that cannot be followed; the stream is lost behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame claims {0} octets")]
pub struct ImpossibleLength(pub u64);

/// Cuts a stream of octets into frames.
#[derive(Debug, Default)]
pub struct Decoder {
    octets: BytesMut,
}

impl Decoder {
    /// Takes what was read.
    pub fn feed(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// Octets of a frame that has begun and is not whole.
    pub fn pending(&self) -> usize {
        self.octets.len()
    }

    /// The next whole frame: its head and its payload, unmasked where it was masked.
    ///
    /// # Errors
    /// [`ImpossibleLength`]; the decoder is of no use afterwards.
    pub fn next_frame(&mut self) -> Result<Option<(Head, Vec<u8>)>, ImpossibleLength> {
        let [first, second, rest @ ..] = self.octets.as_ref() else { return Ok(None) };
        let (length, extended) = match second & 127 {
            126 => match rest {
                [a, b, ..] => (u64::from(u16::from_be_bytes([*a, *b])), 2),
                _ => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(octets) => (u64::from_be_bytes(*octets), 8),
                None => return Ok(None),
            },
            short => (u64::from(short), 0),
        };
        if length > LARGEST {
            return Err(ImpossibleLength(length));
        }
        let head = Head {
            fin: first & 128 != 0,
            rsv: first >> 4 & 7,
            opcode: first & 15,
            masked: second & 128 != 0,
            length,
            minimal: match extended {
                2 => length > 125,
                8 => length > 0xffff,
                _ => true,
            },
        };
        let key = if head.masked { 4 } else { 0 };
        let start = 2 + extended + key;
        let whole = start + usize::try_from(length).map_err(|_| ImpossibleLength(length))?;
        if self.octets.len() < whole {
            self.octets.reserve(whole - self.octets.len());
            return Ok(None);
        }
        let mut frame = self.octets.split_to(whole);
        frame.advance(2 + extended);
        let mask = frame.split_to(key);
        let payload = match head.masked {
            true => frame.iter().zip(mask.iter().cycle()).map(|(octet, key)| octet ^ key).collect(),
            false => frame.to_vec(),
        };
        Ok(Some((head, payload)))
    }
}

/// What RFC 6455 forbids in a single frame of a server, in the words of a report.
pub fn violations(head: &Head) -> Vec<&'static str> {
    let control = head.opcode >= 8;
    let rules = [
        (head.masked, "masked by the server (5.1)"),
        (head.rsv != 0, "a reserved bit is set and no extension was agreed on (5.2)"),
        (matches!(head.opcode, 3..=7 | 11..=15), "a reserved opcode (5.2)"),
        (!head.minimal, "the length is not in its shortest form (5.2)"),
        (control && head.length > 125, "a control frame of more than 125 octets (5.5)"),
        (control && !head.fin, "a control frame in fragments (5.5)"),
    ];
    rules.into_iter().filter_map(|(violated, rule)| violated.then_some(rule)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn frames()(
            fin: bool, rsv in 0_u8..8, opcode in 0_u8..16, masked: bool,
            form in prop_oneof![
                Just(LengthForm::Shortest), Just(LengthForm::TwoOctets), Just(LengthForm::EightOctets)
            ],
            payload in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..300), (any::<u8>(), 65_530_usize..65_540).prop_map(|(octet, length)| vec![octet; length])
            ],
        ) -> RawFrame {
            let length = if payload.len() > 0xffff { LengthForm::Shortest } else { form };
            RawFrame { fin, rsv, opcode, masked, length, payload }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read_back(
            written in prop::collection::vec((frames(), any::<[u8; 4]>()), 1..5), cut in 1_usize..4_096,
        ) {
            let octets: Vec<u8> = written.iter().flat_map(|(frame, key)| frame.encode(*key)).collect();
            let mut decoder = Decoder::default();
            let mut read = Vec::new();
            for piece in octets.chunks(cut) {
                decoder.feed(piece);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    read.push(frame);
                }
            }
            prop_assert_eq!(decoder.pending(), 0);
            let written: Vec<_> = written.into_iter().map(|(frame, _)| (frame.head(), frame.payload)).collect();
            prop_assert_eq!(read, written);
        }

        #[test]
        fn no_octets_upset_the_decoder(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::default();
            decoder.feed(&octets);
            while let Ok(Some(_)) = decoder.next_frame() {}
        }
    }

    #[test]
    fn violations_are_named() {
        let legal = RawFrame::text("x").unmasked().head();
        assert!(violations(&legal).is_empty());
        let bad = RawFrame::new(11, vec![0; 126]).rsv(4).unfinished().length(LengthForm::EightOctets).head();
        assert_eq!(violations(&bad).len(), 6);
    }

    #[test]
    fn a_length_beyond_reason_ends_the_stream() {
        let mut decoder = Decoder::default();
        decoder.feed(&RawFrame::text("x").length(LengthForm::Claimed(u64::MAX)).encode([0; 4]));
        assert_eq!(decoder.next_frame(), Err(ImpossibleLength(u64::MAX)));
    }
}
