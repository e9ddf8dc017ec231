//! A reference without a backend, and how to talk to it.

use netra_check::reference::{Addresses, Conduct, Facts, Listeners, Peers, Policy, UserState, serve};
use netra_check::wire::Contract;
use reqwest::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

/// A reference without a backend, and a client for it.
pub(crate) struct Reference {
    pub(crate) facts: Facts,
    pub(crate) client: Client,
    shutdown: CancellationToken,
    pub(crate) served: JoinHandle<Result<(), netra_check::reference::ServeError>>,
}

impl Reference {
    pub(crate) async fn start(switches: &[&str]) -> Self {
        Self::start_with(switches, |_| {}).await
    }

    pub(crate) async fn start_with(switches: &[&str], adapt: impl FnOnce(&mut Conduct)) -> Self {
        let mut policy = Policy::default();
        for id in switches {
            assert!(policy.switch_on(id), "{id}");
        }
        let mut conduct = Conduct::new(7, Contract::load("netra-v1").unwrap(), policy);
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

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.served.await.unwrap().unwrap();
    }

    pub(crate) fn auth(&self, path: &str) -> Url {
        self.facts.urls.auth.as_ref().unwrap().join(path).unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        self.client.post(self.auth(path)).json(body).send().await.unwrap()
    }

    pub(crate) fn get(&self, path: &str, token: &str) -> RequestBuilder {
        self.client.get(self.auth(path)).bearer_auth(token)
    }

    pub(crate) async fn log_in(&self, state: UserState) -> Response {
        let user = self.facts.users.iter().find(|user| user.state == state).unwrap();
        self.post("/auth/login", &json!({"email": user.email, "password": user.password})).await
    }

    pub(crate) async fn e2e(&self, body: &Value) -> Response {
        let request = self.client.post(self.auth("/auth/e2e/test-auth")).json(body);
        request.header("X-E2E-Bypass-Key", &self.facts.bypass_key).send().await.unwrap()
    }

    pub(crate) async fn tokens(&self) -> (String, String) {
        let response = self.log_in(UserState::Active).await;
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        pair(&body(response, StatusCode::OK).await)
    }

    pub(crate) async fn refresh(&self, token: &str) -> Response {
        self.post("/auth/refresh", &json!({"refresh_token": token})).await
    }

    pub(crate) async fn logout(&self, token: &str) -> Response {
        self.client.post(self.auth("/auth/logout")).bearer_auth(token).send().await.unwrap()
    }

    pub(crate) async fn validate(&self, token: &str) -> Value {
        let request = self.client.post(self.auth("/auth/validate")).json(&json!({"token": token}));
        let request = request.header("X-Service-ID", &self.facts.service_id);
        body(request.header("X-Service-Secret", &self.facts.service_secret).send().await.unwrap(), StatusCode::OK).await
    }

    /// Follows a login with a provider up to the callback's URL and the cookie it needs.
    pub(crate) async fn consent(&self, provider: &str) -> (Url, String) {
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

pub(crate) async fn body(response: Response, status: StatusCode) -> Value {
    let (seen, url) = (response.status(), response.url().clone());
    let text = response.text().await.unwrap();
    assert_eq!(seen, status, "{url}: {text}");
    serde_json::from_str(&text).unwrap()
}

pub(crate) async fn code(response: Response, status: StatusCode) -> String {
    body(response, status).await["error_code"].as_str().unwrap().to_owned()
}

pub(crate) fn pair(set: &Value) -> (String, String) {
    let member = |name: &str| set[name].as_str().unwrap().to_owned();
    (member("access_token"), member("refresh_token"))
}

pub(crate) fn location(response: &Response) -> Url {
    response.headers()[LOCATION].to_str().unwrap().parse().unwrap()
}
