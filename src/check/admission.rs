//! What became of an upgrade: admitted, refused for a reason, or neither.

use std::fmt;
use std::time::{Duration, Instant};

use super::Context;
use crate::model::{Evidence, Finding, Stop};
use crate::target::{Next, Response, Socket, Token, Upgrade, Upgraded};
use crate::wire::{ErrorCode, Kind, Message};

/// A socket that was let in, and its welcome.
pub struct Session {
    /// The connection.
    pub socket: Socket,
    /// `connection_established`.
    pub welcome: Message,
    /// The answer to the upgrade.
    pub response: Response,
}

/// How a server answers a credential on the socket.
pub enum Admission {
    /// `connection_established` came first.
    Admitted(Box<Session>),
    /// Refused, before or after 101.
    Refused(Refusal),
    /// 101, and another message first.
    OtherFirst(Socket, String),
    /// 101, and nothing within the welcome's window.
    Silent(Socket),
}

/// A refusal as it stood on the wire.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// In place of 101, or after it.
    pub form: RefusalForm,
    /// Why, in the contract's words.
    pub code: Option<ErrorCode>,
    /// Entries around it.
    pub evidence: Evidence,
}

/// The two forms of a refusal (contract, section 5).
#[derive(Clone, Debug)]
pub enum RefusalForm {
    /// An HTTP status in place of 101.
    Http(Response),
    /// After 101: the Close code, where a Close frame came.
    Closed {
        /// Status code of the Close frame.
        code: Option<u16>,
        /// Its reason.
        reason: String,
        /// Frames before it that were not the `error`.
        others: Vec<String>,
    },
}

impl Session {
    /// Closes with 1000, and waits a moment for the target's part of it, which is not judged.
    pub async fn close(mut self) {
        self.socket.close(1000, "").await;
        self.socket.ended(Duration::from_millis(500)).await;
    }
}

impl Refusal {
    fn is_server_error(&self) -> bool {
        match &self.form {
            RefusalForm::Http(response) => response.status >= 500 && response.status != 503,
            RefusalForm::Closed { code, .. } => *code == Some(1011),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.form {
            RefusalForm::Http(response) => write!(f, "refused with HTTP {}", response.status)?,
            RefusalForm::Closed { code: Some(code), .. } => write!(f, "refused after 101 with close {code}")?,
            RefusalForm::Closed { code: None, .. } => f.write_str("connection ended after 101 without a Close code")?,
        }
        match &self.code {
            Some(code) => write!(f, ", {code}"),
            None => f.write_str(", without an error code"),
        }
    }
}

impl Context {
    /// Sends an upgrade and sees what becomes of it.
    ///
    /// # Errors
    /// Inconclusive when the transport fails before an answer.
    pub async fn try_upgrade(&self, upgrade: Upgrade<'_>) -> Result<Admission, Stop> {
        self.admission(upgrade.open().await?).await
    }

    /// Sees what becomes of an upgrade that was answered.
    ///
    /// # Errors
    /// Inconclusive when nothing came, and we were late ourselves.
    pub async fn admission(&self, upgraded: Upgraded) -> Result<Admission, Stop> {
        let (mut socket, response) = match upgraded {
            Upgraded::Switched(socket, response) => (socket, response),
            Upgraded::Refused(response) => {
                let code = response.error_code(self.contract());
                let evidence = response.evidence();
                return Ok(Admission::Refused(Refusal { form: RefusalForm::Http(response), code, evidence }));
            }
        };
        let window = self.profile().thresholds.welcome;
        let contract = self.contract();
        let first = if contract.has_welcome() {
            Some(Kind::ConnectionEstablished)
        } else {
            // Nobody says welcome: who is let in is answered.
            socket.send(&Message::new(Kind::Ping)).await;
            contract.answer_to(&Kind::Ping)
        };
        let mut code = None;
        let mut others = Vec::new();
        // However much else comes, one window for the verdict, and one more for the close behind an error.
        let mut began = Instant::now();
        loop {
            match socket.next((began + window).saturating_duration_since(Instant::now())).await {
                Next::Message(received) => match received.message {
                    Ok(welcome) if Some(&welcome.kind) == first.as_ref() && code.is_none() => {
                        return Ok(Admission::Admitted(Box::new(Session { socket, welcome, response })));
                    }
                    Ok(message) if message.kind == Kind::Error && code.is_none() => {
                        code = Some(message.error_code().unwrap_or_else(|| ErrorCode::Other("none".into())));
                        began = Instant::now();
                    }
                    // It may come before the welcome; what follows it shows whether it was meant.
                    Ok(message) if message.kind == Kind::HandshakeResponse && contract.handshake_settle().is_some() => {
                        others.push(received.text);
                    }
                    // Who needs no welcome may be told at once what goes on.
                    _ if code.is_some() || !contract.has_welcome() => others.push(received.text),
                    _ => return Ok(Admission::OtherFirst(socket, received.text)),
                },
                Next::Pong(_) => {}
                Next::Ended(end) => {
                    let (close, reason) = end.close.unwrap_or_default();
                    let evidence = socket.evidence();
                    let form = RefusalForm::Closed { code: close, reason, others };
                    return Ok(Admission::Refused(Refusal { form, code, evidence }));
                }
                Next::Silence => {
                    self.punctual(began, window)?;
                    return Ok(Admission::Silent(socket));
                }
            }
        }
    }

