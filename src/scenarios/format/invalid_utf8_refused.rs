use super::ends::{Ping, ends_without_effect, neighbour_lives};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, Need};
use crate::target::frame::{RawFrame, opcode};

pub(super) static CHECK: Check = check!("format/invalid-utf8-refused", run).needs(&[Need::Raw]);

/// Octets that no UTF-8 text holds: a lone continuation, an overlong slash, half a surrogate pair,
/// a character that is cut off.
const INVALID: [(&str, &[u8]); 4] = [
    ("a lone continuation octet", &[0x80]),
    ("an overlong form", &[0xC0, 0xAF]),
    ("a surrogate", &[0xED, 0xA0, 0x80]),
    ("a character cut off", &[0xE2, 0x82]),
];

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let neighbour = cx.session(&login.access).await?;
    for (what, invalid) in INVALID {
        cx.step(format!("{what} in the text of a ping"));
        let ping = Ping::padded(cx, 256);
        let mut octets = ping.text.into_bytes();
        // Within the padding: but for it the ping is good.
        if let Some(place) = octets.windows(2).position(|pair| pair == b"pp") {
            octets.splice(place..place + invalid.len(), invalid.iter().copied());
        }
        ends_without_effect(cx, &login, vec![RawFrame::new(opcode::TEXT, octets)], &ping.id, 1007).await?;
    }
    neighbour_lives(cx, neighbour).await?;
    cx.conforms()
}
