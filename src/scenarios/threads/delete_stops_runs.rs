use super::owner::{Owner, Way};
use crate::check;
use crate::check::work::{about, long_stream, messages, run_ends};
use crate::check::{Check, Context, PLAIN_PROMPT, ends_run};
use crate::model::{Effect, Finding, Judgement, Need, Stop, Trigger};
use crate::target::Socket;
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("threads/delete-stops-runs", run)
    .needs(&[Need::Trigger(Trigger::LongStream)])
    .effects(&[Effect::Create])
    .wait(|waits| waits.long_stream());

/// Why a run of a deleted thread is stopped (contract, 7.3).
const REASON: &str = "thread_deleted";

async fn run(cx: &Context) -> Judgement {
    let mut owner = Owner::of(cx).await?;
    let other = cx.thread(&mut owner.asking.socket, "for the marker").await?;
    let mut stopped = Vec::new();
    for way in Way::BOTH {
        cx.step(format!("a thread is deleted {} while a run of it streams", way.words()));
        let thread = cx.thread(&mut owner.asking.socket, "to be deleted").await?;
        let started = long_stream(cx, &mut owner.asking.socket, Some(&thread)).await?;
        match way {
            Way::Socket => drop(cx.ask(&mut owner.asking.socket, about(Kind::DeleteThread, &thread)).await?),
            Way::Rest => drop(owner.rest.delete(&thread).await?),
        }
        let run = started.run_id().unwrap_or_default().to_owned();
        for (name, socket) in owner.sockets() {
            let is_it = |it: &Message| it.kind == Kind::ThreadDeleted && it.thread_id() == Some(&thread);
            cx.told(socket, &format!("thread_deleted on {name}"), is_it).await?;
            stopped_first(cx, socket, &run, &thread)?;
        }
        stopped.push((thread, run));
    }
    cx.step("a further run, after which nothing of the others may come");
    let marker = cx.ask(&mut owner.asking.socket, about(Kind::UserMessage, &other).with("content", PLAIN_PROMPT)).await?;
    for (_, socket) in owner.sockets() {
        run_ends(cx, socket, marker.run_id().unwrap_or_default(), cx.profile().thresholds.run).await?;
        stopped.iter().try_for_each(|(thread, run)| nothing_after(cx, socket, run, thread))?;
    }
    owner.leave().await;
    cx.conforms()
}

fn is_deleted(message: &Message, thread: &str) -> bool {
    message.kind == Kind::ThreadDeleted && message.thread_id() == Some(thread)
}

/// `agent_stopped` for the reason came before `thread_deleted`.
fn stopped_first(cx: &Context, socket: &Socket, run: &str, thread: &str) -> Result<(), Stop> {
    let is_end = |it: &&Message| ends_run(&it.kind) && it.run_id() == Some(run);
    let end = messages(socket).take_while(|it| !is_deleted(it, thread)).find(is_end);
    let told = end.map(|it| (it.kind.slug(), it.text("reason")));
    let seen = || told.map_or_else(|| "no end of the run before thread_deleted".to_owned(), |told| format!("{told:?}"));
    let is_right = told == Some((Kind::AgentStopped.slug(), Some(REASON)));
    let expected = "agent_stopped with the reason thread_deleted, then thread_deleted";
    cx.holds(is_right, Finding::MissingEvent, expected, seen, || socket.evidence())
}

fn nothing_after(cx: &Context, socket: &Socket, run: &str, thread: &str) -> Result<(), Stop> {
    let mut after = messages(socket).skip_while(|it| !is_deleted(it, thread));
    let late = after.find(|it| it.run_id() == Some(run));
    let seen = || late.map_or_else(String::new, |it| it.kind.to_string());
    cx.holds(late.is_none(), Finding::UnexpectedEvent, "nothing of the run after thread_deleted", seen, || socket.evidence())
}