    /// What the contract has between the welcome and the first message of a client: the thread that the server names
    /// is acknowledged, and after a moment the session is ready.
    ///
    /// # Errors
    /// Deviates with [`Finding::NoAnswer`] when the server does not do its part.
    pub async fn shake_hands(&self, socket: &mut Socket) -> Result<(), Stop> {
        let Some(settle) = self.contract().handshake_settle() else { return Ok(()) };
        let reply = self.profile().thresholds.reply;
        let is = |kind: Kind| move |message: &Message| message.kind == kind;
        let response = self.event(socket, reply, "handshake_response", is(Kind::HandshakeResponse)).await?;
        let thread = response.thread_id().unwrap_or_default();
        socket.send(&Message::new(Kind::HandshakeAcknowledged).with("thread_id", thread)).await;
        self.event(socket, reply, "handshake_complete", is(Kind::HandshakeComplete)).await?;
        // The server tells nothing when it is ready: the contract says how long a client waits.
        tokio::time::sleep(settle).await;
        Ok(())
    }

    /// A good credential, as the fact under test: it must be let in.
    ///
    /// # Errors
    /// Deviates when it is not.
    pub async fn admitted(&self, upgrade: Upgrade<'_>) -> Result<Session, Stop> {
        let session = self.judge_admission(upgrade).await?;
        self.observed();
        Ok(session)
    }

    /// A good credential, as the means to an end: without it nothing can be judged.
    ///
    /// # Errors
    /// Inconclusive, blaming the target, when it is not let in.
    pub async fn open(&self, upgrade: Upgrade<'_>) -> Result<Session, Stop> {
        self.judge_admission(upgrade).await.map_err(|stop| self.control_failed("a valid token is let in", stop))
    }

    /// The welcome names this user, where the contract has one.
    ///
    /// # Errors
    /// Deviates with [`Finding::WrongValue`].
    pub fn welcomes(&self, session: &Session, user: &str) -> Result<(), Stop> {
        if !self.contract().has_welcome() {
            return Ok(());
        }
        self.same("user_id", &Some(user), &session.welcome.user_id(), || session.socket.evidence())
    }

    /// A session with `token`, by the carrier that the contract names first.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn session(&self, token: &Token) -> Result<Session, Stop> {
        self.open(self.upgrade_with(token)).await
    }

