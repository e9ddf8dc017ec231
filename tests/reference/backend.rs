//! The reference's backend over real connections: REST, sockets, runs, sessions.

use std::time::Duration;

use crate::support::{Environment, is_close, message};
use netra_check::reference::{Settings, VARIATIONS};
use netra_check::wire::{ErrorCode, Kind};
use percent_encoding::NON_ALPHANUMERIC;
use serde_json::json;

#[tokio::test]
async fn both_carriers_open_a_socket_and_a_plain_prompt_runs_through() {
    let environment = Environment::start(&[]).await;
    let login = environment.login("someone").await;
    for subprotocol in [false, true] {
        let mut socket = environment.connect(&login, subprotocol).await;
        let welcome = socket.next().await;
        assert_eq!(welcome.kind, Kind::ConnectionEstablished);
        assert_eq!(welcome.user_id(), Some(login.user_id.as_str()));
        assert_eq!(welcome.sequence, Some(1));

        socket.send(message(Kind::UserMessage).with("content", "hello").id(format!("first-{subprotocol}"))).await;
        let run = socket.run().await;
        let kinds: Vec<_> = run.iter().map(|message| message.kind.clone()).collect();
        assert_eq!(kinds.first(), Some(&Kind::MessageCreated), "{kinds:?}");
        assert_eq!(run[0].in_reply_to(), Some(format!("first-{subprotocol}").as_str()));
        for needed in [Kind::AgentStarted, Kind::AgentThinking, Kind::PartialResult, Kind::AgentCompleted] {
            assert!(kinds.contains(&needed), "no {needed} in {kinds:?}");
        }
        assert!(run.iter().skip(1).all(|message| message.run_id() == run[0].run_id()));
        let said: String = run.iter().filter(|m| m.kind == Kind::PartialResult).filter_map(|m| m.content()).collect();
        let thread = run[0].thread_id().unwrap().to_owned();
        let history = environment.get(&login, &format!("/api/threads/{thread}/messages")).await;
        let last = history["messages"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last["content"], json!(said));
        assert_eq!(last["metadata"]["run_id"].as_str(), run[0].run_id());
    }
    environment.stop().await;
}

#[tokio::test]
async fn every_frame_of_every_prompt_fits_the_contract() {
    let environment = Environment::start(&[]).await;
    for (index, prompt) in [
        "[[tools:2]]",
        "[[agents:3]]",
        "[[parallel:3]]",
        "[[degrade]]",
        "[[stream:20@2ms]]",
        "[[fail:llm_failure]]",
        "[[fail:timeout]]",
        "[[fail:invalid_input]] [[parallel:2]]",
        "[[steady]]",
    ]
    .into_iter()
    .enumerate()
    {
        let login = environment.login(&format!("prompt{index}")).await;
        let mut socket = environment.connect(&login, false).await;
        socket.next().await;
        socket.send(message(Kind::UserMessage).with("content", prompt)).await;
        let run = socket.run().await;
        let end = run.last().unwrap();
        let failed = run.iter().any(|message| message.kind == Kind::AgentError);
        assert_eq!(end.kind != Kind::FinalReport, failed, "{prompt}: {end:?}");
    }
    environment.stop().await;
}

#[tokio::test]
async fn refusals_tell_their_cause_before_and_after_the_upgrade() {
    for variations in [&[][..], &["refuse-after-upgrade"][..]] {
        let environment = Environment::start(variations).await;
        let login = environment.login("someone").await;
        for (token, code) in [(None, ErrorCode::AuthMissing), (Some("a.b.c"), ErrorCode::TokenInvalid)] {
            assert_eq!(environment.refused(token, &[]).await, code, "{variations:?}");
        }
        let origin = [("Origin", "https://elsewhere.example")];
        assert_eq!(environment.refused(Some(&login.access), &origin).await, ErrorCode::OriginForbidden);
        environment.logout(&login).await;
        assert_eq!(environment.refused(Some(&login.access), &[]).await, ErrorCode::TokenRevoked);
        environment.stop().await;
    }
}

