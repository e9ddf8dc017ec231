//! The reference's auth service, provider, frontend and control, over real HTTP.

use std::sync::Arc;

use netra_check::reference::{Addresses, Conduct, Facts, Listeners, Peers, Policy, TlsIdentity, UserState, serve};
use netra_check::wire::Contract;
use reqwest::header::{ACCEPT, CACHE_CONTROL, COOKIE, LOCATION, SET_COOKIE, WWW_AUTHENTICATE};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

/// A reference without a backend, and a client for it.
struct Reference {
    facts: Facts,
    client: Client,
    shutdown: CancellationToken,
    served: JoinHandle<Result<(), netra_check::reference::ServeError>>,
}

impl Reference {
    async fn start(switches: &[&str]) -> Self {
        Self::start_with(switches, |_| {}).await
    }

    async fn start_with(switches: &[&str], adapt: impl FnOnce(&mut Conduct)) -> Self {
        let mut policy = Policy::default();
        for id in switches {
            assert!(policy.switch_on(id), "{id}");
        }
        let mut conduct = Conduct::new(7, Arc::new(Contract::load("netra-v1").unwrap()), policy);
        adapt(&mut conduct);
        let bind = || async { Some(TcpListener::bind(("127.0.0.1", 0)).await.unwrap()) };
        let listeners = Listeners {
            auth: bind().await,
            backend: None,
            frontend: bind().await,
            provider: bind().await,
            control: bind().await,
        };
        let addresses = Addresses::of(&listeners, &Peers::default(), &conduct).unwrap();
        let facts = Facts::new(&conduct, addresses);
        let mut roots = rustls::RootCertStore::empty();
        if let Some(identity) = &conduct.tls {
            roots.add(identity.authority.clone()).unwrap();
        }
        let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(serve(listeners, Peers::default(), conduct, shutdown.clone()));
        Self { facts, client, shutdown, served }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.served.await.unwrap().unwrap();
    }

    fn auth(&self, path: &str) -> Url {
        self.facts.urls.auth.as_ref().unwrap().join(path).unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        self.client.post(self.auth(path)).json(body).send().await.unwrap()
    }

    fn get(&self, path: &str, token: &str) -> RequestBuilder {
        self.client.get(self.auth(path)).bearer_auth(token)
    }

    async fn log_in(&self, state: UserState) -> Response {
        let user = self.facts.users.iter().find(|user| user.state == state).unwrap();
        self.post("/auth/login", &json!({"email": user.email, "password": user.password})).await
    }

    async fn e2e(&self, body: &Value) -> Response {
        let request = self.client.post(self.auth("/auth/e2e/test-auth")).json(body);
        request.header("X-E2E-Bypass-Key", &self.facts.bypass_key).send().await.unwrap()
    }

    async fn tokens(&self) -> (String, String) {
        let response = self.log_in(UserState::Active).await;
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        pair(&body(response, StatusCode::OK).await)
    }

    async fn refresh(&self, token: &str) -> Response {
        self.post("/auth/refresh", &json!({"refresh_token": token})).await
    }

    async fn logout(&self, token: &str) -> Response {
        self.client.post(self.auth("/auth/logout")).bearer_auth(token).send().await.unwrap()
    }

    async fn validate(&self, token: &str) -> Value {
        let request = self.client.post(self.auth("/auth/validate")).json(&json!({"token": token}));
        let request = request.header("X-Service-ID", &self.facts.service_id);
        body(request.header("X-Service-Secret", &self.facts.service_secret).send().await.unwrap(), StatusCode::OK).await
    }

    /// Follows a login with a provider up to the callback's URL and the cookie it needs.
    async fn consent(&self, provider: &str) -> (Url, String) {
        let start = self.client.get(self.auth(&format!("/auth/login?provider={provider}"))).send().await.unwrap();
        assert_eq!(start.status(), StatusCode::FOUND);
        let cookie = start.headers()[SET_COOKIE].to_str().unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let consent = self.client.get(location(&start)).send().await.unwrap();
        assert_eq!(consent.status(), StatusCode::FOUND);
        (location(&consent), cookie)
    }
}

async fn body(response: Response, status: StatusCode) -> Value {
    let (seen, url) = (response.status(), response.url().clone());
    let text = response.text().await.unwrap();
    assert_eq!(seen, status, "{url}: {text}");
    serde_json::from_str(&text).unwrap()
}

async fn code(response: Response, status: StatusCode) -> String {
    body(response, status).await["error_code"].as_str().unwrap().to_owned()
}

fn pair(set: &Value) -> (String, String) {
    let member = |name: &str| set[name].as_str().unwrap().to_owned();
    (member("access_token"), member("refresh_token"))
}

fn location(response: &Response) -> Url {
    response.headers()[LOCATION].to_str().unwrap().parse().unwrap()
}

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
    assert_eq!(
        code(reference.get("/auth/refresh", "x").send().await.unwrap(), StatusCode::METHOD_NOT_ALLOWED).await,
        "INVALID_REQUEST"
    );
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
