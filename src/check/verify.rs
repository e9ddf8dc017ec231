//! The verifiers: each judges one kind of fact and tells every failure in the same words.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Context;
use crate::model::{Blame, Evidence, Finding, Inconclusive, NotVerified, Stop};
use crate::target::{Next, Response, Socket};
use crate::wire::{Endpoint, ErrorCode, Kind, Message};

impl Context {
    /// A fact that must hold.
    ///
    /// # Errors
    /// Deviates when it does not.
    pub fn holds(
        &self,
        fact: bool,
        finding: Finding,
        expected: impl Into<String>,
        seen: impl FnOnce() -> String,
        evidence: impl FnOnce() -> Evidence,
    ) -> Result<(), Stop> {
        if fact {
            self.observed();
            return Ok(());
        }
        Err(self.deviation(finding, [expected.into()], seen(), evidence()))
    }

    /// Two values that must be equal.
    ///
    /// # Errors
    /// Deviates with [`Finding::WrongValue`] when they differ.
    pub fn same<T: PartialEq + Debug>(
        &self,
        what: &str,
        expected: &T,
        seen: &T,
        evidence: impl FnOnce() -> Evidence,
    ) -> Result<(), Stop> {
        self.holds(
            expected == seen,
            Finding::WrongValue,
            format!("{what} {expected:?}"),
            || format!("{what} {seen:?}"),
            evidence,
        )
    }

    /// Two JSON values that must be equal, told as JSON.
    ///
    /// # Errors
    /// As [`Self::same`].
    pub fn same_json(
        &self,
        what: &str,
        expected: &Value,
        seen: &Value,
        evidence: impl FnOnce() -> Evidence,
    ) -> Result<(), Stop> {
        let told = || format!("{what} {seen}");
        self.holds(expected == seen, Finding::WrongValue, format!("{what} {expected}"), told, evidence)
    }

    /// An answer whose status must be one of `expected`.
    ///
    /// # Errors
    /// Deviates with [`Finding::ServerError`] on 5xx, [`Finding::Accepted`] where a refusal was due
    /// and success came, [`Finding::Refused`] where success was due and 4xx came, else
    /// [`Finding::WrongStatus`].
    pub fn status(&self, response: &Response, expected: &[u16]) -> Result<(), Stop> {
        let missing = self.contract().missing_credential();
        if expected.contains(&response.status) || expected.contains(&401) && response.status == missing {
            self.observed();
            return Ok(());
        }
        let success_is_due = expected.iter().any(|status| (200..300).contains(status));
        let finding = match response.status {
            500.. => Finding::ServerError,
            200..300 if !success_is_due => Finding::Accepted,
            400..500 if success_is_due => Finding::Refused,
            _ => Finding::WrongStatus,
        };
        let code = response.error_code(self.contract()).map_or_else(String::new, |code| format!(", {code}"));
        let expected = expected.iter().map(|status| format!("HTTP {status}"));
        Err(self.deviation(finding, expected, format!("HTTP {}{code}", response.status), response.evidence()))
    }

    /// An answer that must succeed and fit its schema.
    ///
    /// # Errors
    /// Deviates as [`Self::status`], or with [`Finding::BadSchema`].
    pub fn success(&self, endpoint: Endpoint, response: &Response) -> Result<(), Stop> {
        self.status(response, self.contract().success(endpoint))?;
        let Some(body) = &response.json else {
            return Err(self.deviation(
                Finding::BadSchema,
                ["a JSON body"],
                "a body that is no JSON",
                response.evidence(),
            ));
        };
        match self.contract().body_faults(endpoint, body).first() {
            None => {
                self.observed();
                Ok(())
            }
            Some(fault) => Err(self.deviation(
                Finding::BadSchema,
                [format!("a body as the contract's `{}`", endpoint.slug())],
                format!("at `{}`: {}", fault.path, fault.message),
                response.evidence(),
            )),
        }
    }

    /// A refusal over HTTP: status and code must be right.
    ///
    /// # Errors
    /// Deviates as [`Self::status`], or with [`Finding::WrongCode`].
    pub fn http_refused(&self, response: &Response, statuses: &[u16], codes: &[ErrorCode]) -> Result<(), Stop> {
        self.status(response, statuses)?;
        let code = response.error_code(self.contract());
        if code.as_ref().is_some_and(|code| self.contract().code_fits(code, codes)) {
            self.observed();
            return Ok(());
        }
        let seen = code.map_or_else(|| "no error code".to_owned(), |code| code.to_string());
        Err(self.deviation(Finding::WrongCode, codes.iter().map(ToString::to_string), seen, response.evidence()))
    }