#[tokio::test]
async fn a_refreshed_token_keeps_the_socket_and_a_logout_ends_it() {
    let environment = Environment::start(&[]).await;
    let login = environment.login("someone").await;
    let mut socket = environment.connect(&login, false).await;
    socket.next().await;
    let refreshed = environment.refresh(&login).await;
    socket.send(message(Kind::TokenRefresh).with("token", refreshed.access.as_str()).id("r")).await;
    let answer = socket.next().await;
    assert_eq!((answer.kind, answer.payload["in_reply_to"].as_str()), (Kind::TokenRefreshed, Some("r")));
    socket.send(message(Kind::TokenRefresh).with("token", "nonsense")).await;
    assert_eq!(socket.next().await.error_code(), Some(ErrorCode::TokenInvalid));

    socket.send(message(Kind::UserMessage).with("content", "[[stream:500@20ms]]")).await;
    while socket.next().await.kind != Kind::PartialResult {}
    environment.logout(&refreshed).await;
    let mut rest = socket.until_close().await;
    let (close, frames) = rest.pop().map(|last| (last, rest)).unwrap();
    assert!(is_close(&close, 1008), "{close:?}");
    let kinds: Vec<_> = frames.iter().map(|frame| frame.message().kind.clone()).collect();
    assert!(kinds.ends_with(&[Kind::StreamTerminated, Kind::Error]), "{kinds:?}");
    environment.stop().await;
}

#[tokio::test]
async fn an_expired_credential_ends_the_socket_in_time() {
    let environment = Environment::start(&[]).await;
    let login = environment.login_for("someone", 2).await;
    let mut socket = environment.connect(&login, false).await;
    socket.next().await;
    let rest = tokio::time::timeout(Duration::from_millis(3_500), socket.until_close()).await.expect("an end");
    assert_eq!(rest[0].message().error_code(), Some(ErrorCode::TokenExpired));
    assert!(is_close(&rest[1], 1008));
    environment.stop().await;
}

#[tokio::test]
async fn a_lost_session_is_restored_without_gap_or_repeat() {
    let environment = Environment::start(&[]).await;
    let login = environment.login("someone").await;
    let mut socket = environment.connect(&login, false).await;
    let session = socket.next().await.connection_id().unwrap().to_owned();
    socket.send(message(Kind::UserMessage).with("content", "[[stream:30@10ms]]")).await;
    let mut seen = vec![1];
    for _ in 0..8 {
        seen.push(socket.next().await.sequence.unwrap());
    }
    drop(socket);

    let mut socket = environment.connect(&login, true).await;
    socket.next().await;
    let last = *seen.last().unwrap();
    let restore = message(Kind::SessionRestore).with("connection_id", session.as_str()).with("last_sequence", last);
    socket.send(restore.id("again")).await;
    let restored = loop {
        let next = socket.next().await;
        if next.kind == Kind::SessionRestored {
            break next;
        }
    };
    assert_eq!(restored.connection_id(), Some(session.as_str()));
    assert_eq!((restored.sequence, restored.in_reply_to()), (None, Some("again")));
    assert_eq!(restored.payload["resumed"], json!(true));
    loop {
        let next = socket.next().await;
        seen.push(next.sequence.unwrap());
        if next.kind == Kind::FinalReport {
            break;
        }
    }
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>());

    let stranger = environment.login("stranger").await;
    let mut foreign = environment.connect(&stranger, false).await;
    foreign.next().await;
    let restore = message(Kind::SessionRestore).with("connection_id", session.as_str()).with("last_sequence", 1);
    foreign.send(restore).await;
    assert_eq!(foreign.next().await.error_code(), Some(ErrorCode::SessionUnknown));
    environment.stop().await;
}

