//! What the switches of the auth service show.

use std::sync::Arc;

use netra_check::reference::{TlsIdentity, UserState};
use reqwest::header::{COOKIE, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Reference, body};

#[tokio::test]
async fn browsers_are_answered_by_the_allow_list() {
    for (switch, origin, allowed) in [
        ("", "https://evil.example", None),
        ("", "own", Some("own")),
        ("cors-mirrors-origin", "https://evil.example", Some("https://evil.example")),
        ("cors-star-with-credentials", "https://evil.example", Some("*")),
    ] {
        let reference = Reference::start(if switch.is_empty() { &[] } else { std::slice::from_ref(&switch) }).await;
        let own = reference.facts.urls.frontend.as_ref().unwrap().origin().ascii_serialization();
        let name = |text: &str| if text == "own" { own.clone() } else { text.to_owned() };
        let response =
            reference.client.get(reference.auth("/health")).header("Origin", name(origin)).send().await.unwrap();
        let seen =
            response.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(seen, allowed.map(name), "{switch}");
        reference.stop().await;
    }
}

#[tokio::test]
async fn misconduct_shows_over_http() {
    type Seen = (StatusCode, Value);
    async fn seen(request: RequestBuilder) -> Seen {
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap_or_default())
    }
    for switch in [
        "auth-serves-backend-routes",
        "html-error-page",
        "bad-body-500",
        "verify-refuses-own-tokens",
        "kid-crash",
        "rotation-kills-socket",
        "no-www-authenticate",
    ] {
        let reference = Reference::start(&[switch]).await;
        let (access, refresh) = reference.tokens().await;
        let header = base64::Engine::encode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            json!({"alg": "HS256", "kid": "a'b"}).to_string(),
        );
        let threads = seen(reference.get("/api/threads", &access)).await;
        let broken = seen(reference.client.post(reference.auth("/auth/login")).body("{")).await;
        let verified = seen(reference.get("/auth/verify", &access)).await.0;
        let quoted = seen(reference.get("/auth/me", &format!("{header}.e30.AAAA"))).await.0;
        let refused = reference.get("/auth/me", "x").send().await.unwrap();
        let has_challenge = refused.headers().contains_key(WWW_AUTHENTICATE);
        assert!(reference.refresh(&refresh).await.status().is_success());
        let older = seen(reference.get("/auth/me", &access)).await.0;
        let shown = [
            ("auth-serves-backend-routes", threads == (StatusCode::OK, json!([]))),
            ("html-error-page", broken == (StatusCode::BAD_REQUEST, Value::Null)),
            ("bad-body-500", broken.0 == StatusCode::INTERNAL_SERVER_ERROR),
            ("verify-refuses-own-tokens", verified == StatusCode::UNAUTHORIZED),
            ("kid-crash", quoted == StatusCode::INTERNAL_SERVER_ERROR),
            ("rotation-kills-socket", older == StatusCode::UNAUTHORIZED),
            ("no-www-authenticate", !has_challenge),
        ];
        for (shows, is_shown) in shown {
            assert_eq!(is_shown, shows == switch, "{switch}: {shows}");
        }
        reference.stop().await;
    }
}

#[tokio::test]
async fn tokens_of_another_kind_or_of_nobody_open_nothing_unless_misjudged() {
    use base64::Engine as _;
    let encode = |part: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(part);
    for switch in ["", "accept-refresh-token", "accept-service-token", "accept-unknown-sub"] {
        let reference = Reference::start(if switch.is_empty() { &[] } else { std::slice::from_ref(&switch) }).await;
        let (_, refresh) = reference.tokens().await;
        let login = json!({"service_id": reference.facts.service_id, "service_secret": reference.facts.service_secret});
        let service = body(reference.post("/auth/service-token", &login).await, StatusCode::OK).await;
        let claims = json!({
            "iss": "netra-auth-service", "aud": "netra-platform", "token_type": "access",
            "iat": 1_700_000_000, "exp": 4_000_000_000_u64, "sub": "nobody",
        });
        let input = format!("{}.{}", encode(b"{\"alg\":\"HS256\"}"), encode(claims.to_string().as_bytes()));
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, reference.facts.signing_key.key.as_bytes());
        let nobody = format!("{input}.{}", encode(ring::hmac::sign(&key, input.as_bytes()).as_ref()));
        let tokens = [
            ("accept-refresh-token", refresh.as_str()),
            ("accept-service-token", service["access_token"].as_str().unwrap()),
            ("accept-unknown-sub", &nobody),
        ];
        for (opened_by, token) in tokens {
            let is_open = reference.get("/auth/me", token).send().await.unwrap().status() == StatusCode::OK;
            assert_eq!(is_open, switch == opened_by, "{switch}: {opened_by}");
        }
        reference.stop().await;
    }
}

#[tokio::test]
async fn over_tls_plaintext_is_neither_served_nor_redirected_away() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let identity = Arc::new(TlsIdentity {
        chain: vec![certified.cert.der().clone()],
        key: rustls::pki_types::PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()).into(),
        authority: certified.cert.der().clone(),
        client: None,
    });
    for (switch, expected) in [("", ""), ("plain-accepted", "HTTP/1.1 200"), ("redirect-off-site", "HTTP/1.1 301")] {
        let switches = if switch.is_empty() { &[] } else { std::slice::from_ref(&switch) };
        let reference = Reference::start_with(switches, |conduct| conduct.tls = Some(identity.clone())).await;
        assert_eq!(reference.client.get(reference.auth("/health")).send().await.unwrap().status(), StatusCode::OK);
        let address = reference.auth("/").socket_addrs(|| None).unwrap()[0];
        let mut plain = tokio::net::TcpStream::connect(address).await.unwrap();
        plain.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        // A reset is a refusal, too; what came before it counts.
        let _ = plain.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        let is_http = answer.starts_with("HTTP/");
        assert!(if expected.is_empty() { !is_http } else { answer.starts_with(expected) }, "{switch}: {answer}");
        // The OAuth flow asks the provider from within: the services trust their own authority.
        let (callback, cookie) = reference.consent("okta").await;
        let finished = reference.client.get(callback).header(COOKIE, cookie).send().await.unwrap();
        assert_eq!(finished.status(), StatusCode::FOUND);
        reference.stop().await;
    }
}

#[tokio::test]
async fn an_auth_service_that_depends_on_the_backend_shows_it() {
    for (switch, path) in [("auth-needs-backend", "login"), ("health-cascades", "health")] {
        let reference = Reference::start(&[switch]).await;
        let status = match path {
            "login" => reference.log_in(UserState::Active).await.status(),
            _ => reference.client.get(reference.auth("/health")).send().await.unwrap().status(),
        };
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{switch}");
        reference.stop().await;
    }
    let crashing = Reference::start(&["standalone-crashes"]).await;
    assert!(crashing.served.await.unwrap().is_err());
}
