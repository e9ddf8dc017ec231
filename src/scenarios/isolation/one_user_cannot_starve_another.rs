use std::time::{Duration, Instant};

use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Finding, Group, Judgement, Need, Stop};
use crate::target::{Login, Next, Socket};
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("isolation/one-user-cannot-starve-another", run)
    .should()
    .needs(&[Need::TwoUsers])
    .effects(&[Effect::Disrupt])
    .group(Group::Disrupt);

/// Pings whose median is told.
const PINGS: usize = 15;
/// Between two of them, so that they are not all in one queue.
const APART: Duration = Duration::from_millis(5);
/// A median below this starves nobody, nor one of so many times what it is without the flood.
const BEARABLE: (Duration, u32) = (Duration::from_secs(1), 5);
/// Sockets that flood, and messages of each that wait for their answers.
const FLOOD: (usize, usize) = (3, 10);

async fn run(cx: &Context) -> Judgement {
    let (flooder, other) = (cx.login().await?, cx.second_login().await?);
    let mut session = cx.session(&other.access).await?;
    let socket = &mut session.socket;
    cx.step("pings of one user alone");
    let alone = median(pings(cx, socket, cx.profile().thresholds.reply).await?);
    let bound = BEARABLE.0.max(alone * BEARABLE.1);

    cx.step("pings while another user floods");
    let began = Instant::now();
    let mut floods = Vec::new();
    for _ in 0..FLOOD.0 {
        floods.push(cx.session(&flooder.access).await?.socket);
    }
    let [first, second, third] = floods.as_mut_slice() else { return cx.conforms() };
    let flooding = async { tokio::join!(flood(cx, &flooder, first), flood(cx, &flooder, second), flood(cx, &flooder, third)) };
    let pinged = tokio::select! {
        pinged = pings(cx, socket, bound * 3 / 2) => pinged?,
        _ = flooding => Vec::new(),
    };
    let flooded = median(pinged);
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let answers: usize = floods.iter().map(|socket| socket.seen().len()).sum();
    let figure = format!("median {:.1} ms alone, {:.1} ms beside {answers} answers", millis(alone), millis(flooded));
    cx.figure(figure);
    if flooded > bound {
        cx.punctual(began, bound)?;
    }
    let seen = || format!("a median of {:.0} ms, {:.0} ms alone", millis(flooded), millis(alone));
    let expected = format!("a median of at most {:.0} ms", millis(bound));
    cx.holds(flooded <= bound, Finding::Late, expected, seen, || socket.evidence())?;
    session.close().await;
    cx.conforms()
}

/// How long each ping waited for its answer; `patience` where none came by then: it is as late as can be told.
async fn pings(cx: &Context, socket: &mut Socket, patience: Duration) -> Result<Vec<Duration>, Stop> {
    let mut waiting = Vec::new();
    for _ in 0..PINGS {
        let ping = Message::new(Kind::Ping).id(cx.target().unique("ping"));
        let sent = socket.send(&ping).await;
        waiting.push((ping, sent));
        // Not a wait for something to happen: pings are spread over time.
        tokio::time::sleep(APART).await;
    }
    let (end, mut took) = (Instant::now() + patience, Vec::new());
    while !waiting.is_empty() {
        match socket.next(end.saturating_duration_since(Instant::now())).await {
            Next::Message(received) => {
                let Ok(answer) = &received.message else { continue };
                // Where nothing names what is answered, it is the one that waits longest.
                if let Some(place) = waiting.iter().position(|(ping, _)| cx.answers(ping)(answer)) {
                    let (_, sent) = waiting.remove(place);
                    took.push(received.at.saturating_duration_since(sent));
                }
            }
            Next::Pong(_) => {}
            Next::Ended(end) => {
                let seen = format!("the connection ended: {end}");
                return Err(cx.deviation(Finding::Closed, ["answers to pings"], seen, socket.evidence()));
            }
            Next::Silence => break,
        }
    }
    took.extend(waiting.iter().map(|_| patience));
    Ok(took)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Asks without end: pings, and a list now and then, as many as half of the limit lets through.
async fn flood(cx: &Context, flooder: &Login, socket: &mut Socket) {
    let lists = usize::try_from(cx.config().rate_limit.messages / 2).unwrap_or_default() / FLOOD.0;
    for round in 0_usize.. {
        for _ in 0..FLOOD.1 {
            socket.send(&Message::new(Kind::Ping).id(cx.target().unique("flood"))).await;
        }
        if round < lists {
            socket.send(&Message::new(Kind::ListThreads).id(cx.target().unique("flood"))).await;
        }
        // As many answers as there were questions; one that does not come ends the flood.
        for _ in 0..FLOOD.1 {
            if matches!(socket.next(cx.profile().thresholds.reply).await, Next::Silence | Next::Ended(_)) {
                cx.recorder().note(&format!("the flood of user {} came to an end", flooder.user_id));
                return std::future::pending().await;
            }
        }
    }
}
