use super::ends::{Ping, ends_without_effect, neighbour_lives};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, Need};
use crate::target::frame::{RawFrame, opcode};

pub(super) static CHECK: Check = check!("format/protocol-errors-refused", run).needs(&[Need::Raw]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let neighbour = cx.session(&login.access).await?;
    let all: [(&str, fn(&Ping) -> Vec<RawFrame>); 7] = [
        ("an unmasked frame", |ping| vec![RawFrame::text(&ping.text).unmasked()]),
        ("a reserved bit without an extension", |ping| vec![RawFrame::text(&ping.text).rsv(4)]),
        ("a reserved data opcode", |ping| vec![RawFrame::new(3, ping.text.as_str())]),
        ("a reserved control opcode", |ping| vec![RawFrame::new(11, ping.id.as_str())]),
        ("a ping frame of 126 octets", |ping| {
            vec![RawFrame::new(opcode::PING, format!("{:126}", ping.id))]
        }),
        ("a fragmented ping frame", |ping| {
            let first = RawFrame::new(opcode::PING, ping.id.as_str()).unfinished();
            vec![first, RawFrame::new(opcode::CONTINUATION, "")]
        }),
        ("a continuation of nothing", |ping| vec![RawFrame::new(opcode::CONTINUATION, ping.text.as_str())]),
    ];
    for (step, frames) in all {
        cx.step(step);
        let ping = Ping::new(cx);
        ends_without_effect(cx, &login, frames(&ping), &ping.id, 1002).await?;
    }
    neighbour_lives(cx, neighbour).await?;
    cx.conforms()
}