#[tokio::test]
async fn the_breaker_opens_admits_one_trial_and_closes() {
    let environment = Environment::start(&[]).await;
    let login = environment.login("someone").await;
    let mut socket = environment.connect(&login, false).await;
    socket.next().await;
    for _ in 0..5 {
        socket.send(message(Kind::UserMessage).with("content", "[[fail:network]]")).await;
        socket.run().await;
    }
    assert_eq!(socket.next_of(Kind::CircuitBreakerTriggered).await.text("state"), Some("open"));
    socket.next_of(Kind::GracefulDegradation).await;
    socket.send(message(Kind::UserMessage).with("content", "hello")).await;
    let refused = socket.next_of(Kind::Error).await;
    assert_eq!(refused.error_code(), Some(ErrorCode::CircuitOpen));
    let wait = Duration::from_millis(refused.payload["retry_after_ms"].as_u64().unwrap());
    tokio::time::sleep(wait + Duration::from_millis(20)).await;
    socket.send(message(Kind::UserMessage).with("content", "hello [[stream:5@20ms]]")).await;
    socket.send(message(Kind::UserMessage).with("content", "me, too")).await;
    assert_eq!(socket.next_of(Kind::CircuitBreakerTriggered).await.text("state"), Some("half_open"));
    assert_eq!(socket.next_of(Kind::Error).await.error_code(), Some(ErrorCode::CircuitOpen));
    assert_eq!(socket.next_of(Kind::CircuitBreakerTriggered).await.text("state"), Some("closed"));
    socket.next_of(Kind::ServiceRecovered).await;
    environment.stop().await;
}

#[tokio::test]
async fn threads_change_on_all_sockets_whoever_changes_them() {
    let environment = Environment::start(&[]).await;
    let login = environment.login("someone").await;
    let (mut first, mut second) = (environment.connect(&login, false).await, environment.connect(&login, false).await);
    first.next().await;
    second.next().await;
    first.send(message(Kind::CreateThread).with("title", "One").id("c")).await;
    let created = first.next_of(Kind::ThreadCreated).await;
    let seen = second.next_of(Kind::ThreadCreated).await;
    assert_eq!(created.message_id, seen.message_id);
    let thread = created.thread_id().unwrap();
    first.send(message(Kind::CreateThread).with("title", "One").id("c")).await;
    assert_eq!(first.next_of(Kind::ThreadCreated).await.thread_id(), Some(thread), "the same id again");

    let path = format!("/api/threads/{thread}");
    environment.call(&login, "PUT", &path, Some(json!({"title": "Two"}))).await;
    assert_eq!(second.next_of(Kind::ThreadRenamed).await.text("title"), Some("Two"));
    first.send(message(Kind::UserMessage).with("content", "[[stream:500@20ms]]").with("thread_id", thread)).await;
    first.next_of(Kind::PartialResult).await;
    environment.call(&login, "DELETE", &path, None).await;
    assert_eq!(second.next_of(Kind::AgentStopped).await.text("reason"), Some("thread_deleted"));
    assert_eq!(second.next().await.kind, Kind::ThreadDeleted);
    first.next_of(Kind::ThreadDeleted).await;
    first.send(message(Kind::SwitchThread).with("thread_id", thread)).await;
    assert_eq!(first.next().await.error_code(), Some(ErrorCode::ThreadNotFound));
    environment.stop().await;
}

#[tokio::test]
async fn limits_refuse_the_one_that_is_too_many() {
    let environment = Environment::start(&[]).await;
    let login = environment.login("someone").await;
    let mut sockets = Vec::new();
    for _ in 0..Settings::default().max_sockets_per_user {
        let mut socket = environment.connect(&login, false).await;
        socket.next().await;
        sockets.push(socket);
    }
    assert_eq!(environment.refused(Some(&login.access), &[]).await, ErrorCode::TooManyConnections);
    let socket = &mut sockets[0];
    for _ in 0..40 {
        socket.send(message(Kind::ListThreads)).await;
        assert_eq!(socket.next().await.kind, Kind::ThreadList);
    }
    socket.send(message(Kind::ListThreads)).await;
    let refused = socket.next().await;
    assert_eq!(refused.error_code(), Some(ErrorCode::RateLimitExceeded));
    assert!(refused.payload["retry_after_ms"].as_u64().is_some_and(|wait| (1..=2_001).contains(&wait)));
    let answer = environment.try_call(&login, "GET", "/api/threads", None).await;
    assert_eq!(answer.status(), 429);
    assert!(answer.headers().contains_key("retry-after"));
    environment.stop().await;
}

