//! A browser that shows the frontend: started by the profile's command, asked over the Chrome DevTools Protocol, which
//! Chromium and its kin speak.
//!
//! Of the protocol seven commands are needed. A library for all of it takes longer to build than the whole of this
//! program.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use url::Url;

use super::launch::Launched;
use super::redact::{Redactor, SecretKind};
use super::{Login, Target};
use crate::model::{Blame, Evidence, Inconclusive, NotVerified, Stop};

/// Runs in the page before its own scripts.
const WATCH: &str = include_str!("watch.js");

/// What the page calls to tell something.
const BINDING: &str = "netraCheckTell";

/// What a browser is started with beside its command: without a window, with nothing of an earlier start, and with no
/// talk to its maker.
const FLAGS: [&str; 13] = [
    "--headless",
    "--remote-debugging-port=0",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-crash-reporter",
    "--disable-default-apps",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pings",
];

/// A browser has started within this time.
const STARTED: Duration = Duration::from_secs(15);
/// It answers a command within this time.
const ANSWERED: Duration = Duration::from_secs(10);
/// A page that has changed rests when it does not for so long.
const QUIET: Duration = Duration::from_millis(60);
/// So many of each type are waited for: a run may have hundreds of deltas.
const WATCHED: u32 = 3;
/// The first message and then each so many of those that are waited for is followed by the control.
const EVERY: u32 = 6;
/// A page that shows a message has begun to within this time.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a page was seen to do.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Seen {
    /// It opens a WebSocket.
    Opened {
        /// Which one, from 1.
        socket: u32,
        /// Where to.
        url: String,
        /// What it offers.
        protocols: Vec<String>,
    },
    /// A message came, and was handed to it.
    Shown {
        /// On which socket.
        socket: u32,
        /// Its text; `None` where it is none.
        data: Option<String>,
        /// How often the document changed thereafter, before it came to rest; `None` where that was not waited for.
        changes: Option<u32>,
    },
    /// A WebSocket has ended, and all that came before was handed over.
    Closed {
        /// Which one.
        socket: u32,
        /// The code that the page is told.
        code: u16,
    },
}

/// A browser that shows one page of the frontend, and ends with its owner.
pub struct Browser {
    // Before the directory that it writes to.
    launched: Launched,
    _directory: TempDir,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: Option<String>,
    asked: u64,
    seen: VecDeque<Seen>,
    redactor: Arc<Redactor>,
}

impl Target {
    /// Starts a browser that goes the profile's way to the target.
    ///
    /// # Errors
    /// Not verified where a browser cannot go that way; inconclusive when it does not start.
    pub async fn browser(&self) -> Result<Browser, Stop> {
        let profile = self.profile();
        let by_password = profile.proxy.as_ref().is_some_and(|proxy| !proxy.url.username().is_empty());
        let ways = [
            (profile.tls.client.is_some(), "`tls.client_cert_file`"),
            (!profile.headers.is_empty(), "`headers`"),
            (by_password, "a user in `proxy.url`"),
        ];
        if let Some((_, way)) = ways.iter().find(|(is_needed, _)| *is_needed) {
            let what = format!("a browser goes no way that needs {way}");
            return Err(NotVerified::NotProvoked(what).into());
        }
        let Some(command) = &profile.browser else {
            return Err(NotVerified::Lacks(crate::model::Need::Browser).into());
        };
        Browser::start(command, &self.browser_flags(), Arc::clone(self.redactor())).await
    }

    fn browser_flags(&self) -> Vec<String> {
        let profile = self.profile();
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).into();
        let rules: Vec<_> = profile.resolve.iter().map(|(host, address)| format!("MAP {host} {address}")).collect();
        if !rules.is_empty() {
            flags.push(format!("--host-resolver-rules={}", rules.join(",")));
        }
        match &profile.proxy {
            None => flags.push("--no-proxy-server".into()),
            Some(proxy) => {
                flags.push(format!("--proxy-server={}", proxy.url));
                flags.push(format!("--proxy-bypass-list={}", proxy.except.join(";")));
            }
        }
        flags
    }
}

impl Browser {
    async fn start(command: &[String], flags: &[String], redactor: Arc<Redactor>) -> Result<Self, Stop> {
        let directory =
            tempfile::tempdir().map_err(|error| broken(&format!("no directory for the browser: {error}")))?;
        let mut words = command.to_vec();
        words.extend(flags.iter().cloned());
        words.push(format!("--user-data-dir={}", directory.path().display()));
        words.push("about:blank".into());
        let mut launched = Launched::start(&words, &[], Arc::clone(&redactor))?;
        let said = |text: &str| {
            let (_, url) = text.split_once("DevTools listening on ")?;
            url.split_once('\n').map(|(url, _)| url.trim().to_owned())
        };
        let Some(url) = launched.says(STARTED, said).await else {
            let what = format!("the browser did not start within {} s: see `browser.command`", STARTED.as_secs());
            return Err(Inconclusive::new(Blame::Harness, what).with(launched.evidence()).into());
        };
        let socket = match tokio::time::timeout(ANSWERED, connect_async(&url)).await {
            Ok(Ok((socket, _))) => socket,
            Ok(Err(error)) => return Err(broken(&format!("the browser's DevTools: {error}"))),
            Err(_) => return Err(broken("the browser's DevTools do not answer")),
        };
        let seen = VecDeque::new();
        let mut browser = Self { launched, _directory: directory, socket, session: None, asked: 0, seen, redactor };
        let target = browser.ask("Target.createTarget", json!({ "url": "about:blank" })).await?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.ask("Target.attachToTarget", attach).await?;
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        browser.ask("Page.enable", json!({})).await?;
        browser.ask("Runtime.enable", json!({})).await?;
        browser.ask("Runtime.addBinding", json!({ "name": BINDING })).await?;
        Ok(browser)
    }

