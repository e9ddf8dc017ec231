use std::time::Duration;

use serde_json::Value;

use super::course::Course;
use super::flows::{history, prompt, thread, whole_run};
use super::grammar;
use crate::check;
use crate::check::{Check, Context, Flow, PLAIN_PROMPT, Recording, Scene, ends_run};
use crate::model::{Effect, Finding, Judgement, Stop, Trigger};
use crate::profile::TriggerSpec;
use crate::wire::Kind;

static JITTER: Flow = Flow::new("lifecycle/run-under-jitter", |cx| Box::pin(act(cx))).effects(&[Effect::Create]);

pub(super) static CHECK: Check = check!("lifecycle/steady-under-jitter", judge: judge, of: &JITTER);

/// How late every octet comes, and by how much that varies.
const DELAY: Duration = Duration::from_millis(100);
const JITTERED: Duration = Duration::from_millis(50);
/// In each of these nothing passes for a part.
const EVERY: Duration = Duration::from_millis(700);
const STALLED: Duration = Duration::from_millis(200);

async fn act(cx: &Context) -> Result<Scene, Stop> {
    let mut scene = Scene::new();
    let login = cx.login().await?;
    let link = cx.link().delay(DELAY).jitter(JITTERED).stalls(EVERY, STALLED).open().await?;
    cx.step("a session over a bad link");
    let mut session = cx.open(cx.upgrade_with(&login.access).through(&link)).await?;
    scene.socket("asking", &session.socket);
    let thread = thread(cx, &mut session.socket).await?;
    let content = match cx.profile().triggers.get(&Trigger::LongStream) {
        Some(TriggerSpec::Prompt { content, .. }) => content.as_str(),
        _ => PLAIN_PROMPT,
    };
    cx.step("a run over a bad link");
    let (run, _) = whole_run(cx, &mut scene, &mut session.socket, prompt(content, &thread)).await?;
    scene.fact("run", run);
    history(cx, &mut scene, &login, &thread).await?;
    session.close().await;
    link.close().await;
    Ok(scene)
}

fn judge(recording: &Recording) -> Judgement {
    let course = Course::asked(recording)?;
    recording.step("a run over a link of 100 ± 50 ms that stalls");
    let evidence = || course.evidence(recording);
    let ended = course.events.iter().any(|seen| ends_run(&seen.message.kind));
    recording.holds(ended, Finding::MissingEvent, "the run's end", || "none in time".into(), evidence)?;
    if let Some(fault) = grammar::fault(&course.events, recording.contract().run_ends_its_agents()) {
        let evidence = recording.around(&course.events[fault.at]);
        return Err(recording.deviation(Finding::WrongOrder, [fault.expected], fault.seen, evidence));
    }
    for seen in &course.events {
        let value: Value = serde_json::from_str(&seen.text).unwrap_or_default();
        let fault = recording.contract().payload_faults(&seen.message.kind, &value).into_iter().next();
        let told = || fault.as_ref().map_or_else(String::new, |it| format!("at `{}`: {}", it.path, it.message));
        let expected = format!("a payload as the contract's schema of {} has it", seen.message.kind);
        recording.holds(fault.is_none(), Finding::BadSchema, expected, told, || recording.around(seen))?;
    }

    recording.step("what came of the run's content");
    let stored = course.stored(recording)?;
    let streamed: String = course.all(&Kind::PartialResult).filter_map(|seen| seen.message.content()).collect();
    let told = || format!("{} of {} characters came", streamed.chars().count(), stored.chars().count());
    recording.holds(streamed == stored, Finding::Lost, "all content that the history holds", told, evidence)?;
    recording.conforms()
}
