use serde_json::Value;

use super::owner::Owner;
use crate::check;
use crate::check::work::{entry, listed};
use crate::check::{Check, Context, text};
use crate::model::{Effect, Evidence, Finding, Judgement, Stop};
use crate::wire::read_timestamp;

pub(super) static CHECK: Check = check!("threads/list-newest-first", run).effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let mut owner = Owner::of(cx).await?;
    let mut threads = Vec::new();
    for name in ["one", "two", "three"] {
        threads.push(owner.rest.create(name).await?);
    }
    cx.step("three threads, one after the other");
    newest_first(cx, &mut owner, &threads, 2).await?;

    cx.step("a message in the first one");
    owner.rest.post(&threads[0], "A message moves its thread up.").await?;
    newest_first(cx, &mut owner, &threads, 0).await?;

    cx.step("a new title of the second one");
    owner.rest.rename(&threads[1], &cx.target().title("two, renamed")).await?;
    newest_first(cx, &mut owner, &threads, 1).await?;
    owner.leave().await;
    cx.conforms()
}

/// In both lists the threads come by `updated_at`, the one of this place first.
async fn newest_first(cx: &Context, owner: &mut Owner<'_>, threads: &[String], newest: usize) -> Result<(), Stop> {
    let (rest, newest) = (owner.rest.clone(), threads[newest].as_str());
    let is_first = |list: &[Value]| {
        let first = list.iter().map(|entry| text(entry, "id")).find(|id| threads.contains(id));
        first.as_deref() == Some(newest)
    };
    let (over_rest, answer) = cx.settled(|| rest.threads(), |(list, _)| is_first(list)).await?;
    judge(cx, "REST", &over_rest, threads, newest, &answer.evidence())?;
    let (over_socket, evidence) = listed(cx, &mut owner.asking.socket).await?;
    judge(cx, "the socket", &over_socket, threads, newest, &evidence)
}

fn judge(
    cx: &Context,
    list_of: &str,
    list: &[Value],
    threads: &[String],
    newest: &str,
    evidence: &Evidence,
) -> Result<(), Stop> {
    let missing = threads.iter().filter(|thread| entry(list, thread).is_none()).count();
    let seen = || format!("{missing} of them are missing");
    let expected = format!("our {} threads in the list of {list_of}", threads.len());
    cx.holds(missing == 0, Finding::Lost, expected, seen, || evidence.clone())?;
    let forms = cx.contract().timestamp_forms();
    let updated = |entry: &Value| Some(read_timestamp(entry.get("updated_at")?, forms)?.0);
    let own: Vec<_> = list.iter().filter(|entry| threads.contains(&text(entry, "id"))).collect();
    let times: Vec<_> = own.iter().map(|entry| updated(entry)).collect();
    let falls = times.windows(2).all(|pair| pair[0] >= pair[1]);
    // Equal times come in any order.
    let leads = entry(list, newest).is_some_and(|entry| updated(entry) == times[0]);
    let told = || own.iter().map(|entry| format!("{:?}", text(entry, "title"))).collect::<Vec<_>>().join(", ");
    let expected = format!("the list of {list_of} by updated_at, the thread that was changed last first");
    cx.holds(falls && leads, Finding::WrongOrder, expected, told, || evidence.clone())
}