    /// An upgrade with `token`, by the carrier that the contract names first.
    pub fn upgrade_with(&self, token: &Token) -> Upgrade<'_> {
        self.upgrade().token(token)
    }

    async fn judge_admission(&self, upgrade: Upgrade<'_>) -> Result<Session, Stop> {
        let mut session = self.welcomed(self.try_upgrade(upgrade).await?)?;
        self.shake_hands(&mut session.socket).await?;
        Ok(session)
    }

    /// What became of an upgrade with a good credential: it must have been let in.
    ///
    /// # Errors
    /// Deviates when it was not.
    pub fn welcomed(&self, admission: Admission) -> Result<Session, Stop> {
        let (finding, seen, evidence) = match admission {
            Admission::Admitted(session) => return Ok(*session),
            Admission::Refused(refusal) => (Finding::Refused, refusal.to_string(), refusal.evidence),
            Admission::OtherFirst(socket, text) => {
                (Finding::WrongOrder, format!("the first frame was {text}"), socket.evidence())
            }
            Admission::Silent(socket) => {
                let window = self.profile().thresholds.welcome.as_secs_f64();
                (Finding::NoAnswer, format!("101, then nothing within {window} s"), socket.evidence())
            }
        };
        let stop = self.deviation(finding, ["101 and connection_established as the first frame"], seen, evidence);
        Err(stop.within("thresholds.welcome_s"))
    }

    /// A bad credential: it must be refused, with one of `codes`.
    ///
    /// # Errors
    /// Deviates when it is let in, hangs, or is refused for another reason.
    pub async fn refused(&self, upgrade: Upgrade<'_>, codes: &[ErrorCode]) -> Result<Refusal, Stop> {
        let refusal = self.kept_out(upgrade, codes).await?;
        self.is_refusal(&refusal, codes)?;
        Ok(refusal)
    }

    /// A bad credential: it must not be let in; why it is refused is the caller's to judge, and
    /// `codes` is what would be right.
    ///
    /// # Errors
    /// Deviates when it is let in, or hangs.
    pub async fn kept_out(&self, upgrade: Upgrade<'_>, codes: &[ErrorCode]) -> Result<Refusal, Stop> {
        let (finding, seen, evidence) = match self.try_upgrade(upgrade).await? {
            Admission::Refused(refusal) => return Ok(refusal),
            Admission::Admitted(session) => {
                let seen = match session.welcome.user_id() {
                    Some(user) => format!("let in as {user}"),
                    None if self.contract().has_welcome() => "let in as a guest without a name".to_owned(),
                    None => "let in, and answered".to_owned(),
                };
                (Finding::Accepted, seen, session.socket.evidence())
            }
            Admission::OtherFirst(socket, text) => {
                (Finding::Accepted, format!("101, and the first frame was {text}"), socket.evidence())
            }
            Admission::Silent(socket) => {
                let window = self.profile().thresholds.welcome.as_secs_f64();
                (Finding::NoAnswer, format!("101, then neither error nor close within {window} s"), socket.evidence())
            }
        };
        Err(self.deviation(finding, refused_with(codes), seen, evidence).within("thresholds.welcome_s"))
    }

    /// A refusal that must be for one of `codes`, and no failure of the server.
    ///
    /// # Errors
    /// Deviates with [`Finding::ServerError`] or [`Finding::WrongCode`].
    pub fn is_refusal(&self, refusal: &Refusal, codes: &[ErrorCode]) -> Result<(), Stop> {
        if self.may_be_for(refusal, codes) {
            self.observed();
            return Ok(());
        }
        let finding = if refusal.is_server_error() { Finding::ServerError } else { Finding::WrongCode };
        Err(self.deviation(finding, refused_with(codes), refusal.to_string(), refusal.evidence.clone()))
    }

    /// Whether a refusal says that it is for one of `codes`, or says nothing where the contract's refusals are silent.
    pub fn may_be_for(&self, refusal: &Refusal, codes: &[ErrorCode]) -> bool {
        let Some(code) = &refusal.code else {
            let later = codes.contains(&ErrorCode::AuthUnavailable);
            let is_policy = match &refusal.form {
                RefusalForm::Http(response) if later => response.status == 503,
                RefusalForm::Http(response) => matches!(response.status, 401 | 403),
                RefusalForm::Closed { code, .. } => *code == Some(if later { 1013 } else { 1008 }),
            };
            return is_policy && !self.contract().tells_refusals();
        };
        self.contract().code_fits(code, codes) && !refusal.is_server_error()
    }

    /// Good accepted, each bad refused for the right reason, good accepted again.
    ///
    /// `good` and each of `bad` differ in one declared field, so that what is refused is that field
    /// and not the caller.
    ///
    /// # Errors
    /// Inconclusive when the good one is not accepted before and after; deviates as
    /// [`Self::refused`].
    pub async fn sandwich<'a>(
        &'a self,
        good: impl Fn() -> Upgrade<'a>,
        bad: impl IntoIterator<Item = (impl Into<String>, Upgrade<'a>)>,
        codes: &[ErrorCode],
    ) -> Result<(), Stop> {
        self.step("control before");
        self.open(good()).await?.close().await;
        for (step, upgrade) in bad {
            self.step(step);
            self.refused(upgrade, codes).await?;
        }
        self.step("control after");
        self.open(good()).await?.close().await;
        Ok(())
    }
}

/// What would have been right.
fn refused_with(codes: &[ErrorCode]) -> impl Iterator<Item = String> {
    codes.iter().map(|code| format!("refused with {code}"))
}
