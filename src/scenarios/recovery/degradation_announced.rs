use serde_json::Value;

use crate::check;
use crate::check::{Check, Context, PLAIN_PROMPT, ends_run};
use crate::model::{Effect, Finding, Group, Judgement, Need, Stop, Trigger};
use crate::profile::TriggerSpec;
use crate::target::{Login, Socket};
use crate::wire::{Endpoint, Kind, Message};

pub(super) static CHECK: Check = check!("recovery/degradation-announced", run)
    .needs(&[Need::Trigger(Trigger::Degradation)])
    .effects(&[Effect::Create, Effect::Disrupt])
    .group(Group::Disrupt);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let (mut asking, mut second) = (cx.session(&login.access).await?, cx.session(&login.access).await?);
    let thread = cx.thread(&mut asking.socket, "degradation").await?;
    cx.step("the environment degrades");
    let degrading = cx.prompt(Trigger::Degradation)?.with("thread_id", thread.as_str());
    let run = cx.starts(&mut asking.socket, degrading).await?;
    let announced = announced(cx, &mut asking.socket, &run).await?;
    let (available, disabled) = (features(&announced, "available_features"), features(&announced, "disabled_features"));
    let both: Vec<_> = available.iter().filter(|feature| disabled.contains(feature)).cloned().collect();
    let (expected, seen) = ("no feature both available and disabled", || both.join(", "));
    cx.holds(both.is_empty(), Finding::WrongValue, expected, seen, || asking.socket.evidence())?;

    // On another socket: what works must work everywhere.
    for feature in &available {
        cx.step(format!("`{feature}`, which is announced as available"));
        works(cx, &mut second.socket, &login, &thread, feature).await?;
    }
    cx.figure(format!("available: {}; disabled: {}", available.join(", "), disabled.join(", ")));
    cx.run_end(&mut asking.socket, &run).await?;
    asking.close().await;
    second.close().await;
    cx.conforms()
}

/// `graceful_degradation` in its schema. The end of the run that degrades is the latest it may come with.
async fn announced(cx: &Context, socket: &mut Socket, run: &str) -> Result<Message, Stop> {
    let is_it = |message: &Message| {
        message.kind == Kind::GracefulDegradation || message.run_id() == Some(run) && ends_run(&message.kind)
    };
    let first = cx.event(socket, cx.run_window(), "graceful_degradation", is_it).await?;
    if first.kind != Kind::GracefulDegradation {
        cx.alive(socket).await?;
    }
    let received = socket.seen().iter().find(|received| received.kind() == Some(&Kind::GracefulDegradation));
    let (expected, never) = ("graceful_degradation", || "none by the end of the run".to_owned());
    cx.holds(received.is_some(), Finding::MissingEvent, expected, never, || socket.evidence())?;
    let text = received.map(|received| received.text.as_str()).unwrap_or_default();
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let fault = cx.contract().payload_faults(&Kind::GracefulDegradation, &value).into_iter().next();
    let told = || fault.as_ref().map_or_else(String::new, |fault| format!("at `{}`: {}", fault.path, fault.message));
    let expected = "a payload as the contract's schema of graceful_degradation has it";
    cx.holds(fault.is_none(), Finding::BadSchema, expected, told, || socket.evidence())?;
    Ok(received.and_then(|received| received.message.clone().ok()).unwrap_or(first))
}

fn features(announced: &Message, field: &str) -> Vec<String> {
    let features = announced.field(field).and_then(Value::as_array).into_iter().flatten();
    features.filter_map(|feature| feature.as_str().map(str::to_owned)).collect()
}

/// A feature that the contract knows must do what it is there for.
async fn works(cx: &Context, socket: &mut Socket, login: &Login, thread: &str, feature: &str) -> Result<(), Stop> {
    let plain = |kind| Message::new(kind).with("content", PLAIN_PROMPT).with("thread_id", thread);
    match feature {
        "rest" => {
            let call = cx.call(Endpoint::GetThread).path_param("id", thread).bearer(&login.access);
            cx.success(Endpoint::GetThread, &call.send().await?)
        }
        "threads" => {
            cx.thread(socket, "while degraded").await?;
            cx.ask(socket, Message::new(Kind::ListThreads)).await.map(drop)
        }
        "history" => {
            cx.ask(socket, Message::new(Kind::GetThreadHistory).with("thread_id", thread)).await?;
            let call = cx.call(Endpoint::ListMessages).path_param("id", thread).bearer(&login.access);
            cx.success(Endpoint::ListMessages, &call.send().await?)
        }
        "streaming" => {
            let run = cx.whole_run(socket, plain(Kind::UserMessage)).await?;
            shows(cx, socket, &run, &cx.contract().progress())
        }
        "tools" => match cx.profile().triggers.get(&Trigger::ToolUse) {
            Some(TriggerSpec::Prompt { content, .. }) => {
                let request = plain(Kind::UserMessage).with("content", content.as_str());
                let run = cx.whole_run(socket, request).await?;
                shows(cx, socket, &run, &Kind::ToolCompleted)
            }
            _ => {
                cx.figure("`tools` was not tried: set `triggers.tool_use`");
                Ok(())
            }
        },
        _ => match feature.strip_prefix("agent:") {
            Some(agent) => cx.whole_run(socket, plain(Kind::StartAgent).with("agent_name", agent)).await.map(drop),
            // An extension.
            None => Ok(()),
        },
    }
}

fn shows(cx: &Context, socket: &Socket, run: &str, kind: &Kind) -> Result<(), Stop> {
    let mut messages = socket.seen().iter().filter_map(|received| received.message.as_ref().ok());
    let shown = messages.any(|message| message.kind == *kind && message.run_id() == Some(run));
    cx.holds(shown, Finding::MissingEvent, format!("{kind} in the run"), || "none".into(), || socket.evidence())
}
