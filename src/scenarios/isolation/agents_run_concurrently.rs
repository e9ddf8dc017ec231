use std::time::Instant;

use crate::check;
use crate::check::work::{messages, run_ends, stop};
use crate::check::{Check, Context, ends_run};
use crate::model::{Effect, Finding, Judgement, Need, Trigger};
use crate::target::{Next, Socket};
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("isolation/agents-run-concurrently", run)
    .needs(&[Need::Trigger(Trigger::LongStream)])
    .effects(&[Effect::Create])
    .wait(|waits| waits.long_stream());

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let mut runs = Vec::new();
    cx.step("two long streams of one user, on two threads");
    let threads = [cx.thread(socket, "one").await?, cx.thread(socket, "other").await?];
    for thread in &threads {
        let control = |stop| cx.control_failed("a long stream begins", stop);
        let request = cx.prompt(Trigger::LongStream)?.with("thread_id", thread.as_str());
        let started = cx.ask(socket, request).await.map_err(control)?;
        runs.push(started.run_id().unwrap_or_default().to_owned());
    }
    cx.step("an event of each before the end of any");
    let is_of = |it: &Message, run: &String| it.run_id() == Some(run) && it.kind != Kind::MessageCreated;
    let is_end = |it: &Message| runs.iter().any(|run| is_of(it, run)) && ends_run(&it.kind);
    let end = Instant::now() + cx.profile().thresholds.run;
    let both = |socket: &Socket| {
        let before: Vec<_> = messages(socket).take_while(|it| !is_end(it)).collect();
        runs.iter().filter(|run| before.iter().any(|it| is_of(it, run))).count()
    };
    while both(socket) < runs.len() && !messages(socket).any(is_end) {
        let left = end.saturating_duration_since(Instant::now());
        if matches!(socket.next(left).await, Next::Silence | Next::Ended(_)) {
            break;
        }
    }
    let seen = both(socket);
    let told = || format!("events of {seen} of them before the first end");
    let expected = format!("events of all {} runs before the end of any", runs.len());
    cx.holds(seen == runs.len(), Finding::WrongOrder, expected, told, || socket.evidence())?;
    for run in &runs {
        stop(cx, socket, run).await?;
        run_ends(cx, socket, run, cx.profile().thresholds.stop).await?;
    }
    session.close().await;
    cx.conforms()
}
