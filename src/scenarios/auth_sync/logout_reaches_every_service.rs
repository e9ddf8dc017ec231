use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::surfaces::{self, Surface};
use crate::check;
use crate::check::{Check, Context, Session, Waits};
use crate::model::{Effect, Judgement, Stop};
use crate::target::Login;
use crate::wire::{Endpoint, ErrorCode};

pub(super) static CHECK: Check =
    check!("auth-sync/logout-reaches-every-service", run).effects(&[Effect::Revoke]).wait(within);

/// From the logout's answer until no surface takes the token any more: `recheck + 1 s`.
pub(super) fn within(waits: &Waits<'_>) -> Duration {
    Duration::from_secs_f64(waits.config.auth_recheck_s + 1.0)
}

async fn run(cx: &Context) -> Judgement {
    let login = cx.throwaway_login().await?;
    cx.step("control: the token works before the logout");
    surfaces::same_user(cx, &login).await.map_err(|stop| cx.control_failed("the token works before", stop))?;
    let open = [cx.session(&login.access).await?, cx.session(&login.access).await?];
    cx.step("logout");
    let answer = cx.target().logout(cx.recorder(), &login).await?;
    cx.status(&answer, cx.contract().success(Endpoint::Logout))?;

    cx.step("after the logout");
    let (since, within) = (answer.received, within(&cx.waits()));
    let (shown, ended) = tokio::join!(shown(cx, &login, since, within), ended(cx, open, since, within));
    let figures: Vec<String> = shown.iter().chain(&ended).map(|(what, result)| figure(what, result)).collect();
    figures.iter().for_each(|figure| cx.figure(figure));
    for (what, result) in shown.into_iter().chain(ended) {
        result.map_err(|stop| with_figures(stop, &what, &figures))?;
    }
    cx.conforms()
}

/// A surface or open socket, and how long after the logout it had heard of it.
type Heard = (String, Result<Duration, Stop>);

/// The token on every surface at once, each over new connections.
async fn shown(cx: &Context, login: &Login, since: Instant, within: Duration) -> Vec<Heard> {
    let at = |surface: Surface| async move {
        let window = (since, within);
        let heard = surfaces::until_refused(cx, surface, &login.access, &ErrorCode::TokenRevoked, window).await;
        (format!("`{surface}` over new connections"), heard)
    };
    join_all(Surface::all(cx).into_iter().map(at)).await
}

/// The sockets that were open before.
async fn ended(cx: &Context, open: [Session; 2], since: Instant, within: Duration) -> Vec<Heard> {
    let one = |(number, mut session): (usize, Session)| async move {
        let left = within.saturating_sub(since.elapsed());
        let heard = cx.thrown_out(&mut session.socket, left, &ErrorCode::TokenRevoked).await;
        (format!("open socket {}", number + 1), heard.map(|()| since.elapsed()))
    };
    join_all(open.into_iter().enumerate().map(one)).await
}

fn figure(what: &str, result: &Result<Duration, Stop>) -> String {
    match result {
        Ok(after) => format!("{what}: {} ms", after.as_millis()),
        Err(Stop::Deviates(deviation)) => format!("{what}: {}", deviation.seen),
        Err(_) => format!("{what}: not judged"),
    }
}

/// All were asked at once: only afterwards it is known whose deviation it is.
fn with_figures(stop: Stop, what: &str, figures: &[String]) -> Stop {
    match stop {
        Stop::Deviates(mut deviation) => {
            deviation.step = format!("after the logout, {what}");
            deviation.evidence.facts.extend(figures.iter().cloned());
            Stop::Deviates(deviation)
        }
        other => other,
    }
}
