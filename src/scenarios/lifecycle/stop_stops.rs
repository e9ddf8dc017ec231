use super::flows::{prompt, thread, until_end, window};
use crate::check;
use crate::check::{Check, Context, PLAIN_PROMPT, ends_run, is_of_a_run};
use crate::model::{Effect, Finding, Judgement, Need, Stop, Trigger};
use crate::target::Socket;
use crate::wire::{ErrorCode, Kind, Message};

pub(super) static CHECK: Check = check!("lifecycle/stop-stops", run)
    .needs(&[Need::Trigger(Trigger::LongStream)])
    .effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let (mut asking, mut second) = (cx.session(&login.access).await?, cx.session(&login.access).await?);
    let thread = thread(cx, &mut asking.socket).await?;

    cx.step("stopping from the socket that asked");
    let stopped = streaming(cx, &mut asking.socket, &thread).await?;
    stop(cx, &mut asking.socket, &stopped).await?;

    cx.step("stopping from another socket");
    let other = streaming(cx, &mut asking.socket, &thread).await?;
    stop(cx, &mut second.socket, &other).await?;
    let within = cx.profile().thresholds.stop;
    let is_last = |message: &Message| message.run_id() == Some(&other) && ends_run(&message.kind);
    let told = cx.message_within(&mut asking.socket, within, "agent_stopped on the socket that asked", is_last).await;
    told.map_err(|stop| stop.within("thresholds.stop_s"))?;

    cx.step("stopping what has ended");
    let again = Message::new(Kind::StopAgent).with("run_id", stopped.as_str());
    cx.ask_refused(&mut asking.socket, again, &[ErrorCode::RunNotFound]).await?;

    cx.step("a new run on the same thread");
    let next = cx.ask(&mut asking.socket, prompt(PLAIN_PROMPT, &thread)).await?;
    let next = next.run_id().unwrap_or_default().to_owned();
    let ended = until_end(&mut asking.socket, &next, window(cx)).await;
    let evidence = || asking.socket.evidence();
    cx.holds(ended, Finding::MissingEvent, "the new run's end", || "none in time".into(), evidence)?;
    for run in [&stopped, &other] {
        nothing_after(cx, &asking.socket, run)?;
    }
    asking.close().await;
    second.close().await;
    cx.conforms()
}

/// A run that has begun to stream.
async fn streaming(cx: &Context, socket: &mut Socket, thread: &str) -> Result<String, Stop> {
    let started = cx.ask(socket, cx.prompt(Trigger::LongStream)?.with("thread_id", thread)).await?;
    let run = started.run_id().unwrap_or_default().to_owned();
    let progress = cx.contract().progress();
    let is_content = |message: &Message| message.run_id() == Some(&run) && message.kind == progress;
    let within = cx.profile().thresholds.first_content;
    cx.message_within(socket, within, "the stream's first content", is_content)
        .await
        .map_err(|stop| cx.control_failed("a stream begins", stop))?;
    Ok(run)
}

/// `stop_agent` is answered with the run's `agent_stopped` in time.
async fn stop(cx: &Context, socket: &mut Socket, run: &str) -> Result<(), Stop> {
    let request = Message::new(Kind::StopAgent).with("run_id", run).id(cx.target().unique("stop"));
    socket.send(&request).await;
    let within = cx.profile().thresholds.stop;
    let answer = cx.message_within(socket, within, "agent_stopped", cx.answers(&request)).await;
    let answer = answer.map_err(|stop| stop.within("thresholds.stop_s"))?;
    let seen = || answer.error_code().map_or_else(|| answer.kind.to_string(), |code| format!("{} {code}", answer.kind));
    let is_due = answer.kind == Kind::AgentStopped && answer.run_id() == Some(run);
    cx.holds(is_due, Finding::Refused, "agent_stopped of the run", seen, || socket.evidence())
}

/// By the end of a later run nothing of the stopped one has come after its end.
fn nothing_after(cx: &Context, socket: &Socket, run: &str) -> Result<(), Stop> {
    cx.step("what came after the stop");
    let messages = socket.seen().iter().filter_map(|received| received.message.as_ref().ok());
    let own = messages.filter(|it| is_of_a_run(&it.kind) && it.run_id() == Some(run)).map(|message| &message.kind);
    let late: Vec<_> = own.skip_while(|kind| !ends_run(kind)).filter(|kind| **kind != Kind::AgentStopped).collect();
    let seen = || late.iter().map(|kind| kind.slug()).collect::<Vec<_>>().join(", ");
    let expected = "nothing of the run after agent_stopped";
    cx.holds(late.is_empty(), Finding::UnexpectedEvent, expected, seen, || socket.evidence())
}
