//! Several users at work at the same time.

use futures_util::future::{join_all, try_join_all};

use super::estate::{Estate, nothing_foreign};
use crate::check::work::{about, run_ends};
use crate::check::{Context, PLAIN_PROMPT, Session};
use crate::model::{Stop, Trigger};
use crate::profile::TriggerSpec;
use crate::target::Login;
use crate::wire::{Kind, Message};

/// One of them.
struct Member {
    session: Session,
    estate: Estate,
    threads: Vec<String>,
    /// Messages that were sent, each of which starts a run.
    asked: Vec<Message>,
    runs: Vec<String>,
}

/// Each user begins `each` runs at once, each on a thread of its own. When all have ended, each begins one more, to
/// its end: what may have gone astray has arrived by then. No connection may have got what is another user's.
pub(super) async fn mingles(cx: &Context, logins: &[Login], each: usize) -> Result<(), Stop> {
    let mut members = try_join_all(logins.iter().map(|login| enter(cx, login, each))).await?;
    cx.step(format!("{} runs of {} users at once", each * logins.len(), logins.len()));
    for member in &members {
        member.session.socket.burst(each as u64).await;
    }
    for number in 0..each {
        for member in &members {
            member.session.socket.send(&member.asked[number]).await;
        }
    }
    for member in &mut members {
        started(cx, member).await?;
    }
    for member in &mut members {
        for run in member.runs.clone() {
            run_ends(cx, &mut member.session.socket, &run, cx.profile().thresholds.run).await?;
        }
    }
    cx.step("one more run of each user, after all others have ended");
    for member in &mut members {
        let thread = &member.threads[0];
        let asked =
            cx.ask(&mut member.session.socket, about(Kind::UserMessage, thread).with("content", PLAIN_PROMPT)).await?;
        member.estate.named_in(&asked);
        run_ends(cx, &mut member.session.socket, asked.run_id().unwrap_or_default(), cx.profile().thresholds.run)
            .await?;
    }
    cx.step("what came on each user's connection");
    for (number, member) in members.iter().enumerate() {
        let others = members.iter().enumerate().filter(|(other, _)| *other != number).map(|(_, other)| &other.estate);
        nothing_foreign(cx, &member.session.socket, others)?;
    }
    join_all(members.into_iter().map(|member| member.session.close())).await;
    Ok(())
}

/// A user with a socket, threads, and what is to be asked in them.
async fn enter(cx: &Context, login: &Login, each: usize) -> Result<Member, Stop> {
    let mut session = cx.session(&login.access).await?;
    let mut estate = Estate::of(cx, login);
    estate.id(session.welcome.connection_id().unwrap_or_default());
    let (mut threads, mut asked) = (Vec::new(), Vec::new());
    for number in 0..each {
        let title = cx.target().title("in the crowd");
        let create = Message::new(Kind::CreateThread).with("title", title.as_str());
        let created = cx.ask(&mut session.socket, create).await?;
        let thread = created.thread_id().unwrap_or_default().to_owned();
        let content = format!("{} {}", prompt(cx, number), cx.target().unique("whispered"));
        estate.text(cx, &title);
        estate.text(cx, &content);
        estate.id(&thread);
        let message = about(Kind::UserMessage, &thread).with("content", content);
        asked.push(message.id(cx.target().unique("asked")));
        threads.push(thread);
    }
    Ok(Member { session, estate, threads, asked, runs: Vec::new() })
}

/// What is asked in the thread of this number: of the first one, where the profile knows how, something that takes tools.
fn prompt(cx: &Context, number: usize) -> &str {
    match cx.profile().triggers.get(&Trigger::ToolUse) {
        Some(TriggerSpec::Prompt { content, agent_name: None, .. }) if number == 0 => content,
        _ => PLAIN_PROMPT,
    }
}

/// Each message was answered; what it started belongs to its user.
async fn started(cx: &Context, member: &mut Member) -> Result<(), Stop> {
    for asked in &member.asked {
        let is_answer = cx.answers(asked);
        let created = cx.told(&mut member.session.socket, "the answer to each message", is_answer).await?;
        cx.same("the answer", &cx.contract().answer_to(&asked.kind), &Some(created.kind.clone()), || {
            member.session.socket.evidence()
        })?;
        member.estate.named_in(&created);
        member.runs.push(created.run_id().unwrap_or_default().to_owned());
    }
    Ok(())
}
