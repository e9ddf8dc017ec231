//! How a run behaves towards the environment: what it may do, what it leaves behind, and when it does not judge.

mod support;
mod threads;

use std::time::Duration;

use netra_check::check::{Body, Check, Context};
use netra_check::model::{
    Blame, Direction, Effect, ExitCode, Finding, Inconclusive, Judgement, Outcome, Record, Verdict,
};
use netra_check::scenarios::registry;
use netra_check::wire::{Contract, Endpoint, Kind, Message};
use serde_json::json;
use support::Environment;

/// A page as short as can be: these checks are not in the registry.
const PAGE: &str = "# Title\n\n> It holds.\n\nSource: none\n\nDefects:\n\n## What\n";

static WRITES: Check = Check::new("handshake/writes-undeclared", PAGE, file!(), Body::Probe(|cx| Box::pin(writes(cx))));
static POSTS: Check = Check::new("handshake/posts-undeclared", PAGE, file!(), Body::Probe(|cx| Box::pin(posts(cx))));
static REVOKES: Check =
    Check::new("handshake/revokes-undeclared", PAGE, file!(), Body::Probe(|cx| Box::pin(revokes(cx))));
static TRIES: Check = Check::new("handshake/tries-refused", PAGE, file!(), Body::Probe(|cx| Box::pin(tries(cx))));
static PANICS: Check =
    Check::new("handshake/creates-and-panics", PAGE, file!(), Body::Probe(|cx| Box::pin(panics(cx))))
        .effects(&[Effect::Create]);
static WAITS: Check = Check::new("handshake/waits", PAGE, file!(), Body::Probe(|cx| Box::pin(waits(cx, false))));
static HELD_UP: Check = Check::new("handshake/held-up", PAGE, file!(), Body::Probe(|cx| Box::pin(waits(cx, true))));

async fn writes(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    cx.thread(&mut session.socket, "not allowed").await?;
    cx.conforms()
}

async fn posts(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let body = json!({"title": cx.target().title("not allowed")});
    let answer = cx.call(Endpoint::CreateThread).bearer(&login.access).json(&body).send().await?;
    cx.success(Endpoint::CreateThread, &answer)?;
    cx.conforms()
}

async fn revokes(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    // Spelt as a path: what is asked counts, and not how.
    let logout = cx.request(netra_check::model::Origin::Auth, "POST", "/auth/logout").bearer(&login.access);
    cx.status(&logout.send().await?, &[200])?;
    cx.conforms()
}

/// What a right target refuses is no effect.
async fn tries(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let answer = cx.call(Endpoint::CreateThread).json(&json!({})).send().await?;
    cx.status(&answer, &[401])?;
    let broken = cx.call(Endpoint::CreateThread).bearer(&login.access).raw_body("{", "application/json");
    cx.status(&broken.send().await?, &[400, 422])?;
    let mut session = cx.session(&login.access).await?;
    let no_content = Message::new(Kind::UserMessage).with("text", "Say hello.");
    cx.ask_refused(&mut session.socket, no_content, &[netra_check::wire::ErrorCode::InvalidMessage]).await?;
    cx.conforms()
}

async fn panics(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    let run = cx.thread(&mut session.socket, "left alone").await?;
    // An implicit thread, and one of which nobody has heard yet.
    cx.ask(&mut session.socket, Message::new(Kind::UserMessage).with("content", "Say hello.")).await?;
    let title = cx.target().title("never answered");
    session.socket.send(&Message::new(Kind::CreateThread).with("title", title)).await;
    panic!("with the thread {run} in place");
}

async fn waits(cx: &Context, held_up: bool) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    if held_up {
        // The one thread of the runtime on which this test runs the engine.
        session.socket.send(&Message::new(Kind::Ping)).await;
        let blocked = async { std::thread::sleep(Duration::from_millis(600)) };
        let (waited, ()) = tokio::join!(
            cx.message_within(&mut session.socket, Duration::from_secs(1), "what never comes", |_| false),
            blocked
        );
        waited?;
    }
    cx.message_within(&mut session.socket, Duration::from_secs(1), "what never comes", |_| false).await?;
    cx.conforms()
}

