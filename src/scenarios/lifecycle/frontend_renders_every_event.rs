use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::flows::{provoke, thread};
use crate::check;
use crate::check::{Brought, Check, Context, ends_run};
use crate::model::{Blame, Effect, Evidence, Finding, Group, Inconclusive, Judgement, Need, NotVerified, Trigger};
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("lifecycle/frontend-renders-every-event", run)
    .needs(&[Need::Frontend, Need::Browser])
    .effects(&[Effect::Create])
    .group(Group::Breaker);

/// Between two messages a page may take so long, besides what a run takes.
const SHOWN: Duration = Duration::from_secs(3);

/// How often a type came, how often the page was watched at it, and how often it changed then.
#[derive(Default)]
struct Count {
    came: usize,
    watched: usize,
    shown: usize,
}

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut browser = cx.browser().await?;
    // A page that changes at anything, or all the time, would pass for one that shows everything.
    let unknown = Message::new(Kind::Other("x_netra_check_unknown".into()));
    let control = cx.contract().write(&unknown, None).to_string();
    let socket = cx.connected_page(&mut browser, &login, Some(&control)).await?.socket;

    // Another socket of the user asks: what is sent to one goes to all of them, and no form of the page need be known.
    let mut session = cx.session(&login.access).await?;
    let thread = thread(cx, &mut session.socket).await?;
    let mut last = None;
    for trigger in [None, Some(Trigger::ToolUse), Some(Trigger::AgentFailure), Some(Trigger::Degradation)] {
        last = provoke(cx, &mut session.socket, &thread, trigger).await?.or(last);
    }

    cx.step("what the page shows");
    let mut counts: BTreeMap<Kind, Count> = BTreeMap::new();
    let is_last = |message: &Message| message.run_id() == last.as_deref() && ends_run(&message.kind);
    let end = loop {
        let (message, changes) = match cx.brought(&mut browser, socket, Instant::now() + SHOWN).await? {
            Brought::Message(message, changes) => (message, changes),
            end => break Some(end),
        };
        let count = counts.entry(message.kind.clone()).or_default();
        count.came += 1;
        count.watched += usize::from(changes.is_some());
        count.shown += usize::from(changes.is_some_and(|changes| changes > 0));
        if is_last(&message) {
            break None;
        }
    };
    let mut due: Vec<_> = cx.contract().ui_kinds().collect();
    due.retain(|kind| counts.contains_key(kind));
    let unjudged = |what: String| Err(Inconclusive::new(Blame::Target, what).with(cx.evidence()).into());
    match end {
        // Without a welcome nothing else tells that the page was let in.
        Some(end @ Brought::Close(_)) if counts.is_empty() => {
            return Err(cx.not_connected(&end.seen()));
        }
        Some(end @ Brought::Close(_)) => {
            return unjudged(format!("the page's WebSocket in the middle of runs: {}", end.seen()));
        }
        _ if due.is_empty() => {
            let judge = "`isolation/second-socket-gets-same` judges that";
            return unjudged(format!("the page's WebSocket received no event of a run: {judge}"));
        }
        _ => {}
    }
    let facts = counts.iter().map(|(kind, Count { came, watched, shown })| {
        format!("{kind}: came {came} times, the page changed at {shown} of {watched} that were watched")
    });
    let evidence = Evidence { facts: facts.collect(), entries: Vec::new() };
    let controls = counts.get(&unknown.kind);
    if controls.is_none_or(|controls| controls.shown > 0) {
        let what = "the page also changes at a message that it does not know, so that no change tells what it shows";
        return Err(NotVerified::NotProvoked(what.into()).into());
    }
    let hidden: Vec<_> = due.iter().filter(|kind| counts[*kind].shown == 0).map(Kind::to_string).collect();
    let seen = || format!("it never does at {}", hidden.join(", "));
    let expected = format!("the page changes at each of the {} types that came and that a user sees", due.len());
    cx.holds(hidden.is_empty(), Finding::Lost, expected, seen, || evidence)?;
    session.close().await;
    browser.close().await;
    cx.conforms()
}
