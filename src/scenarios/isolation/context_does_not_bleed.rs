use std::collections::BTreeSet;

use crate::check;
use crate::check::work::{about, run_ends};
use crate::check::{Check, Context};
use crate::model::{Effect, Finding, Judgement, Stop};
use crate::target::{Canary, Socket};
use crate::wire::Kind;

pub(super) static CHECK: Check = check!("isolation/context-does-not-bleed", run).effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let rest = cx.rest(&login);
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    let (first, second) = (cx.thread(socket, "first").await?, cx.thread(socket, "second").await?);
    cx.step("a secret is told in the first thread");
    let secret = cx.target().unique("secret");
    asked(cx, socket, &first, &format!("Please remember this word: {secret}")).await?;

    cx.step("the second thread is asked for it");
    asked(cx, socket, &second, "Which word were you told in another conversation? Repeat it.").await?;
    cx.ask(socket, about(Kind::SwitchThread, &second)).await?;
    cx.message_where(socket, "thread_loaded", |it| it.kind == Kind::ThreadLoaded).await?;
    cx.ask(socket, about(Kind::GetThreadHistory, &second)).await?;
    let canaries = cx.target().canaries();
    let secret: BTreeSet<Canary> = canaries.all_in(&secret);
    let tells = |text: &str| canaries.all_in(text).intersection(&secret).next().is_some();
    let of_second = socket.seen().iter().filter(|received| {
        received.message.as_ref().is_ok_and(|message| message.thread_id() == Some(&second))
    });
    let (mut count, mut found) = (0, None);
    for received in of_second {
        count += 1;
        if tells(&received.text) {
            found = found.or_else(|| received.kind().map(ToString::to_string));
        }
    }
    cx.figure(format!("{count} messages about the second thread were searched"));
    let seen = || format!("it stands in {}", found.clone().unwrap_or_default());
    let expected = "nothing of the first thread in a message about the second one";
    cx.holds(count > 0 && found.is_none(), Finding::ForeignData, expected, seen, || socket.evidence())?;
    cx.step("the second thread over REST");
    let (_, answer) = rest.messages(&second, 100, 0).await?;
    let seen = || "it stands in the history".into();
    cx.holds(!tells(&answer.text), Finding::ForeignData, expected, seen, || answer.evidence())?;
    session.close().await;
    cx.conforms()
}

/// A message, and its run to the end.
async fn asked(cx: &Context, socket: &mut Socket, thread: &str, content: &str) -> Result<(), Stop> {
    let started = cx.ask(socket, about(Kind::UserMessage, thread).with("content", content)).await?;
    run_ends(cx, socket, started.run_id().unwrap_or_default(), cx.profile().thresholds.run).await
}
