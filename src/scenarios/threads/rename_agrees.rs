use super::owner::{Owner, Way};
use crate::check;
use crate::check::work::{about, entry, listed};
use crate::check::{Check, Context, text};
use crate::model::{Effect, Finding, Judgement, Stop};
use crate::wire::{Kind, Message};

pub(super) static CHECK: Check = check!("threads/rename-agrees", run).effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let mut owner = Owner::of(cx).await?;
    let thread = cx.thread(&mut owner.asking.socket, "before").await?;
    for way in Way::BOTH {
        cx.step(format!("renaming {}", way.words()));
        let title = cx.target().title("after");
        match way {
            Way::Socket => {
                let rename = about(Kind::RenameThread, &thread).with("title", title.as_str());
                let renamed = cx.ask(&mut owner.asking.socket, rename).await?;
                let evidence = || owner.asking.socket.evidence();
                cx.same("title of the answer", &Some(title.as_str()), &renamed.text("title"), evidence)?;
            }
            Way::Rest => {
                let (renamed, answer) = owner.rest.rename(&thread, &title).await?;
                cx.same("title of the answer", &title, &text(&renamed, "title"), || answer.evidence())?;
            }
        }
        agreed(cx, &mut owner, &thread, &title).await?;
    }
    owner.leave().await;
    cx.conforms()
}

/// Events, REST and both lists tell the new title.
async fn agreed(cx: &Context, owner: &mut Owner<'_>, thread: &str, title: &str) -> Result<(), Stop> {
    for (name, socket) in owner.sockets() {
        let is_it = |it: &Message| {
            it.kind == Kind::ThreadRenamed && it.thread_id() == Some(thread) && it.text("title") == Some(title)
        };
        let told = cx.told(socket, &format!("thread_renamed with the new title on {name}"), is_it).await;
        told.map_err(|stop| stop.within("thresholds.reply_s"))?;
    }
    let rest = &owner.rest;
    let read = || rest.thread(thread);
    let (shown, answer) = cx.settled(read, |(shown, _)| text(shown, "title") == title).await?;
    cx.same("title over REST", &title, &text(&shown, "title").as_str(), || answer.evidence())?;
    let (over_rest, answer) = rest.threads().await?;
    let (over_socket, evidence) = listed(cx, &mut owner.asking.socket).await?;
    for (where_, list, evidence) in [("REST", over_rest, answer.evidence()), ("the socket", over_socket, evidence)] {
        let seen = entry(&list, thread).map(|entry| text(entry, "title"));
        let told = || format!("{seen:?}");
        let expected = format!("{title:?} in the list of {where_}");
        cx.holds(seen.as_deref() == Some(title), Finding::WrongValue, expected, told, || evidence.clone())?;
    }
    Ok(())
}
