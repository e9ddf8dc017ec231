//! What a correct auth service, provider, frontend and control do.

use netra_check::reference::UserState;
use netra_check::wire::Contract;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, COOKIE, WWW_AUTHENTICATE};
use serde_json::json;

use crate::harness::{Reference, body, code, location, pair};

#[tokio::test]
async fn every_answer_of_a_login_session_fits_the_contract() {
    use netra_check::wire::Endpoint;
    for variation in [
        "",
        "rs256",
        "es256",
        "extra-payload-field",
        "escaped-json",
        "epoch-timestamps",
        "odd-ids",
        "offset-timestamps",
        "lower-case-headers",
        "closing-http",
        "unknown-claims",
    ] {
        let reference =
            Reference::start(if variation.is_empty() { &[] } else { std::slice::from_ref(&variation) }).await;
        let contract = Contract::load("netra-v1").unwrap();
        let (access, refresh) = reference.tokens().await;
        let asked = [
            (Endpoint::AuthHealth, reference.get("/health", &access).send().await.unwrap()),
            (Endpoint::AuthReady, reference.get("/health/ready", &access).send().await.unwrap()),
            (Endpoint::AuthConfig, reference.get("/auth/config", &access).send().await.unwrap()),
            (Endpoint::Verify, reference.get("/auth/verify", &access).send().await.unwrap()),
            (Endpoint::Me, reference.get("/auth/me", &access).send().await.unwrap()),
            (Endpoint::OauthProviders, reference.get("/oauth/providers", &access).send().await.unwrap()),
            (Endpoint::Refresh, reference.refresh(&refresh).await),
            (Endpoint::E2eLogin, reference.e2e(&json!({"email": "a@b.example", "expires_in": 2})).await),
            (Endpoint::DevLogin, reference.post("/auth/dev/login", &json!({})).await),
        ];
        for (endpoint, response) in asked {
            let body = body(response, StatusCode::OK).await;
            assert_eq!(contract.body_faults(endpoint, &body), [], "{variation}: {}", endpoint.slug());
        }
        let verdict = reference.validate(&access).await;
        assert_eq!(contract.body_faults(Endpoint::Validate, &verdict), [], "{variation}");
        assert_eq!(verdict["valid"], true, "{variation}");
        assert_eq!(reference.logout(&access).await.status(), StatusCode::OK);
        assert_eq!(reference.validate(&access).await["error_code"], "TOKEN_REVOKED", "{variation}");
        reference.stop().await;
    }
}

