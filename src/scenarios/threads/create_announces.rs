use serde_json::json;

use super::owner::{Owner, Way};
use crate::check;
use crate::check::{Check, Context, text};
use crate::model::{Effect, Judgement, Stop};
use crate::wire::{Endpoint, Kind, Message};

pub(super) static CHECK: Check =
    check!("threads/create-announces", run).required().smoke().effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let mut owner = Owner::of(cx).await?;
    for way in Way::BOTH {
        cx.step(format!("creating {}", way.words()));
        let title = cx.target().title("created");
        let thread = match way {
            Way::Socket => {
                let create = Message::new(Kind::CreateThread).with("title", title.as_str());
                let created = cx.ask(&mut owner.asking.socket, create).await?;
                created.thread_id().unwrap_or_default().to_owned()
            }
            Way::Rest => {
                let call = owner.rest.call(Endpoint::CreateThread, "").json(&json!({"title": title}));
                text(&owner.rest.done(Endpoint::CreateThread, call).await?.0, "id")
            }
        };
        announced(cx, &mut owner, &thread, &title).await?;
    }
    owner.leave().await;
    cx.conforms()
}

/// On every socket of the owner, with the thread's owner and title.
async fn announced(cx: &Context, owner: &mut Owner<'_>, thread: &str, title: &str) -> Result<(), Stop> {
    let user = owner.login.user_id.clone();
    for (name, socket) in owner.sockets() {
        let is_it = |message: &Message| message.kind == Kind::ThreadCreated && message.thread_id() == Some(thread);
        let created = cx.told(socket, &format!("thread_created of the thread on {name}"), is_it).await;
        let created = created.map_err(|stop| stop.within("thresholds.reply_s"))?;
        cx.same("user_id", &Some(user.as_str()), &created.user_id(), || socket.evidence())?;
        cx.same("title", &Some(title), &created.text("title"), || socket.evidence())?;
    }
    Ok(())
}
