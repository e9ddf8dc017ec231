use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde_json::json;

use crate::check;
use crate::check::{Check, Context};
use crate::model::{Effect, Finding, Group, Judgement, Need, NotVerified, Stop};
use crate::target::{End, Login, Next, Socket};
use crate::wire::{Endpoint, Kind, Message};

pub(super) static CHECK: Check = check!("streaming/slow-reader-contained", run)
    .needs(&[Need::TwoUsers, Need::Raw])
    .effects(&[Effect::Create, Effect::Disrupt])
    .group(Group::Disrupt);

/// A peer that takes so little at a time is soon felt.
const RECEIVE_BUFFER: u32 = 4 << 10;
/// The history: fewer and larger messages than its size would need, since each of them counts against the limit.
const MESSAGES: usize = 18;
const OCTETS: usize = 54 << 10;
/// So much must be due to the peer that no buffer on the way holds it.
const DUE: usize = 16 << 20;
/// Pings of the other user that are sent together.
const PINGS: usize = 5;
/// Their median.
const MEDIAN: Duration = Duration::from_secs(1);
/// The other user is looked after so long, and as long as all that is due would take a peer that reads: by then
/// the buffers on the way are full.
const OBSERVED: Duration = Duration::from_millis(300);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(30);

async fn run(cx: &Context) -> Judgement {
    let (login, neighbour) = (cx.login().await?, cx.second_login().await?);
    let mut other = cx.session(&neighbour.access).await?;
    cx.step("control: the other user's pings");
    let alone = pings(cx, &mut other.socket).await;
    cx.holds(alone <= MEDIAN, Finding::Late, told(MEDIAN), || told(alone), || other.socket.evidence())
        .map_err(|stop| cx.control_failed("pings are answered", stop))?;
    let (thread, one) = history(cx, &login).await?;

    cx.step("a peer asks for much and reads nothing");
    let mut slow = cx.open(cx.upgrade_with(&login.access).receive_buffer(RECEIVE_BUFFER)).await?;
    slow.socket.pause_reading();
    let asked = DUE.div_ceil(MESSAGES * OCTETS);
    for _ in 0..asked {
        slow.socket.send(&asking(&thread)).await;
    }
    cx.step("the other user's pings meanwhile");
    let over = Instant::now() + OBSERVED.max(one * u32::try_from(asked).unwrap_or(u32::MAX));
    let mut worst = Duration::ZERO;
    while worst <= MEDIAN && Instant::now() < over {
        worst = worst.max(pings(cx, &mut other.socket).await);
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    cx.figure(format!("median of the other user's pings: {:.1} ms, before {:.1} ms", millis(worst), millis(alone)));
    cx.holds(worst <= MEDIAN, Finding::Late, told(MEDIAN), || told(worst), || other.socket.evidence())?;

    cx.step("what became of the peer that did not read");
    slow.socket.resume_reading();
    let (answers, end) = rest(cx, &mut slow.socket, asked).await;
    match &end {
        Some(end) => {
            let code = end.close.as_ref().map(|(code, _)| *code);
            let right = matches!(code, None | Some(Some(1008 | 1013)));
            let expected = "back-pressure, or the end: Close 1008, Close 1013 or a reset";
            cx.holds(right, Finding::WrongClose, expected, || end.to_string(), || slow.socket.evidence())?;
            cx.figure(format!("the connection ended: {end}, after {answers} of {asked} answers"));
        }
        None if answers >= asked => cx.figure(format!("back-pressure: all {asked} answers came when they were read")),
        None => {
            let what = format!("neither back-pressure nor an end was seen: {answers} of {asked} answers came");
            return Err(NotVerified::NotProvoked(what).into());
        }
    }
    cx.step("a new connection of the same user");
    cx.admitted(cx.upgrade_with(&login.access)).await?.close().await;
    other.close().await;
    cx.conforms()
}

/// A thread with a history of almost a megabyte, and how long a peer that reads waits for it.
async fn history(cx: &Context, login: &Login) -> Result<(String, Duration), Stop> {
    cx.step("a thread with a long history");
    cx.silent_window(login).await?;
    let mut session = cx.session(&login.access).await?;
    let thread = cx.thread(&mut session.socket, "long history").await?;
    let body = json!({"content": "netra ".repeat(OCTETS / 6)});
    let post = || cx.call(Endpoint::PostMessage).path_param("id", &thread).json(&body).bearer(&login.access).send();
    for answer in try_join_all((0..MESSAGES).map(|_| post())).await? {
        cx.success(Endpoint::PostMessage, &answer).map_err(|stop| cx.control_failed("a message is posted", stop))?;
    }
    cx.step("control: a peer that reads gets the whole history");
    let began = Instant::now();
    let answer = cx.ask(&mut session.socket, asking(&thread)).await;
    let answer = answer.map_err(|stop| cx.control_failed("a history is answered", stop))?;
    let one = began.elapsed();
    let count = answer.field("messages").and_then(serde_json::Value::as_array).map_or(0, Vec::len);
    session.close().await;
    if count < MESSAGES {
        let what = format!("the history came with {count} of {MESSAGES} messages: too little for a peer that does not read");
        return Err(NotVerified::NotProvoked(what).into());
    }
    Ok((thread, one))
}

fn asking(thread: &str) -> Message {
    Message::new(Kind::GetThreadHistory).with("thread_id", thread).with("limit", 100)
}

/// The median of several pings that are sent together; one that is not answered takes for ever.
async fn pings(cx: &Context, socket: &mut Socket) -> Duration {
    let mut asked = Vec::new();
    let began = Instant::now();
    for _ in 0..PINGS {
        let ping = Message::new(Kind::Ping).id(cx.target().unique("ping"));
        socket.send(&ping).await;
        asked.push(ping);
    }
    let deadline = began + MEDIAN * 5;
    let mut times = Vec::new();
    while times.len() < PINGS {
        match socket.next(deadline.saturating_duration_since(Instant::now())).await {
            Next::Message(received) => {
                let answer = received.message.as_ref().ok();
                if answer.is_some_and(|answer| asked.iter().any(|asked| cx.answers(asked)(answer))) {
                    times.push(received.at.saturating_duration_since(began));
                }
            }
            Next::Pong(_) => {}
            Next::Ended(_) | Next::Silence => break,
        }
    }
    times.sort_unstable();
    times.get(PINGS / 2).copied().unwrap_or(Duration::MAX)
}

/// Reads what had been due: how many answers came, and the end if there was one.
async fn rest(cx: &Context, socket: &mut Socket, asked: usize) -> (usize, Option<End>) {
    let deadline = Instant::now() + cx.profile().limits.check / 2;
    let mut answers = 0;
    while answers < asked {
        match socket.next(deadline.saturating_duration_since(Instant::now())).await {
            Next::Message(received) => answers += usize::from(received.kind() == Some(&Kind::ThreadHistory)),
            Next::Pong(_) => {}
            Next::Ended(end) => return (answers, Some(end)),
            Next::Silence => break,
        }
    }
    (answers, None)
}

fn told(time: Duration) -> String {
    match time {
        Duration::MAX => "most pings were not answered".into(),
        time => format!("a median of {:.0} ms", millis(time)),
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
