//! Threads over REST, as one login sees them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Context;
use crate::model::{Finding, Stop};
use crate::target::{Call, Login, Response, Socket, Token};
use crate::wire::{Endpoint, Message};

/// Between two reads of what may take a moment to settle.
const READ_AGAIN: Duration = Duration::from_millis(50);

/// REST on behalf of one login. What is asked here must succeed; refusals are asked by [`Rest::call`].
#[derive(Clone)]
pub struct Rest<'c> {
    cx: &'c Context,
    token: Token,
}

/// A body in logical terms, and the answer that brought it.
pub type Told = (Value, Response);

impl Context {
    /// REST on behalf of `login`.
    pub fn rest(&self, login: &Login) -> Rest<'_> {
        Rest { cx: self, token: login.access.clone() }
    }

    /// Reads until it is `right`, at most `limits.settle_s`: writes may take a moment until all see them.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn settled<T, R>(&self, read: impl Fn() -> R, right: impl Fn(&T) -> bool) -> Result<T, Stop>
    where
        R: Future<Output = Result<T, Stop>>,
    {
        let end = Instant::now() + self.profile().limits.settle;
        loop {
            let seen = read().await?;
            if right(&seen) || Instant::now() >= end {
                return Ok(seen);
            }
            tokio::time::sleep(READ_AGAIN).await;
        }
    }

    /// An event that has come on this socket, or comes within `reply_s`.
    ///
    /// # Errors
    /// Deviates with [`Finding::MissingEvent`] or [`Finding::Closed`] when it does not.
    pub async fn told(
        &self,
        socket: &mut Socket,
        what: &str,
        is_it: impl Fn(&Message) -> bool,
    ) -> Result<Message, Stop> {
        let seen = socket.seen().iter().filter_map(|received| received.message.as_ref().ok()).find(|seen| is_it(seen));
        let told = match seen.cloned() {
            Some(message) => message,
            None => self.message_where(socket, what, is_it).await.map_err(missing)?,
        };
        self.observed();
        Ok(told)
    }
}

/// An event that nobody asked for on this socket is missing, not unanswered.
fn missing(mut stop: Stop) -> Stop {
    if let Stop::Deviates(deviation) = &mut stop
        && deviation.finding == Finding::NoAnswer
    {
        deviation.finding = Finding::MissingEvent;
    }
    stop
}

impl<'c> Rest<'c> {
    /// A call about the thread of this id, to be sent by the caller.
    pub fn call(&self, endpoint: Endpoint, thread: &str) -> Call<'c> {
        self.cx.call(endpoint).path_param("id", thread).bearer(&self.token)
    }

    /// Sends a call that must succeed.
    ///
    /// # Errors
    /// As [`Context::success`].
    pub async fn done(&self, endpoint: Endpoint, call: Call<'_>) -> Result<Told, Stop> {
        let answer = call.send().await?;
        self.cx.success(endpoint, &answer)?;
        Ok((answer.logical_body(self.cx.contract(), endpoint).unwrap_or_default(), answer))
    }

    /// Creates a thread whose title bears the mark of the run; its id.
    ///
    /// # Errors
    /// As [`Self::done`].
    pub async fn create(&self, what: &str) -> Result<String, Stop> {
        let body = json!({"title": self.cx.target().title(what)});
        let (thread, _) = self.done(Endpoint::CreateThread, self.call(Endpoint::CreateThread, "").json(&body)).await?;
        Ok(text(&thread, "id"))
    }

    /// A thread, as a single read shows it.
    ///
    /// # Errors
    /// As [`Self::done`].
    pub async fn thread(&self, thread: &str) -> Result<Told, Stop> {
        self.done(Endpoint::GetThread, self.call(Endpoint::GetThread, thread)).await
    }

    /// Gives a thread another title.
    ///
    /// # Errors
    /// As [`Self::done`].
    pub async fn rename(&self, thread: &str, title: &str) -> Result<Told, Stop> {
        let call = self.call(Endpoint::UpdateThread, thread).json(&json!({"title": title}));
        self.done(Endpoint::UpdateThread, call).await
    }

    /// Deletes a thread.
    ///
    /// # Errors
    /// As [`Context::status`].
    pub async fn delete(&self, thread: &str) -> Result<Response, Stop> {
        let answer = self.call(Endpoint::DeleteThread, thread).send().await?;
        self.cx.status(&answer, self.cx.contract().success(Endpoint::DeleteThread))?;
        Ok(answer)
    }

    /// Posts a message; its id.
    ///
    /// # Errors
    /// As [`Self::done`].
    pub async fn post(&self, thread: &str, content: &str) -> Result<String, Stop> {
        let call = self.call(Endpoint::PostMessage, thread).json(&json!({"content": content}));
        Ok(text(&self.done(Endpoint::PostMessage, call).await?.0, "id"))
    }

    /// The first threads of the list, as many as a page can hold.
    ///
    /// # Errors
    /// As [`Self::done`].
    pub async fn threads(&self) -> Result<(Vec<Value>, Response), Stop> {
        let call = self.call(Endpoint::ListThreads, "").query("limit", 100);
        let (list, answer) = self.done(Endpoint::ListThreads, call).await?;
        Ok((list.as_array().cloned().unwrap_or_default(), answer))
    }

    /// A page of a thread's messages.
    ///
    /// # Errors
    /// As [`Self::done`].
    pub async fn messages(&self, thread: &str, limit: usize, offset: usize) -> Result<(Vec<Value>, Response), Stop> {
        let call = self.call(Endpoint::ListMessages, thread).query("limit", limit).query("offset", offset);
        let (page, answer) = self.done(Endpoint::ListMessages, call).await?;
        Ok((items(&page, "messages"), answer))
    }
}

/// A member that is a string.
pub fn text(of: &Value, member: &str) -> String {
    of.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A member that is a list.
pub fn items(of: &Value, member: &str) -> Vec<Value> {
    of.get(member).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// The id of an object that nobody has made: of the form of `id`, so that only its absence matters.
pub fn absent(id: &str) -> String {
    let mut characters: Vec<char> = id.chars().collect();
    for digit in characters.iter_mut().rev().filter(|character| character.is_ascii_hexdigit()).take(8) {
        *digit = if *digit == '0' { '1' } else { '0' };
    }
    characters.into_iter().collect()
}
