//! From frames to messages, for the transcript and for the checks.

use super::frame::opcode;

/// Most octets of a message in fragments; beyond it the message is given up.
const LARGEST: usize = 64 << 20;

/// A whole message or control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    /// A text message.
    Text(String),
    /// A text message that is no UTF-8, or a binary one: in hexadecimal.
    Octets { text: bool, hex: String },
    /// A Close frame.
    Close { code: Option<u16>, reason: String },
    /// A ping.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
}

/// What the transcript shows of a frame, and the message that it completes.
#[derive(Debug)]
pub(super) struct Assembled {
    /// Of a message in fragments the last frame shows the whole text and those before it none: a secret cut in two
    /// would not be recognised.
    pub(super) payload: String,
    pub(super) close_code: Option<u16>,
    pub(super) utf8: bool,
    pub(super) whole: Option<Whole>,
}

/// Puts the frames of one direction together.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// Opcode and octets of the message that has begun.
    begun: Option<(u8, Vec<u8>)>,
}

impl Assembler {
    pub(super) fn add(&mut self, fin: bool, code: u8, payload: &[u8]) -> Assembled {
        match code {
            opcode::CLOSE => close(payload),
            opcode::PING => control(payload, Whole::Ping(payload.to_vec())),
            opcode::PONG => control(payload, Whole::Pong(payload.to_vec())),
            opcode::TEXT | opcode::BINARY if fin => message(code == opcode::TEXT, payload.to_vec()),
            opcode::TEXT | opcode::BINARY => {
                self.begun = Some((code, payload.to_vec()));
                part()
            }
            opcode::CONTINUATION => match self.begun.take() {
                Some((begun, mut octets)) if octets.len() + payload.len() <= LARGEST => {
                    octets.extend_from_slice(payload);
                    if fin {
                        return message(begun == opcode::TEXT, octets);
                    }
                    self.begun = Some((begun, octets));
                    part()
                }
                _ => unknown(payload),
            },
            _ => unknown(payload),
        }
    }
}

fn part() -> Assembled {
    Assembled { payload: String::new(), close_code: None, utf8: true, whole: None }
}

fn unknown(payload: &[u8]) -> Assembled {
    Assembled { payload: hex(payload), close_code: None, utf8: std::str::from_utf8(payload).is_ok(), whole: None }
}

fn control(payload: &[u8], whole: Whole) -> Assembled {
    Assembled { whole: Some(whole), ..unknown(payload) }
}

fn message(text: bool, octets: Vec<u8>) -> Assembled {
    match String::from_utf8(octets) {
        Ok(string) if text => {
            Assembled { payload: string.clone(), close_code: None, utf8: true, whole: Some(Whole::Text(string)) }
        }
        other => {
            let utf8 = other.is_ok();
            let hex = hex(&other.map_or_else(std::string::FromUtf8Error::into_bytes, String::into_bytes));
            let whole = Some(Whole::Octets { text, hex: hex.clone() });
            Assembled { payload: hex, close_code: None, utf8, whole }
        }
    }
}

fn close(payload: &[u8]) -> Assembled {
    let (code, reason) = match payload.split_first_chunk::<2>() {
        Some((code, reason)) => (Some(u16::from_be_bytes(*code)), reason),
        None => (None, payload),
    };
    let utf8 = std::str::from_utf8(reason).is_ok();
    let reason = String::from_utf8_lossy(reason).into_owned();
    Assembled { payload: reason.clone(), close_code: code, utf8, whole: Some(Whole::Close { code, reason }) }
}

pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_make_one_text_with_controls_in_between() {
        let mut assembler = Assembler::default();
        let snowman = "a☃".as_bytes();
        assert!(assembler.add(false, opcode::TEXT, &snowman[..2]).whole.is_none());
        assert_eq!(assembler.add(true, opcode::PING, b"x").whole, Some(Whole::Ping(b"x".to_vec())));
        let last = assembler.add(true, opcode::CONTINUATION, &snowman[2..]);
        assert_eq!((last.payload.as_str(), last.whole), ("a☃", Some(Whole::Text("a☃".into()))));
        assert!(assembler.add(true, opcode::CONTINUATION, b"x").whole.is_none());
    }

    #[test]
    fn octets_that_are_no_text_are_told() {
        let invalid = Assembler::default().add(true, opcode::TEXT, &[0xff]);
        assert!(!invalid.utf8);
        assert_eq!(invalid.whole, Some(Whole::Octets { text: true, hex: "ff".into() }));
        let close = Assembler::default().add(true, opcode::CLOSE, &[3, 0xf0, b'o', b'k']);
        assert_eq!((close.close_code, close.payload.as_str()), (Some(1008), "ok"));
    }
}
