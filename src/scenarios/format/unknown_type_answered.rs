use crate::check;
use crate::check::{Check, Context};
use crate::model::Judgement;
use crate::wire::{ErrorCode, Kind, Message};

pub(super) static CHECK: Check = check!("format/unknown-type-answered", run);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    cx.step("control: a known type");
    cx.alive(socket).await?;
    socket.mark_broken();
    // The control's own message; the type alone differs.
    for (step, name) in [
        ("a type that nobody knows", "no_such_type"),
        ("a known type in capitals", "PING"),
        ("an empty type", ""),
        ("a type that only servers send", Kind::AgentStarted.slug()),
    ] {
        cx.step(step);
        let kind = Kind::named(name).unwrap_or_else(|| Kind::Other(name.to_owned()));
        let answer = cx.answer(socket, Message::new(kind)).await?;
        // What deployments of some contracts say in place of an error.
        if answer.kind != Kind::Ack || !cx.contract().declares_kind(&Kind::Ack) {
            cx.is_error(socket, &answer, &[ErrorCode::UnknownType])?;
        }
    }
    cx.step("control: the connection lives");
    cx.alive(socket).await?;
    session.close().await;
    cx.conforms()
}
