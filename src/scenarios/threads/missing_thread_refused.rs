use serde_json::json;

use crate::check;
use crate::check::work::about;
use crate::check::{Check, Context, PLAIN_PROMPT, absent};
use crate::model::{Effect, Judgement};
use crate::wire::{Endpoint, ErrorCode, Kind, Message};

pub(super) static CHECK: Check = check!("threads/missing-thread-refused", run).effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let rest = cx.rest(&login);
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let thread = cx.thread(socket, "there").await?;
    let missing = absent(&thread);
    let control = |stop| cx.control_failed("a thread that is there can be opened", stop);
    cx.step("control: a thread that is there");
    cx.ask(socket, about(Kind::SwitchThread, &thread)).await.map_err(control)?;

    let title = cx.target().title("of nothing");
    let requests: [Message; 6] = [
        about(Kind::SwitchThread, &missing),
        about(Kind::GetThreadHistory, &missing),
        about(Kind::RenameThread, &missing).with("title", title.as_str()),
        about(Kind::UserMessage, &missing).with("content", PLAIN_PROMPT),
        about(Kind::StartAgent, &missing).with("content", PLAIN_PROMPT),
        about(Kind::DeleteThread, &missing),
    ];
    for request in requests {
        cx.step(format!("{} of a missing thread", request.kind));
        cx.ask_refused(socket, request, &[ErrorCode::ThreadNotFound]).await?;
        cx.alive(socket).await?;
    }
    for endpoint in
        [Endpoint::GetThread, Endpoint::ListMessages, Endpoint::UpdateThread, Endpoint::PostMessage, Endpoint::DeleteThread]
    {
        cx.step(format!("REST: {} of a missing thread", endpoint.slug()));
        let call = rest.call(endpoint, &missing);
        let call = match endpoint {
            Endpoint::UpdateThread => call.json(&json!({"title": title})),
            Endpoint::PostMessage => call.json(&json!({"content": PLAIN_PROMPT})),
            _ => call,
        };
        cx.status(&call.send().await?, &[404])?;
    }
    cx.step("control: the thread that is there, on the same connection");
    cx.ask(socket, about(Kind::SwitchThread, &thread)).await.map_err(control)?;
    session.close().await;
    cx.conforms()
}
