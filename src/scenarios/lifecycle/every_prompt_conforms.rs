use serde_json::Value;
use tokio::time::Instant;

use super::course::Course;
use super::flows::{prompt, thread, until_end, window};
use super::grammar;
use crate::check;
use crate::check::{Check, Context, Flow, Recording, Scene, ends_run, is_of_a_run};
use crate::model::{Effect, Finding, Group, Judgement, Need, NotVerified, Stop};

/// Prompts that are answered side by side.
const AT_ONCE: usize = 10;

static PROMPTS: Flow = Flow::new("lifecycle/prompts", |cx| Box::pin(act(cx)))
    .needs(&[Need::Prompts])
    .effects(&[Effect::Create])
    .group(Group::Breaker);

pub(super) static CHECK: Check = check!("lifecycle/every-prompt-conforms", judge: judge, of: &PROMPTS);

async fn act(cx: &Context) -> Result<Scene, Stop> {
    let mut scene = Scene::new();
    let prompts = &cx.profile().prompts;
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    scene.socket("asking", &session.socket);
    let thread = thread(cx, &mut session.socket).await?;
    let began = Instant::now();
    let mut runs = Vec::new();
    // Dealt like cards, so that prompts which fail and stand together do not follow each other.
    let hands = prompts.len().div_ceil(AT_ONCE);
    for hand in 0..hands {
        let needs = window(cx) * u32::try_from(hands - hand).unwrap_or(u32::MAX) + began.elapsed();
        if hand > 0 && began.elapsed() > cx.profile().limits.check / 2 {
            return Err(NotVerified::TooLong { needs, limit: cx.profile().limits.check }.into());
        }
        let mut open = Vec::new();
        for (number, content) in prompts.iter().enumerate().skip(hand).step_by(hands) {
            cx.step(format!("prompt {} of {}", number + 1, prompts.len()));
            let started = cx.ask(&mut session.socket, prompt(content, &thread)).await?;
            let run = started.run_id().unwrap_or_default().to_owned();
            runs.push(serde_json::json!({"prompt": content, "run": run}));
            open.push(run);
        }
        let over = Instant::now() + window(cx);
        for run in open {
            until_end(&mut session.socket, &run, over.saturating_duration_since(Instant::now())).await;
        }
    }
    scene.fact("runs", runs);
    session.close().await;
    Ok(scene)
}

fn judge(recording: &Recording) -> Judgement {
    let runs = recording.fact("runs")?.as_array().cloned().unwrap_or_default();
    for run in &runs {
        let text = |name: &str| run.get(name).and_then(Value::as_str).unwrap_or_default();
        recording.step(format!("the prompt {:?}", text("prompt")));
        let course = Course::of(recording, "asking", text("run"))?;
        let ended = course.events.iter().any(|seen| ends_run(&seen.message.kind));
        let evidence = || course.evidence(recording);
        recording.holds(ended, Finding::MissingEvent, "the run's end", || "none in time".into(), evidence)?;
        if let Some(fault) = grammar::fault(&course.events, recording.contract().run_ends_its_agents()) {
            let evidence = recording.around(&course.events[fault.at]);
            return Err(recording.deviation(Finding::WrongOrder, [fault.expected], fault.seen, evidence));
        }
        for seen in course.events.iter().filter(|seen| is_of_a_run(&seen.message.kind)) {
            let kind = &seen.message.kind;
            let value: Value = serde_json::from_str(&seen.text).unwrap_or_default();
            let fault = recording.contract().payload_faults(kind, &value).into_iter().next();
            let told = || fault.as_ref().map_or_else(String::new, |it| format!("{kind} at `{}`: {}", it.path, it.message));
            let expected = format!("a payload as the contract's schema of {kind} has it");
            recording.holds(fault.is_none(), Finding::BadSchema, expected, told, || recording.around(seen))?;
        }
    }
    recording.conforms()
}
