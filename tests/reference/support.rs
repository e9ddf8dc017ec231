//! A running reference, and clients for it.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use netra_check::reference::{Addresses, Conduct, Facts, Listeners, Peers, Policy, ServeError, serve};
use netra_check::wire::{Contract, ErrorCode, Kind, Message};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Error};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tokio_util::sync::CancellationToken;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(8);

/// A reference on ports of its own.
pub(crate) struct Environment {
    pub(crate) facts: Facts,
    contract: Arc<Contract>,
    client: reqwest::Client,
    shutdown: CancellationToken,
    serving: JoinHandle<Result<(), ServeError>>,
}

/// A login.
pub(crate) struct Login {
    pub(crate) user_id: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// What came over a socket.
#[derive(Debug)]
pub(crate) enum Frame {
    Message(Message),
    /// A Close frame, or the end without one.
    Close(Option<u16>),
}

impl Frame {
    pub(crate) fn message(&self) -> &Message {
        match self {
            Self::Message(message) => message,
            Self::Close(code) => panic!("the socket was closed: {code:?}"),
        }
    }
}

/// Whether a frame is a Close of this code.
pub(crate) fn is_close(frame: &Frame, code: u16) -> bool {
    matches!(frame, Frame::Close(Some(seen)) if *seen == code)
}

/// A client's message.
pub(crate) fn message(kind: Kind) -> Message {
    Message::new(kind)
}

impl Environment {
    /// Starts a reference with these defects and variations.
    pub(crate) async fn start(switches: &[&str]) -> Self {
        let mut policy = Policy::default();
        for switch in switches {
            assert!(policy.switch_on(switch), "no switch `{switch}`");
        }
        // Its schemas take longer to compile than everything else here takes to start.
        static CONTRACT: LazyLock<Arc<Contract>> = LazyLock::new(|| Contract::load("netra-v1").unwrap());
        let contract = CONTRACT.clone();
        let conduct = Conduct::new(7, contract.clone(), policy);
        let bind = || async { Some(TcpListener::bind("127.0.0.1:0").await.unwrap()) };
        let listeners = Listeners {
            auth: bind().await,
            backend: bind().await,
            frontend: bind().await,
            provider: bind().await,
            control: bind().await,
        };
        let peers = Peers::default();
        let facts = Facts::new(&conduct, Addresses::of(&listeners, &peers, &conduct).unwrap());
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve(listeners, peers, conduct, shutdown.clone()));
        let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap();
        Self { facts, contract, client, shutdown, serving }
    }

    /// Ends it; everything must end with it.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.serving).await.expect("the reference ends").unwrap().unwrap();
    }

    fn auth(&self, path: &str) -> String {
        self.facts.urls.auth.as_ref().unwrap().join(path).unwrap().into()
    }

    fn backend(&self, path: &str) -> String {
        self.facts.urls.backend.as_ref().unwrap().join(path).unwrap().into()
    }

    pub(crate) async fn login(&self, name: &str) -> Login {
        self.login_for(name, 900).await
    }

    /// A login whose access token lives so many seconds.
    pub(crate) async fn login_for(&self, name: &str, seconds: u64) -> Login {
        let body = json!({"email": format!("{name}@{}", self.facts.user_domain), "expires_in": seconds});
        let request = self.client.post(self.auth("/auth/e2e/test-auth"));
        let request = request.header("X-E2E-Bypass-Key", &self.facts.bypass_key).json(&body);
        login_of(request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap(), None)
    }

    pub(crate) async fn refresh(&self, login: &Login) -> Login {
        let body = json!({"refresh_token": login.refresh});
        let answer = self.client.post(self.auth("/auth/refresh")).json(&body).send().await.unwrap();
        login_of(answer.error_for_status().unwrap().json().await.unwrap(), Some(login))
    }

    pub(crate) async fn logout(&self, login: &Login) {
        let request = self.client.post(self.auth("/auth/logout")).bearer_auth(&login.access);
        request.send().await.unwrap().error_for_status().unwrap();
    }

    pub(crate) async fn try_call(
        &self,
        login: &Login,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Response {
        let request = self.client.request(method.parse().unwrap(), self.backend(path)).bearer_auth(&login.access);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        request.send().await.unwrap()
    }

    pub(crate) async fn call(&self, login: &Login, method: &str, path: &str, body: Option<Value>) {
        self.try_call(login, method, path, body).await.error_for_status().unwrap();
    }

    pub(crate) async fn get(&self, login: &Login, path: &str) -> Value {
        self.try_call(login, "GET", path, None).await.error_for_status().unwrap().json().await.unwrap()
    }

    /// The status with which the backend answers a request as it stands.
    pub(crate) async fn status(&self, head: &str) -> u16 {
        let url = self.facts.urls.backend.as_ref().unwrap();
        let mut stream = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut line = [0; 12];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut line)).await.expect("an answer").unwrap();
        std::str::from_utf8(&line[9..]).unwrap().parse().unwrap()
    }

    /// The subprotocol that carries a token.
    pub(crate) fn token_subprotocol(&self, token: &str) -> String {
        self.contract.token_subprotocol(token, "test")
    }

    /// Asks the control listener for an outage, or its end.
    pub(crate) async fn control(&self, path: &str) {
        let url = self.facts.urls.control.as_ref().unwrap().join(path).unwrap();
        self.client.post(url).send().await.unwrap().error_for_status().unwrap();
    }

    /// Opens a socket; the welcome is the first thing that it gives.
    pub(crate) async fn connect(&self, login: &Login, subprotocol: bool) -> Socket {
        let mut request = self.facts.urls.websocket().unwrap().as_str().into_client_request().unwrap();
        let headers = request.headers_mut();
        if subprotocol {
            let offer = format!(
                "{}, {}",
                self.contract.auth_subprotocol(),
                self.contract.token_subprotocol(&login.access, "test")
            );
            headers.insert("Sec-WebSocket-Protocol", offer.parse().unwrap());
        } else {
            headers.insert("Authorization", format!("Bearer {}", login.access).parse().unwrap());
        }
        let (stream, _) = connect_async(request).await.unwrap();
        Socket { stream, contract: self.contract.clone() }
    }

    /// The code with which a socket is refused, in either form.
    pub(crate) async fn refused(&self, token: Option<&str>, headers: &[(&'static str, &str)]) -> ErrorCode {
        let mut request = self.facts.urls.websocket().unwrap().as_str().into_client_request().unwrap();
        if let Some(token) = token {
            request.headers_mut().insert("Authorization", format!("Bearer {token}").parse().unwrap());
        }
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((stream, _)) => {
                let mut socket = Socket { stream, contract: self.contract.clone() };
                // Who is let in is pinged for ever.
                let refusal = tokio::time::timeout(PATIENCE, socket.until_close()).await;
                let rest = refusal.expect("a refusal in time");
                assert!(rest.len() == 2 && matches!(rest[1], Frame::Close(Some(1008 | 1013))), "{rest:?}");
                rest[0].message().error_code().unwrap()
            }
            Err(Error::Http(answer)) => {
                // Tungstenite hands chunks on with their lengths around them.
                let body = String::from_utf8(answer.into_body().unwrap_or_default()).unwrap();
                let (start, end) = (body.find('{').unwrap(), body.rfind('}').unwrap());
                self.contract.http_error_code(&serde_json::from_str(&body[start..=end]).unwrap()).unwrap()
            }
            Err(error) => panic!("no refusal: {error}"),
        }
    }
}

