use std::time::{Duration, Instant};

use crate::check;
use crate::check::work::{about, messages, run_ends};
use crate::check::{Check, Context, PLAIN_PROMPT, ends_run};
use crate::model::{Effect, Finding, Judgement, Stop};
use crate::target::{Next, Socket};
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("isolation/second-socket-gets-same", run).effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut first = cx.session(&login.access).await?;
    let mut second = cx.session(&login.access).await?;
    let thread = cx.thread(&mut first.socket, "seen twice").await?;
    let mut runs = Vec::new();
    for (name, asks_second) in [("first", false), ("second", true)] {
        cx.step(format!("a run that the {name} socket asks for"));
        let (asking, listening) = match asks_second {
            false => (&mut first.socket, &mut second.socket),
            true => (&mut second.socket, &mut first.socket),
        };
        let ask = about(Kind::UserMessage, &thread).with("content", PLAIN_PROMPT);
        let run = cx.ask(asking, ask).await?.run_id().unwrap_or_default().to_owned();
        let (run_s, reply) = (cx.profile().thresholds.run, cx.profile().thresholds.reply);
        // One of them sees the end; the other one then has as long as for an answer.
        tokio::select! {
            () = until_end(asking, &run, run_s) => {}
            () = until_end(listening, &run, run_s) => {}
        }
        tokio::join!(until_end(asking, &run, reply), until_end(listening, &run, reply));
        runs.push(run);
    }
    compare(cx, &first.socket, &second.socket)?;
    for run in &runs {
        run_ends(cx, &mut first.socket, run, Duration::ZERO).await?;
    }
    first.close().await;
    second.close().await;
    cx.conforms()
}

/// Reads until the run has ended here, or the time is over.
async fn until_end(socket: &mut Socket, run: &str, within: Duration) {
    let end = Instant::now() + within;
    while !messages(socket).any(|it| it.run_id() == Some(run) && ends_run(&it.kind)) {
        let left = end.saturating_duration_since(Instant::now());
        if matches!(socket.next(left).await, Next::Silence | Next::Ended(_)) {
            return;
        }
    }
}

/// An event that goes to all sockets of its owner (contract, 7.3 and 7.4 "Isolation").
fn is_shared(message: &Message) -> bool {
    let of_thread = matches!(message.kind, Kind::ThreadCreated | Kind::ThreadRenamed | Kind::ThreadDeleted);
    of_thread || message.run_id().is_some() && message.kind != Kind::HandshakeResponse
}

fn compare(cx: &Context, first: &Socket, second: &Socket) -> Result<(), Stop> {
    cx.step("the events of both sockets, side by side");
    let shared = |socket| messages(socket).filter(|message| is_shared(message)).collect::<Vec<_>>();
    let (one, other) = (shared(first), shared(second));
    let what = |message: &Message| (message.kind.clone(), message.run_id().map(str::to_owned));
    for (here, there, socket) in [(&one, &other, second), (&other, &one, first)] {
        let mut left: Vec<_> = there.iter().map(|message| what(message)).collect();
        let missing = here.iter().find(|message| match left.iter().position(|seen| *seen == what(message)) {
            Some(place) => {
                left.swap_remove(place);
                false
            }
            None => true,
        });
        let seen = || missing.map_or_else(String::new, |it| format!("{} did not come on the other socket", it.kind));
        let expected = "the same events on both sockets";
        cx.holds(missing.is_none(), Finding::MissingEvent, expected, seen, || socket.evidence())?;
    }
    if !cx.contract().answers_bear_ids() {
        return Ok(());
    }
    for (here, there) in one.iter().zip(&other) {
        let seen = || format!("{} is {:?} and {:?}", here.kind, here.message_id, there.message_id);
        let same = here.message_id == there.message_id && here.message_id.is_some();
        let expected = "each event under one message_id, in the same order";
        cx.holds(same, Finding::WrongValue, expected, seen, || second.evidence())?;
    }
    Ok(())
}