    /// Opens a page with `login` in its storage (contract, section 4); `types` are the JSON pointers at which a message
    /// tells its type. `control` is handed to it again and again between the messages that come.
    ///
    /// # Errors
    /// Inconclusive when it cannot be loaded.
    pub async fn open(
        &mut self,
        url: &Url,
        login: &Login,
        types: impl Iterator<Item = &str>,
        control: Option<&str>,
    ) -> Result<(), Stop> {
        let tokens = [("jwt_token", Some(&login.access)), ("refresh_token", login.refresh.as_ref())];
        let storage = tokens.into_iter().filter_map(|(key, token)| Some((key.to_owned(), token?.expose().into())));
        let storage: serde_json::Map<String, Value> = storage.collect();
        let login = json!({ "origin": url.origin().ascii_serialization(), "storage": storage });
        let types: Value = types.collect();
        let (quiet, patience) = (QUIET.as_millis(), PATIENCE.as_millis());
        let control = json!({ "text": control, "every": EVERY });
        let source = format!("({WATCH})({login}, {types}, {control}, {quiet}, {patience}, {WATCHED})");
        self.ask("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await?;
        self.navigate(url).await
    }

    async fn navigate(&mut self, url: &Url) -> Result<(), Stop> {
        let answer = self.ask("Page.navigate", json!({ "url": url.as_str() })).await?;
        match answer["errorText"].as_str() {
            None => Ok(()),
            Some(why) => {
                let what = format!("the browser cannot load {url}: {why}");
                Err(Inconclusive::new(Blame::Environment, what).into())
            }
        }
    }

    /// The next thing that the page is seen to do; `None` when it does nothing until `deadline`.
    ///
    /// # Errors
    /// Inconclusive when the browser has ended.
    pub async fn next(&mut self, deadline: Instant) -> Result<Option<Seen>, Stop> {
        while self.seen.is_empty() {
            match tokio::time::timeout_at(deadline.into(), self.socket.next()).await {
                Err(_) => return Ok(None),
                Ok(frame) => drop(self.took(frame)?),
            }
        }
        Ok(self.seen.pop_front())
    }

    /// What the browser wrote, for evidence.
    fn evidence(&self) -> Evidence {
        self.launched.evidence()
    }

    /// Ends the browser, and waits for that.
    pub async fn close(mut self) {
        // It may end before it answers.
        let _ = self.ask("Browser.close", json!({})).await;
        self.launched.terminate(ANSWERED).await;
    }

    async fn ask(&mut self, method: &str, params: Value) -> Result<Value, Stop> {
        self.asked += 1;
        let mut question = json!({ "id": self.asked, "method": method, "params": params });
        if let Some(session) = self.session.as_ref().filter(|_| !method.starts_with("Browser.")) {
            question["sessionId"] = session.as_str().into();
        }
        let silent = || broken(&format!("the browser did not answer to {method}"));
        self.socket.send(Frame::text(question.to_string())).await.map_err(|_| silent())?;
        let deadline = Instant::now() + ANSWERED;
        loop {
            let frame = tokio::time::timeout_at(deadline.into(), self.socket.next()).await.map_err(|_| silent())?;
            let Some(answer) = self.took(frame)? else { continue };
            if answer["id"] != self.asked {
                continue;
            }
            return match answer.get("error") {
                None => Ok(answer["result"].clone()),
                Some(error) => Err(broken(&format!("the browser refuses {method}: {}", error["message"]))),
            };
        }
    }

    /// A message of the browser; what the page tells is kept.
    fn took(
        &mut self,
        frame: Option<Result<Frame, tokio_tungstenite::tungstenite::Error>>,
    ) -> Result<Option<Value>, Stop> {
        let text = match frame {
            Some(Ok(Frame::Text(text))) => text,
            Some(Ok(Frame::Close(_)) | Err(_)) | None => {
                let what = "the browser has ended".to_owned();
                return Err(Inconclusive::new(Blame::Harness, what).with(self.evidence()).into());
            }
            Some(Ok(_)) => return Ok(None),
        };
        let message: Value = serde_json::from_str(&text).unwrap_or_default();
        let told = &message["params"];
        if message["method"] == "Runtime.bindingCalled" && told["name"] == BINDING {
            let seen = told["payload"].as_str().and_then(|payload| serde_json::from_str(payload).ok());
            self.seen.extend(seen);
        }
        Ok(Some(message))
    }

    /// A token that the page shows: a secret from now on.
    pub fn learn(&self, token: &str) -> super::Token {
        super::Token::new(&self.redactor, SecretKind::AccessToken, token)
    }
}

fn broken(what: &str) -> Stop {
    Inconclusive::new(Blame::Harness, what.to_owned()).into()
}