#[tokio::test]
async fn rotation_gives_one_successor_and_a_replay_ends_the_family() {
    let reference = Reference::start(&[]).await;
    let (access, refresh) = reference.tokens().await;
    let (newer, successor) = pair(&body(reference.refresh(&refresh).await, StatusCode::OK).await);
    assert_ne!(successor, refresh);
    for token in [&access, &newer] {
        assert_eq!(reference.get("/auth/me", token).send().await.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(code(reference.refresh(&access).await, StatusCode::UNAUTHORIZED).await, "TOKEN_INVALID");
    assert_eq!(code(reference.refresh(&refresh).await, StatusCode::UNAUTHORIZED).await, "TOKEN_REVOKED");
    assert_eq!(reference.refresh(&successor).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(reference.validate(&newer).await["error_code"], "TOKEN_REVOKED");
    reference.stop().await;
}

#[tokio::test]
async fn of_concurrent_refreshes_at_most_one_wins_and_grace_spares_the_family() {
    for (switches, living) in [(&[][..], 0), (&["grace-on-refresh"], 1)] {
        let reference = Reference::start(switches).await;
        let (_, refresh) = reference.tokens().await;
        let calls = futures_util::future::join_all((0..5).map(|_| reference.refresh(&refresh))).await;
        let mut successors = Vec::new();
        for call in calls {
            if call.status().is_success() {
                successors.push(pair(&body(call, StatusCode::OK).await).1);
            }
        }
        assert!(successors.len() <= 1);
        let mut alive = 0;
        for successor in &successors {
            alive += usize::from(reference.refresh(successor).await.status().is_success());
        }
        assert_eq!(alive, living, "{switches:?}");
        reference.stop().await;
    }
}

#[tokio::test]
async fn logout_ends_its_family_and_no_other() {
    for (switches, second) in [(&[][..], StatusCode::UNAUTHORIZED), (&["second-logout-200"], StatusCode::OK)] {
        let reference = Reference::start(switches).await;
        let ((access, refresh), (sibling, _)) = (reference.tokens().await, reference.tokens().await);
        assert_eq!(reference.logout(&access).await.status(), StatusCode::OK);
        assert_eq!(reference.logout(&access).await.status(), second);
        assert_eq!(reference.refresh(&refresh).await.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(reference.validate(&sibling).await["valid"], true);
        reference.stop().await;
    }
}

#[tokio::test]
async fn each_user_state_is_treated_by_its_cause() {
    let reference = Reference::start(&[]).await;
    for state in UserState::ALL {
        let response = reference.log_in(state).await;
        match state {
            UserState::Unverified | UserState::Disabled => {
                assert_eq!(code(response, StatusCode::FORBIDDEN).await, "PERMISSION_DENIED");
            }
            UserState::RateLimited => {
                assert!(response.headers().contains_key("retry-after"));
                assert_eq!(code(response, StatusCode::TOO_MANY_REQUESTS).await, "RATE_LIMIT_EXCEEDED");
            }
            UserState::OauthOnly => {
                assert_eq!(code(response, StatusCode::UNAUTHORIZED).await, "INVALID_CREDENTIALS");
            }
            _ => {
                let set = body(response, StatusCode::OK).await;
                let verdict = reference.validate(&pair(&set).0).await;
                match state {
                    UserState::ExpiredSession => assert_eq!(verdict["error_code"], "TOKEN_EXPIRED"),
                    UserState::RevokedSession => assert_eq!(verdict["error_code"], "TOKEN_REVOKED"),
                    UserState::ReadOnly => assert_eq!(verdict["permissions"], json!(["read"])),
                    _ => assert_eq!(verdict["valid"], true),
                }
            }
        }
    }
    reference.stop().await;
}

#[tokio::test]
async fn errors_have_one_form_and_401_a_challenge() {
    let reference = Reference::start(&[]).await;
    let missing = reference.client.get(reference.auth("/auth/me")).send().await.unwrap();
    assert_eq!(missing.headers()[WWW_AUTHENTICATE], "Bearer realm=\"netra\"");
    assert_eq!(code(missing, StatusCode::UNAUTHORIZED).await, "AUTH_MISSING");
    let broken = reference.client.post(reference.auth("/auth/login")).body("{").send().await.unwrap();
    assert_eq!(code(broken, StatusCode::BAD_REQUEST).await, "INVALID_REQUEST");
    assert_eq!(
        code(reference.post("/auth/login", &json!({})).await, StatusCode::UNPROCESSABLE_ENTITY).await,
        "INVALID_REQUEST"
    );
    assert_eq!(
        code(reference.get("/api/threads", "x").send().await.unwrap(), StatusCode::NOT_FOUND).await,
        "NOT_FOUND"
    );
    let wrong_method = reference.get("/auth/refresh", "x").send().await.unwrap();
    assert_eq!(wrong_method.headers()["allow"], "POST");
    assert_eq!(code(wrong_method, StatusCode::METHOD_NOT_ALLOWED).await, "INVALID_REQUEST");
    reference.stop().await;

    let detailed = Reference::start(&["detail-errors"]).await;
    let refused = body(detailed.get("/auth/me", "x").send().await.unwrap(), StatusCode::UNAUTHORIZED).await;
    assert_eq!(refused["detail"]["error_code"], "TOKEN_INVALID");
    let bare = body(detailed.get("/nowhere", "x").send().await.unwrap(), StatusCode::NOT_FOUND).await;
    assert!(bare["detail"].is_string());
    detailed.stop().await;
}

#[tokio::test]
async fn test_logins_need_the_key_and_are_closed_in_production() {
    let reference = Reference::start(&[]).await;
    assert_eq!(reference.post("/auth/e2e/test-auth", &json!({"email": "a@b"})).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        reference.e2e(&json!({"email": "a@b", "expires_in": 0})).await.status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
    reference.stop().await;
    for (switches, status) in [(&[][..], StatusCode::FORBIDDEN), (&["absent-test-logins"], StatusCode::NOT_FOUND)] {
        let production = Reference::start_with(switches, |conduct| conduct.production = true).await;
        assert_eq!(production.e2e(&json!({"email": "a@b"})).await.status(), status);
        assert_eq!(production.post("/auth/dev/login", &json!({})).await.status(), status);
        production.stop().await;
    }
}

#[tokio::test]
async fn each_provider_logs_in_and_its_state_is_bound_and_used_once() {
    let reference = Reference::start(&[]).await;
    for provider in reference.facts.providers.clone() {
        let (callback, cookie) = reference.consent(&provider).await;
        let bare = reference.client.get(callback.clone()).send().await.unwrap();
        assert_eq!(code(bare, StatusCode::BAD_REQUEST).await, "INVALID_REQUEST");
        let call = || reference.client.get(callback.clone()).header(COOKIE, &cookie);
        let set = body(call().header(ACCEPT, "application/json").send().await.unwrap(), StatusCode::OK).await;
        assert_eq!(reference.validate(&pair(&set).0).await["valid"], true, "{provider}");
        assert_eq!(call().send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    }
    let (callback, cookie) = reference.consent("google").await;
    let to = location(&reference.client.get(callback).header(COOKIE, &cookie).send().await.unwrap());
    assert_eq!(to.origin(), reference.facts.urls.frontend.as_ref().unwrap().origin());
    assert!(to.query().is_none() && to.fragment().unwrap().contains("access_token="));
    for refused in ["/auth/login?provider=nobody", "/auth/login?provider=google&return_url=https://evil.example/"] {
        let response = reference.client.get(reference.auth(refused)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{refused}");
    }
    let news = reference.client.get(reference.auth("/internal/oauth-completions?after=0"));
    let news = news.header("X-Service-ID", &reference.facts.service_id);
    let news = news.header("X-Service-Secret", &reference.facts.service_secret).send().await.unwrap();
    let news = body(news, StatusCode::OK).await;
    assert_eq!(news["next"], 6);
    reference.stop().await;
}

#[tokio::test]
async fn validation_is_for_services_only() {
    let reference = Reference::start(&[]).await;
    let (access, _) = reference.tokens().await;
    let ask = || reference.client.post(reference.auth("/auth/validate")).json(&json!({"token": access}));
    assert_eq!(ask().send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ask().bearer_auth(&access).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let wrong = ask().header("X-Service-ID", "netra-backend").header("X-Service-Secret", "x");
    assert_eq!(wrong.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let login = json!({"service_id": reference.facts.service_id, "service_secret": reference.facts.service_secret});
    let service = body(reference.post("/auth/service-token", &login).await, StatusCode::OK).await;
    let service = service["access_token"].as_str().unwrap();
    assert_eq!(body(ask().bearer_auth(service).send().await.unwrap(), StatusCode::OK).await["valid"], true);
    assert_eq!(reference.get("/auth/me", service).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    reference.stop().await;
}

#[tokio::test]
async fn an_outage_is_in_force_when_down_has_answered_and_over_after_up() {
    let reference = Reference::start(&[]).await;
    let control = |path: &str| reference.facts.urls.control.as_ref().unwrap().join(path).unwrap();
    let health = || reference.client.get(reference.auth("/health")).send();
    assert!(health().await.is_ok());
    let (access, _) = reference.tokens().await;
    assert_eq!(reference.client.post(control("/auth/down")).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    for _ in 0..3 {
        assert!(health().await.is_err());
    }
    assert_eq!(reference.client.post(control("/auth/up")).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(reference.validate(&access).await["valid"], true);
    reference.stop().await;
}

#[tokio::test]
async fn the_frontend_names_its_services_and_every_event_it_must_handle() {
    let reference = Reference::start(&[]).await;
    let frontend = reference.facts.urls.frontend.clone().unwrap();
    let get = |path: &str| reference.client.get(frontend.join(path).unwrap()).send();
    assert!(get("/").await.unwrap().text().await.unwrap().contains("/app.js"));
    let script = get("/app.js").await.unwrap().text().await.unwrap();
    for kind in Contract::load("netra-v1").unwrap().ui_kinds() {
        assert!(script.contains(&format!("\"{kind}\"")), "{kind}");
    }
    let config = body(get("/api/config/public").await.unwrap(), StatusCode::OK).await;
    assert_eq!(format!("{}/", config["urls"]["auth"].as_str().unwrap()), reference.auth("/").as_str());
    assert_eq!(get("/auth/callback").await.unwrap().status(), StatusCode::OK);
    reference.stop().await;
}
