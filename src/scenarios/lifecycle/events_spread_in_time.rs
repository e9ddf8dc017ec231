use std::time::Duration;

use super::course::Course;
use super::flows::{thread, whole_run};
use crate::check;
use crate::check::{Check, Context, Flow, Recording, Scene};
use crate::model::{Effect, Finding, Group, Judgement, Need, NotVerified, Stop, Trigger};
use crate::profile::TriggerSpec;
use crate::wire::Kind;

static STREAM: Flow = Flow::new("lifecycle/timed-stream", |cx| Box::pin(stream(cx)))
    .needs(&[Need::Trigger(Trigger::LongStream)])
    .effects(&[Effect::Create])
    .group(Group::Timing);

pub(super) static CHECK: Check = check!("lifecycle/events-spread-in-time", judge: judge, of: &STREAM);

async fn stream(cx: &Context) -> Result<Scene, Stop> {
    let TriggerSpec::Prompt { min_duration: Some(least), .. } = cx.trigger(Trigger::LongStream)? else {
        let what = "set `triggers.long_stream.min_duration_s`: how long the stream lasts at least";
        return Err(NotVerified::NotProvoked(what.into()).into());
    };
    let mut scene = Scene::new();
    scene.fact("least_s", least.as_secs_f64());
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    scene.socket("asking", &session.socket);
    let thread = thread(cx, &mut session.socket).await?;
    cx.step("a long stream");
    let message = cx.prompt(Trigger::LongStream)?.with("thread_id", thread);
    let (run, _) = whole_run(cx, &mut scene, &mut session.socket, message).await?;
    scene.fact("run", run);
    session.close().await;
    Ok(scene)
}

fn judge(recording: &Recording) -> Judgement {
    let course = Course::asked(recording)?;
    let least = Duration::from_secs_f64(recording.fact("least_s")?.as_f64().unwrap_or_default());
    let mut deltas = course.all(&Kind::PartialResult);
    let first = deltas.next().map(|seen| seen.at).unwrap_or_default();
    let over = deltas.next_back().map(|seen| seen.at).unwrap_or(first) - first;
    recording.step("the time over which the stream's content came");
    recording.figure(format!("content came over {} ms of at least {} ms", over.as_millis(), least.as_millis()));
    let expected = format!("partial_result spread over at least {} ms", (least / 2).as_millis());
    let told = || format!("all of it within {} ms", over.as_millis());
    if over < least / 2 {
        recording.punctual(least)?;
    }
    recording.holds(over >= least / 2, Finding::Late, expected, told, || course.evidence(recording))?;
    recording.conforms()
}