fn outcome<'a>(outcomes: &'a [std::sync::Arc<Outcome>], check: &Check) -> &'a Outcome {
    outcomes.iter().find(|outcome| outcome.id == check.id).unwrap()
}

fn inconclusive(outcome: &Outcome) -> &Inconclusive {
    match &outcome.verdict {
        Verdict::Inconclusive(why) => why,
        other => panic!("{}: {other:?}", outcome.id),
    }
}

#[test]
fn a_whole_run_in_production_writes_nothing() {
    let environment = Environment::production();
    let before = environment.threads();
    let (result, said) = environment.run(registry());
    assert_eq!(environment.threads(), before);
    assert!(result.totals.conforms > 20, "{:?}", result.totals);
    assert_ne!(result.exit_code, ExitCode::Internal);

    let contract = Contract::load("netra-v1").unwrap();
    let (mut requests, mut frames) = (0, 0);
    for entry in said.iter().filter(|entry| entry.direction == Direction::Sent) {
        match &entry.record {
            Record::Request { method, url, headers, body } if url.contains("/api/threads") => {
                requests += 1;
                let credential = headers.iter().any(|(name, _)| name == "Authorization");
                let json = body.as_ref().is_none_or(|body| serde_json::from_str::<serde_json::Value>(body).is_ok());
                assert!(method == "GET" || !credential || !json, "{}: {method} {url}", entry.check);
            }
            Record::Frame { payload, .. } => {
                frames += 1;
                let Ok(message) = contract.read_client(payload) else { continue };
                let value = serde_json::from_str(payload).unwrap_or_default();
                let fits = contract.payload_faults(&message.kind, &value).is_empty();
                assert!(message.kind.effect() == Effect::Read || !fits, "{}: {payload}", entry.check);
            }
            _ => {}
        }
    }
    assert!(requests > 2 && frames > 20, "{requests} requests, {frames} frames");
    environment.stop();
}

#[test]
fn what_a_check_has_not_declared_is_not_sent_and_is_a_defect_of_ours() {
    let environment = Environment::start();
    let before = environment.threads();
    let (result, _) = environment.run(vec![&WRITES, &POSTS, &REVOKES, &TRIES]);
    assert_eq!(environment.threads(), before);
    for (check, effect) in [(&WRITES, "create"), (&POSTS, "create"), (&REVOKES, "revoke")] {
        let why = inconclusive(outcome(&result.outcomes, check));
        assert_eq!(why.blame, Blame::Harness);
        assert!(why.what.contains(&format!("`{effect}`")) && why.what.contains("not sent"), "{}", why.what);
    }
    let tries = outcome(&result.outcomes, &TRIES);
    assert!(matches!(tries.verdict, Verdict::Conforms(_)), "{:?}", tries.verdict);
    assert_eq!(result.exit_code, ExitCode::Internal);
    environment.stop();
}

#[test]
fn a_check_that_panics_leaves_nothing() {
    let environment = Environment::start();
    let before = environment.threads();
    let (result, _) = environment.run(vec![&PANICS]);
    let why = inconclusive(outcome(&result.outcomes, &PANICS));
    assert!(why.what.contains("with the thread"), "{}", why.what);
    assert_eq!(environment.threads(), before);
    assert!(result.remarks.is_empty(), "{:?}", result.remarks);
    environment.stop();
}

#[test]
fn a_window_is_not_judged_while_we_are_late_ourselves() {
    let environment = Environment::single_threaded();
    let (result, _) = environment.run(vec![&WAITS]);
    match &outcome(&result.outcomes, &WAITS).verdict {
        Verdict::Deviates(deviation) => assert_eq!(deviation.finding, Finding::NoAnswer),
        other => panic!("{other:?}"),
    }
    let (result, _) = environment.run(vec![&HELD_UP]);
    let held_up = outcome(&result.outcomes, &HELD_UP);
    let why = inconclusive(held_up);
    assert_eq!(why.blame, Blame::Harness);
    assert!(why.what.starts_with("our own delay was "), "{}", why.what);
    assert_eq!(held_up.attempts, 2, "our own delay is worth one more attempt");
    environment.stop();
}
