use super::pages::Pages;
use super::seeded::{self, Seeded};
use crate::check;
use crate::check::work::about;
use crate::check::{Check, Context};
use crate::model::{Effect, Judgement, Stop};
use crate::target::Socket;
use crate::wire::{ErrorCode, Kind};

pub(super) static CHECK: Check = check!("threads/history-pages", run).effects(&[Effect::Create]);

/// Most messages of the thread that is made for it.
const MOST: u64 = 45;
/// The size of page with which a message is appended on the way.
const SMALL: usize = 7;

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let count = usize::try_from(MOST.min(cx.config().rate_limit.messages / 2)).unwrap_or_default().max(SMALL + 2);
    let rest = cx.rest(&login);
    let pages = Pages::of(cx, rest.clone(), rest.create("to be paged").await?);
    pages.allowance.turn().await;
    cx.step(format!("{count} messages are posted"));
    let mut due = Vec::new();
    for _ in 0..count {
        due.push(post(cx, &pages).await?);
    }
    for limit in [count - 1, count, 100] {
        pages.rest_from(limit, 0, &due).await?;
    }
    for offset in [0, count - 1] {
        pages.rest_at(1, offset, &due).await?;
    }
    bounds(cx, &pages, &mut session.socket).await?;

    cx.step("a message comes between two pages");
    pages.rest_at(SMALL, 0, &due).await?;
    due.push(post(cx, &pages).await?);
    pages.rest_from(SMALL, SMALL, &due).await?;

    let mut read = 0;
    for seeded in seeded::threads(cx).await? {
        read += 1;
        read_only(cx, seeded).await?;
    }
    cx.figure(format!("a thread of {} messages, and {read} that were there before", due.len()));

    let socket = &mut session.socket;
    for limit in [SMALL, count - 1, count, 100] {
        pages.socket_back(socket, limit, &due).await?;
    }
    pages.socket_at(socket, 1, &due).await?;
    session.close().await;
    cx.conforms()
}

async fn post(cx: &Context, pages: &Pages<'_>) -> Result<String, Stop> {
    pages.allowance.turn().await;
    pages.rest.post(&pages.thread, &cx.target().unique("paged")).await
}

/// A page has 1 to 100 messages; what is refused is counted by no limit.
async fn bounds(cx: &Context, pages: &Pages<'_>, socket: &mut Socket) -> Result<(), Stop> {
    for limit in [0, 101] {
        cx.step(format!("REST: a page of {limit}"));
        cx.status(&pages.ask_rest(limit, 0).await?, &[422])?;
        cx.step(format!("socket: a page of {limit}"));
        let ask = about(Kind::GetThreadHistory, &pages.thread).with("limit", limit);
        cx.ask_refused(socket, ask, &[ErrorCode::InvalidMessage]).await?;
    }
    Ok(())
}

/// A thread that was there before: both sides show the same, whatever the size of a page.
async fn read_only(cx: &Context, seeded: Seeded) -> Result<(), Stop> {
    let mut session = cx.session(&seeded.login.access).await?;
    let pages = Pages::of(cx, cx.rest(&seeded.login), seeded.thread);
    cx.step(format!("a thread of {} messages that was there before", seeded.messages));
    let due = pages.all(seeded.messages).await?;
    cx.same("messages of one page", &seeded.messages, &due.len(), || cx.evidence())?;
    pages.rest_from(SMALL, 0, &due).await?;
    pages.socket_back(&mut session.socket, SMALL, &due).await?;
    session.close().await;
    Ok(())
}