fn login_of(body: Value, of: Option<&Login>) -> Login {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Login {
        user_id: of.map_or_else(|| text(&body["user"]["id"]), |login| login.user_id.clone()),
        access: text(&body["access_token"]),
        refresh: text(&body["refresh_token"]),
    }
}

/// A client's socket; each frame that comes is held against the contract.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    contract: Arc<Contract>,
}

impl Socket {
    pub(crate) async fn send(&mut self, message: Message) {
        let text = self.contract.write(&message, None).to_string();
        self.stream.send(tungstenite::Message::text(text)).await.unwrap();
    }

    /// Sends octets as they are.
    pub(crate) async fn send_raw(&mut self, octets: &[u8]) {
        self.stream.get_mut().write_all(octets).await.unwrap();
    }

    async fn frame(&mut self) -> Frame {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("a frame in time");
            match frame {
                Some(Ok(tungstenite::Message::Text(text))) => return Frame::Message(self.judged(&text)),
                Some(Ok(tungstenite::Message::Close(close))) => {
                    return Frame::Close(close.map(|close| close.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Frame::Close(None),
            }
        }
    }

    fn judged(&self, text: &str) -> Message {
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(self.contract.envelope_faults(&value), [], "{text}");
        let message = self.contract.read_server(text).unwrap();
        assert!(self.contract.declares_kind(&message.kind), "{text}");
        assert_eq!(self.contract.payload_faults(&message.kind, &value), [], "{text}");
        message
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Message {
        match self.frame().await {
            Frame::Message(message) => message,
            Frame::Close(code) => panic!("the socket was closed: {code:?}"),
        }
    }

    /// The next message of this kind.
    pub(crate) async fn next_of(&mut self, kind: Kind) -> Message {
        loop {
            let message = self.next().await;
            if message.kind == kind {
                return message;
            }
        }
    }

    /// Everything up to the end.
    pub(crate) async fn until_close(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            frames.push(self.frame().await);
            if matches!(frames.last(), Some(Frame::Close(_))) {
                return frames;
            }
        }
    }

    /// The messages of one run, from its `message_created` to its last event.
    pub(crate) async fn run(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        let mut open = 0;
        loop {
            let message = self.next().await;
            if messages.is_empty() && message.kind != Kind::MessageCreated {
                continue;
            }
            let failed = messages.iter().any(|message: &Message| message.kind == Kind::AgentError);
            match message.kind {
                Kind::AgentStarted => open += 1,
                Kind::AgentCompleted | Kind::AgentError | Kind::AgentStopped | Kind::StreamTerminated => open -= 1,
                _ => {}
            }
            let ends = message.kind == Kind::FinalReport
                || (open == 0 && (failed || matches!(message.kind, Kind::AgentError | Kind::AgentStopped)));
            messages.push(message);
            if ends {
                return messages;
            }
        }
    }
}
