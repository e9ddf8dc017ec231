use crate::check;
use crate::check::{Check, Context, PLAIN_PROMPT};
use crate::model::{Effect, Judgement};
use crate::wire::{ErrorCode, Kind, Message};

pub(super) static CHECK: Check =
    check!("recovery/usable-after-refused-request", run).effects(&[Effect::Create]).smoke().required();

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let thread = cx.thread(socket, "refused request").await?;
    let plain = || Message::new(Kind::UserMessage).with("content", PLAIN_PROMPT).with("thread_id", thread.as_str());

    cx.step("control: a run on the thread");
    cx.whole_run(socket, plain()).await.map_err(|stop| cx.control_failed("a run completes", stop))?;
    cx.step("start_agent with an agent that does not exist");
    let unknown = Message::new(Kind::StartAgent).with("content", PLAIN_PROMPT).with("thread_id", thread.as_str());
    let unknown = unknown.with("agent_name", cx.target().unique("no-such-agent"));
    cx.ask_refused(socket, unknown, &[ErrorCode::AgentNotFound]).await?;
    cx.step("the next run on the thread");
    cx.whole_run(socket, plain()).await?;
    session.close().await;
    cx.conforms()
}
