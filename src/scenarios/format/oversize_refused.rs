use super::ends::{Ping, ends_without_effect, neighbour_lives};
use crate::check;
use crate::check::{Check, Context};
use crate::model::Judgement;
use crate::target::frame::RawFrame;

pub(super) static CHECK: Check = check!("format/oversize-refused", run);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let neighbour = cx.session(&login.access).await?;
    let limit = cx.config().max_message_bytes;
    cx.step(format!("a ping of {} octets in one frame, limit {limit}", limit + 1));
    let ping = Ping::padded(cx, limit + 1);
    ends_without_effect(cx, &login, vec![RawFrame::text(&ping.text)], &ping.id, 1009).await?;
    neighbour_lives(cx, neighbour).await?;
    cx.conforms()
}
