use super::owner::{Owner, Way};
use crate::check;
use crate::check::work::{about, entry, listed};
use crate::check::{Check, Context};
use crate::model::{Effect, Finding, Judgement, Stop};
use crate::wire::{Endpoint, ErrorCode, Kind, Message};

pub(super) static CHECK: Check = check!("threads/delete-agrees", run).effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let mut owner = Owner::of(cx).await?;
    for way in Way::BOTH {
        cx.step(format!("deleting {}", way.words()));
        let thread = cx.thread(&mut owner.asking.socket, "to be deleted").await?;
        let control = |stop| cx.control_failed("the thread is there before", stop);
        owner.rest.thread(&thread).await.map_err(control)?;
        match way {
            Way::Socket => drop(cx.ask(&mut owner.asking.socket, about(Kind::DeleteThread, &thread)).await?),
            Way::Rest => drop(owner.rest.delete(&thread).await?),
        }
        for (name, socket) in owner.sockets() {
            let is_it = |it: &Message| it.kind == Kind::ThreadDeleted && it.thread_id() == Some(&thread);
            let told = cx.told(socket, &format!("thread_deleted on {name}"), is_it).await;
            told.map_err(|stop| stop.within("thresholds.reply_s"))?;
        }
        gone(cx, &mut owner, &thread).await?;
    }
    owner.leave().await;
    cx.conforms()
}

/// Nobody shows, lists, opens or deletes it any more.
async fn gone(cx: &Context, owner: &mut Owner<'_>, thread: &str) -> Result<(), Stop> {
    let (rest, socket) = (owner.rest.clone(), &mut owner.asking.socket);
    cx.step("the deleted thread in the lists");
    let read = || rest.threads();
    let (over_rest, answer) = cx.settled(read, |(list, _)| entry(list, thread).is_none()).await?;
    let (over_socket, evidence) = listed(cx, socket).await?;
    for (where_, list, evidence) in [("REST", over_rest, answer.evidence()), ("the socket", over_socket, evidence)] {
        let seen = || format!("it is in the list of {where_}");
        let is_gone = entry(&list, thread).is_none();
        cx.holds(is_gone, Finding::WrongValue, "no deleted thread in a list", seen, || evidence.clone())?;
    }
    for endpoint in [Endpoint::GetThread, Endpoint::ListMessages, Endpoint::DeleteThread] {
        cx.step(format!("the deleted thread over REST: {}", endpoint.slug()));
        let answer = rest.call(endpoint, thread).send().await?;
        cx.status(&answer, &[404])?;
    }
    for kind in [Kind::SwitchThread, Kind::GetThreadHistory, Kind::DeleteThread] {
        cx.step(format!("the deleted thread over the socket: {kind}"));
        cx.ask_refused(socket, about(kind, thread), &[ErrorCode::ThreadNotFound]).await?;
    }
    Ok(())
}