#[tokio::test]
async fn a_stop_is_answered_by_the_first_agent_stopped() {
    let environment = Environment::start(&[]).await;
    let login = environment.login("someone").await;
    let mut socket = environment.connect(&login, false).await;
    socket.next().await;
    socket.send(message(Kind::StartAgent).with("content", "[[stream:500@20ms]]").with("agent_name", "research")).await;
    let run = socket.next_of(Kind::MessageCreated).await.run_id().unwrap().to_owned();
    socket.next_of(Kind::PartialResult).await;
    socket.send(message(Kind::StopAgent).with("run_id", run.as_str()).id("stop")).await;
    let stopped = socket.next_of(Kind::AgentStopped).await;
    assert_eq!(stopped.in_reply_to(), Some("stop"));
    socket.send(message(Kind::StopAgent).with("run_id", run.as_str())).await;
    assert_eq!(socket.next().await.error_code(), Some(ErrorCode::RunNotFound));
    environment.stop().await;
}

#[tokio::test]
async fn breaches_of_the_protocol_close_with_their_code() {
    let environment = Environment::start(&[]).await;
    let login = environment.login("someone").await;
    for (octets, code) in [
        (&b"\x82\x81\x00\x00\x00\x00a"[..], 1003),
        (b"\x81\x81\x00\x00\x00\x00\xff", 1007),
        (b"\x81\x01a", 1002),
        (b"\x81\xff\x00\x00\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00", 1009),
    ] {
        let mut socket = environment.connect(&login, false).await;
        socket.next().await;
        socket.send_raw(octets).await;
        let rest = socket.until_close().await;
        assert!(is_close(rest.last().unwrap(), code), "{code}: {rest:?}");
    }
    environment.stop().await;
}

#[tokio::test]
async fn under_every_variation_the_environment_keeps_the_contract() {
    for variation in VARIATIONS {
        let environment = Environment::start(&[variation.id]).await;
        let login = environment.login("someone").await;
        let mut socket = environment.connect(&login, true).await;
        assert_eq!(socket.next().await.kind, Kind::ConnectionEstablished, "{}", variation.id);
        socket.send(message(Kind::UserMessage).with("content", "Grüße 🗼 [[agents:2]] [[tools:1]]")).await;
        let run = socket.run().await;
        let said: String = run.iter().filter(|m| m.kind == Kind::PartialResult).filter_map(|m| m.content()).collect();
        let thread = percent_encoding::utf8_percent_encode(run[0].thread_id().unwrap(), NON_ALPHANUMERIC);
        let path = format!("/api/threads/{thread}/messages");
        let history = environment.get(&login, &path).await;
        assert_eq!(history["messages"][0]["content"], json!("Grüße 🗼 [[agents:2]] [[tools:1]]"), "{}", variation.id);
        assert_eq!(history["messages"][1]["content"], json!(said), "{}", variation.id);
        assert_eq!(environment.refused(None, &[]).await, ErrorCode::AuthMissing, "{}", variation.id);
        environment.stop().await;
    }
}

#[tokio::test]
async fn malformed_upgrades_are_refused_with_and_without_a_token() {
    let environment = Environment::start(&[]).await;
    let login = environment.login("someone").await;
    let whole = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for token in [String::new(), format!("Authorization: Bearer {}\r\n", login.access)] {
        for (from, to, statuses) in [
            ("Version: 13", "Version: 12", [426, 426]),
            ("Sec-WebSocket-Version: 13\r\n", "", [426, 426]),
            ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", [400, 400]),
            ("dGhlIHNhbXBsZSBub25jZQ==", "short", [400, 400]),
            ("Upgrade: websocket\r\n", "", [426, 426]),
            ("GET", "POST", [405, 405]),
            ("HTTP/1.1", "HTTP/1.0", [400, 505]),
            ("websocket", "WebSocket", if token.is_empty() { [401, 401] } else { [101, 101] }),
        ] {
            let status = environment.status(&format!("{}{token}\r\n", whole.replacen(from, to, 1))).await;
            assert!(statuses.contains(&status), "{to:?} in place of {from:?}: {status}");
        }
    }
    environment.stop().await;
}
