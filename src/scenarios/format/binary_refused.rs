use super::ends::{Ping, ends_without_effect, neighbour_lives};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, Need};
use crate::target::frame::{RawFrame, opcode};

pub(super) static CHECK: Check = check!("format/binary-refused", run).needs(&[Need::Raw]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let neighbour = cx.session(&login.access).await?;
    cx.step("a ping in a binary frame");
    let ping = Ping::new(cx);
    ends_without_effect(cx, &login, vec![RawFrame::new(opcode::BINARY, ping.text)], &ping.id, 1003).await?;
    neighbour_lives(cx, neighbour).await?;
    cx.conforms()
}