    /// Sends a request over the socket and takes its direct answer, whatever it says.
    ///
    /// # Errors
    /// Deviates with [`Finding::NoAnswer`] or [`Finding::Closed`] when there is none within `reply_s`.
    pub async fn answer(&self, socket: &mut Socket, request: Message) -> Result<Message, Stop> {
        let is_known = |kind: &Kind| matches!(kind, Kind::Other(_)) || self.contract().has_message(kind);
        if !is_known(&request.kind) {
            return Err(NotVerified::Unpromised(request.kind.to_string()).into());
        }
        let id = request.message_id.clone().unwrap_or_else(|| self.target().unique(request.kind.slug()));
        let request = request.id(id.clone());
        socket.send(&request).await;
        let what = format!("the answer to {}", request.kind);
        self.message_where(socket, &what, self.answers(&request)).await
    }

    /// Whether a message is the direct answer to `request`: it names it, or, where the contract has no names for
    /// messages, is the first one of the answer's kind that is about the same thread and run, or an error.
    pub fn answers(&self, request: &Message) -> impl Fn(&Message) -> bool + use<> {
        let named = self.contract().answers_bear_ids();
        let due = self.contract().answer_to(&request.kind);
        let request = request.clone();
        let same = |asked: Option<&str>, told: Option<&str>| asked.is_none() || told.is_none() || asked == told;
        move |message| {
            if named {
                return request.message_id.is_some() && message.in_reply_to() == request.message_id.as_deref();
            }
            let is_due = Some(&message.kind) == due.as_ref() || due.is_none() && message.kind == Kind::Ack;
            message.kind == Kind::Error
                || is_due && same(request.thread_id(), message.thread_id()) && same(request.run_id(), message.run_id())
        }
    }

    /// Sends a request and takes its direct answer, which must be the contract's.
    ///
    /// # Errors
    /// Deviates as [`Self::answer`], or with [`Finding::Refused`] on an `error`.
    pub async fn ask(&self, socket: &mut Socket, request: Message) -> Result<Message, Stop> {
        let due = self.contract().answer_to(&request.kind);
        let answer = self.answer(socket, request).await?;
        if Some(&answer.kind) == due.as_ref() {
            self.observed();
            return Ok(answer);
        }
        let finding = if answer.kind == Kind::Error { Finding::Refused } else { Finding::WrongValue };
        let seen = match answer.error_code() {
            Some(code) => format!("{} {code}", answer.kind),
            None => answer.kind.to_string(),
        };
        let due = due.map_or_else(|| "an answer".to_owned(), |due| due.to_string());
        Err(self.deviation(finding, [due], seen, socket.evidence()))
    }

