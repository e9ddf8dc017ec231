use std::time::{Duration, Instant};

use crate::check;
use crate::check::{Check, Context, in_time};
use crate::model::{Finding, Judgement, Need, NotVerified};
use crate::target::Seen;

pub(super) static CHECK: Check = check!("reconnection/frontend-reconnects-with-fresh-token", run)
    .needs(&[Need::Frontend, Need::Browser, Need::Short])
    .wait(|waits| waits.short_token() + LOADED + waits.recheck());

/// A page is connected again within this time after its socket was cut (checks, section 4).
const AGAIN: Duration = Duration::from_secs(10);

/// A page is loaded and connected within this time, or a token of seconds is too short for it.
const LOADED: Duration = Duration::from_secs(2);

async fn run(cx: &Context) -> Judgement {
    in_time(|| expires(cx)).await
}

async fn expires(cx: &Context) -> Judgement {
    // The token's life is not spent on that.
    let mut browser = cx.browser().await?;
    let login = cx.short_login(cx.waits().short_token() + LOADED).await?;
    cx.refresh_token(&login)?;
    let first = cx.connected_page(&mut browser, &login, None).await?;
    cx.still_before(&login.access).await?;

    cx.step("the socket is cut when the token has expired");
    let gone_by = cx.gone_by(&login.access).await? + Duration::from_secs(1);
    loop {
        match browser.next(gone_by).await? {
            Some(Seen::Closed { socket, .. }) if socket == first.socket => break,
            Some(_) => {}
            None => {
                let what = "the page's socket outlived its token: it may have refreshed in place";
                return Err(NotVerified::NotProvoked(what.into()).into());
            }
        }
    }
    let cut = Instant::now();

    cx.step("the page reopens it with a fresh token");
    let deadline = cut + AGAIN;
    let expected = format!("a new WebSocket with a fresh token within {} s", AGAIN.as_secs());
    let Some(second) = cx.opened(&mut browser, deadline).await? else {
        return Err(cx.deviation(Finding::NoAnswer, [expected], "no new WebSocket", cx.evidence()));
    };
    let is_old = second.token.as_ref().is_some_and(|token| token.expose() == login.access.expose());
    let seen = || "one with the token that has expired".to_owned();
    cx.holds(!is_old, Finding::WrongValue, expected, seen, || cx.evidence())?;
    cx.welcomed_page(&mut browser, second.socket, deadline).await?;
    cx.figure(format!("the page was connected again {} ms after it was cut", cut.elapsed().as_millis()));
    browser.close().await;
    cx.conforms()
}
