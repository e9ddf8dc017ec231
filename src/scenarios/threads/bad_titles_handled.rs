use serde_json::json;

use crate::check;
use crate::check::work::about;
use crate::check::{Check, Context, Rest, text};
use crate::model::{Effect, Judgement, Stop};
use crate::target::Socket;
use crate::wire::{Endpoint, ErrorCode, Kind, Message};

pub(super) static CHECK: Check = check!("threads/bad-titles-handled", run).should().effects(&[Effect::Create]);

/// Statuses of a title that is kept, or refused.
const HANDLED: [u16; 3] = [200, 201, 422];

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let rest = cx.rest(&login);
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let renamed = cx.thread(socket, "to be renamed").await?;
    let long = "ten KiB ".repeat(1_280);
    let titles = [
        ("an empty title", ""),
        ("a title of 10 KiB", &*long),
        ("control characters", "bell \u{7} escape \u{1b}[31m delete \u{7f} tab \t line \n end"),
        ("HTML", "<img src=x onerror=alert(1)> &amp; <b>bold</b>"),
    ];
    for (name, title) in titles {
        cx.step(format!("{name} over REST"));
        over_rest(cx, &rest, title).await?;
        cx.step(format!("{name} over the socket, for a new thread"));
        let create = Message::new(Kind::CreateThread).with("title", title);
        if let Some(thread) = over_socket(cx, socket, create, title).await? {
            // Its title does not show that it is ours.
            cx.ask(socket, about(Kind::DeleteThread, &thread)).await?;
        }
        cx.step(format!("{name} over the socket, in place of another one"));
        over_socket(cx, socket, about(Kind::RenameThread, &renamed).with("title", title), title).await?;
    }
    session.close().await;
    cx.conforms()
}

async fn over_rest(cx: &Context, rest: &Rest<'_>, title: &str) -> Result<(), Stop> {
    let body = json!({"title": title, "metadata": {"made_by": cx.target().tag().to_string()}});
    let answer = rest.call(Endpoint::CreateThread, "").json(&body).send().await?;
    cx.status(&answer, &HANDLED)?;
    if answer.succeeded(cx.contract(), Endpoint::CreateThread) {
        let created = answer.logical_body(cx.contract(), Endpoint::CreateThread).unwrap_or_default();
        let (shown, answer) = rest.thread(&text(&created, "id")).await?;
        cx.same("title", &title, &text(&shown, "title").as_str(), || answer.evidence())?;
    }
    Ok(())
}

/// The title unchanged, and the thread that bears it; or INVALID_MESSAGE.
async fn over_socket(cx: &Context, socket: &mut Socket, request: Message, title: &str) -> Result<Option<String>, Stop> {
    let answer = cx.answer(socket, request).await?;
    if answer.kind == Kind::Error {
        cx.is_error(socket, &answer, &[ErrorCode::InvalidMessage])?;
        return Ok(None);
    }
    cx.same("title", &Some(title), &answer.text("title"), || socket.evidence())?;
    Ok(answer.thread_id().map(str::to_owned))
}