    /// A new thread, whose title bears the mark of the run; `what` tells it from the others.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn thread(&self, socket: &mut Socket, what: &str) -> Result<String, Stop> {
        let create = Message::new(Kind::CreateThread).with("title", self.target().title(what));
        let created = self.ask(socket, create).await?;
        Ok(created.thread_id().unwrap_or_default().to_owned())
    }

    /// Sends a request that must be refused with one of `codes`.
    ///
    /// # Errors
    /// Deviates with [`Finding::Accepted`], [`Finding::WrongCode`] or as [`Self::answer`].
    pub async fn ask_refused(
        &self,
        socket: &mut Socket,
        request: Message,
        codes: &[ErrorCode],
    ) -> Result<Message, Stop> {
        let answer = self.answer(socket, request).await?;
        self.is_error(socket, &answer, codes)?;
        Ok(answer)
    }

    /// A message that must be an `error` with one of `codes`.
    ///
    /// # Errors
    /// Deviates with [`Finding::Accepted`] or [`Finding::WrongCode`].
    pub fn is_error(&self, socket: &Socket, answer: &Message, codes: &[ErrorCode]) -> Result<(), Stop> {
        let code = answer.error_code();
        if answer.kind == Kind::Error && code.as_ref().is_some_and(|code| self.contract().code_fits(code, codes)) {
            self.observed();
            return Ok(());
        }
        let finding = if answer.kind == Kind::Error { Finding::WrongCode } else { Finding::Accepted };
        let seen = code.map_or_else(|| answer.kind.to_string(), |code| format!("{} {code}", answer.kind));
        let expected = codes.iter().map(|code| format!("error {code}"));
        Err(self.deviation(finding, expected, seen, socket.evidence()))
    }

    /// The next message of `kind`; others before it are passed over.
    ///
    /// # Errors
    /// Deviates with [`Finding::NoAnswer`] or [`Finding::Closed`] when it does not come within `reply_s`.
    pub async fn message(&self, socket: &mut Socket, kind: &Kind) -> Result<Message, Stop> {
        self.message_where(socket, kind.slug(), |message| message.kind == *kind).await
    }

    /// The next message that `is_it`; others before it are passed over.
    ///
    /// # Errors
    /// Deviates with [`Finding::NoAnswer`] or [`Finding::Closed`] when it does not come within `reply_s`.
    pub async fn message_where(
        &self,
        socket: &mut Socket,
        what: &str,
        is_it: impl Fn(&Message) -> bool,
    ) -> Result<Message, Stop> {
        let reply = self.profile().thresholds.reply;
        self.message_within(socket, reply, what, is_it).await.map_err(|stop| stop.within("thresholds.reply_s"))
    }

    /// As [`Self::message_where`], within a window of the caller's.
    ///
    /// # Errors
    /// Deviates with [`Finding::NoAnswer`] or [`Finding::Closed`].
    pub async fn message_within(
        &self,
        socket: &mut Socket,
        within: Duration,
        what: &str,
        is_it: impl Fn(&Message) -> bool,
    ) -> Result<Message, Stop> {
        let began = Instant::now();
        let deadline = began + within;
        let expected = || [format!("{what} within {} s", within.as_secs_f64())];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match socket.next(left).await {
                Next::Message(received) => {
                    if let Ok(message) = received.message
                        && is_it(&message)
                    {
                        return Ok(message);
                    }
                }
                Next::Pong(_) => {}
                Next::Ended(end) => {
                    let seen = format!("the connection ended: {end}");
                    return Err(self.deviation(Finding::Closed, expected(), seen, socket.evidence()));
                }
                Next::Silence => {
                    self.punctual(began, within)?;
                    return Err(self.deviation(
                        Finding::NoAnswer,
                        expected(),
                        "nothing of the kind",
                        socket.evidence(),
                    ));
                }
            }
        }
    }

    /// A connection that must be alive: it answers `ping`.
    ///
    /// # Errors
    /// Deviates with [`Finding::NoAnswer`] or [`Finding::Closed`].
    pub async fn alive(&self, socket: &mut Socket) -> Result<(), Stop> {
        self.ask(socket, Message::new(Kind::Ping)).await.map(drop)
    }

    /// A connection that must end within `within`, by one of the Close codes; without a Close frame
    /// only where `codes` is empty or `may_be_missing`.
    ///
    /// # Errors
    /// Deviates with [`Finding::NotClosed`] or [`Finding::WrongClose`].
    pub async fn ends(
        &self,
        socket: &mut Socket,
        within: Duration,
        codes: &[u16],
        may_be_missing: bool,
    ) -> Result<(), Stop> {
        self.ends_since(socket, (Instant::now(), within), codes, may_be_missing).await
    }

    /// As [`Self::ends`], for a window that began before.
    ///
    /// # Errors
    /// Deviates with [`Finding::NotClosed`] or [`Finding::WrongClose`].
    pub async fn ends_since(
        &self,
        socket: &mut Socket,
        (began, within): (Instant, Duration),
        codes: &[u16],
        may_be_missing: bool,
    ) -> Result<(), Stop> {
        let expected = || {
            let codes = codes.iter().map(|code| format!("Close {code}"));
            codes.chain(may_be_missing.then(|| "the connection's end without a Close frame".to_owned()))
        };
        match socket.ended((began + within).saturating_duration_since(Instant::now())).await {
            Some(end) => {
                let seen = end.close.as_ref().map(|(code, _)| *code);
                let right = match seen {
                    Some(Some(code)) => codes.contains(&code),
                    Some(None) => false,
                    None => may_be_missing,
                };
                if right {
                    self.observed();
                    return Ok(());
                }
                Err(self.deviation(
                    Finding::WrongClose,
                    expected(),
                    format!("the connection ended: {end}"),
                    socket.evidence(),
                ))
            }
            None => {
                self.punctual(began, within)?;
                let seen = format!("open after {} s", (within.as_secs_f64() * 10.0).round() / 10.0);
                Err(self.deviation(Finding::NotClosed, expected(), seen, socket.evidence()))
            }
        }
    }

    /// A failed control: nothing was learnt about the thing probed.
    pub fn control_failed(&self, control: &str, stop: Stop) -> Stop {
        match stop {
            Stop::Deviates(deviation) => {
                let what = format!("control failed ({control}): {}", deviation.seen);
                Inconclusive::new(Blame::Target, what).at(self.doing()).with(deviation.evidence).into()
            }
            other => other,
        }
    }
}
