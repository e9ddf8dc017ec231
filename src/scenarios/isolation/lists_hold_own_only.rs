use serde_json::Value;

use super::estate::Estate;
use crate::check;
use crate::check::work::{entry, listed};
use crate::check::{Check, Context};
use crate::model::{Effect, Evidence, Finding, Judgement, Need, Stop};

pub(super) static CHECK: Check =
    check!("isolation/lists-hold-own-only", run).needs(&[Need::TwoUsers]).effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let logins = [cx.login().await?, cx.second_login().await?];
    cx.step("two threads of each user");
    let (mut sessions, mut estates, mut threads) = (Vec::new(), Vec::new(), Vec::new());
    for login in &logins {
        let (mut session, mut estate) = (cx.session(&login.access).await?, Estate::of(cx, login));
        let rest = cx.rest(login);
        let own = [cx.thread(&mut session.socket, "private").await?, rest.create("private").await?];
        for thread in &own {
            estate.id(thread);
            estate.text(cx, &rest.thread(thread).await?.1.text);
        }
        sessions.push(session);
        estates.push(estate);
        threads.push(own);
    }
    for (number, login) in logins.iter().enumerate() {
        let (own, other) = (&threads[number], &estates[1 - number]);
        cx.step(format!("the list of user {} over REST", number + 1));
        let (list, answer) = cx.rest(login).threads().await?;
        own_only(cx, &list, own, other, &answer.evidence())?;
        cx.step(format!("the list of user {} over the socket", number + 1));
        let (list, evidence) = listed(cx, &mut sessions[number].socket).await?;
        own_only(cx, &list, own, other, &evidence)?;
    }
    for session in sessions {
        session.close().await;
    }
    cx.conforms()
}

/// A list that holds the user's own threads, and nothing of the other one.
fn own_only(cx: &Context, list: &[Value], own: &[String], other: &Estate, evidence: &Evidence) -> Result<(), Stop> {
    let found = other.found_in(cx, &Value::from(list.to_vec()).to_string());
    let seen = || found.clone().unwrap_or_default();
    cx.holds(found.is_none(), Finding::ForeignData, "nothing of the other user", seen, || evidence.clone())?;
    let is_whole = own.iter().all(|thread| entry(list, thread).is_some());
    let seen = || "one of them is missing".into();
    cx.holds(is_whole, Finding::Lost, "the user's own new threads", seen, || evidence.clone())
}
