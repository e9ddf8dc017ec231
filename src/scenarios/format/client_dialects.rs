use super::details::names_field;
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, NotVerified};
use crate::wire::{Contract, ErrorCode, Kind, Message};

pub(super) static CHECK: Check = check!("format/client-dialects", run).should();

const FIELDS: [&str; 2] = ["text", "message"];

async fn run(cx: &Context) -> Judgement {
    if FIELDS.into_iter().any(|field| is_content(cx.contract(), field)) {
        let what = "one name for what users write: this contract knows several";
        return Err(NotVerified::Unpromised(what.into()).into());
    }
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    cx.step("control: the connection answers");
    cx.alive(socket).await?;
    socket.mark_broken();
    for kind in [Kind::UserMessage, Kind::StartAgent] {
        for field in FIELDS {
            cx.step(format!("{kind} with `{field}` in place of `content`"));
            let message = Message::new(kind.clone()).with(field, "Say hello.");
            let answer = cx.ask_refused(socket, message, &[ErrorCode::InvalidMessage]).await?;
            names_field(cx, socket, &answer, cx.contract().wire_field(&kind, "content"))?;
        }
    }
    session.close().await;
    cx.conforms()
}

/// Whether the contract itself reads `field` as the content of a user's message.
fn is_content(contract: &Contract, field: &str) -> bool {
    let text = contract.write(&Message::new(Kind::UserMessage).with(field, "x"), None).to_string();
    contract.read_client(&text).is_ok_and(|message| message.content().is_some())
}
