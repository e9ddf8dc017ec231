//! The frontend in a browser: what its WebSockets do, and what it shows.

use std::time::{Duration, Instant};

use super::Context;
use crate::model::{Finding, Need, NotVerified, Origin, Stop};
use crate::target::{Browser, Login, Seen, Token};
use crate::wire::{Kind, Message};

/// A page has opened its WebSocket within this time, scripts and all.
const OPENED: Duration = Duration::from_secs(10);

/// A WebSocket that the page has opened.
pub struct Opened {
    /// Which one, from 1.
    pub socket: u32,
    /// The token that it shows; `None` where it shows none that can be seen.
    pub token: Option<Token>,
}

/// What the page's socket brought it.
pub enum Brought {
    /// A message, and how often the page changed at it, where that was watched.
    Message(Box<Message>, Option<u32>),
    /// The end, with this code.
    Close(u16),
    /// Nothing in time.
    Nothing,
}

impl Brought {
    /// As reports say it.
    pub fn seen(&self) -> String {
        match self {
            Self::Message(message, _) => message.kind.to_string(),
            Self::Close(1006) => "closed without a close frame, or refused (1006)".to_owned(),
            Self::Close(code) => format!("closed with {code}"),
            Self::Nothing => "no message".to_owned(),
        }
    }
}

impl Context {
    /// A browser of its own.
    ///
    /// # Errors
    /// Not verified without one, or where none can go the profile's way; inconclusive when it does not start.
    pub async fn browser(&self) -> Result<Browser, Stop> {
        self.declared(Need::Browser);
        self.step("a browser starts");
        self.target().browser().await
    }

    /// The next WebSocket that the page opens until `deadline`; what else it does is passed over.
    ///
    /// # Errors
    /// Inconclusive when the browser has ended.
    pub async fn opened(&self, browser: &mut Browser, deadline: Instant) -> Result<Option<Opened>, Stop> {
        while let Some(seen) = browser.next(deadline).await? {
            if let Seen::Opened { socket, url, protocols } = seen {
                let contract = self.contract();
                let url = url::Url::parse(&url).ok();
                // The query may hold a ticket, which nobody here has learnt to hide.
                let place = url.as_ref().map(|url| format!("{}{}", url.authority(), url.path()));
                self.recorder().note(&format!("the page opens a WebSocket to {}", place.unwrap_or_default()));
                let in_query = || {
                    url.as_ref()?.query_pairs().find(|(name, _)| name == "token").map(|(_, token)| token.into_owned())
                };
                let token = protocols.iter().find_map(|offer| contract.token_of_subprotocol(offer)).or_else(in_query);
                return Ok(Some(Opened { socket, token: token.map(|token| browser.learn(&token)) }));
            }
        }
        Ok(None)
    }

    /// What `socket` next brings the page until `deadline`.
    ///
    /// # Errors
    /// Inconclusive when the browser has ended.
    pub async fn brought(&self, browser: &mut Browser, socket: u32, deadline: Instant) -> Result<Brought, Stop> {
        while let Some(seen) = browser.next(deadline).await? {
            match seen {
                Seen::Shown { socket: on, data: Some(data), changes } if on == socket => {
                    if let Ok(message) = self.contract().read_server(&data) {
                        return Ok(Brought::Message(Box::new(message), changes));
                    }
                }
                Seen::Closed { socket: on, code } if on == socket => return Ok(Brought::Close(code)),
                Seen::Opened { .. } | Seen::Shown { .. } | Seen::Closed { .. } => {}
            }
        }
        Ok(Brought::Nothing)
    }

    /// The frontend's page, logged in as `login`, and its first WebSocket, let in. `control` is handed to the page between
    /// the messages that come.
    ///
    /// # Errors
    /// Not verified without a frontend; deviates with [`Finding::NoAnswer`] when the page opens no WebSocket, or is not let
    /// in; inconclusive when it cannot be loaded.
    pub async fn connected_page(
        &self,
        browser: &mut Browser,
        login: &Login,
        control: Option<&str>,
    ) -> Result<Opened, Stop> {
        self.declared(Need::Frontend);
        self.step("the page connects");
        let lacks = || NotVerified::Lacks(Need::Frontend);
        let frontend = self.profile().urls.of(Origin::Frontend).ok_or_else(lacks)?;
        browser.open(frontend, login, self.contract().type_places(), control).await?;
        let deadline = Instant::now() + OPENED;
        let Some(opened) = self.opened(browser, deadline).await? else {
            return Err(self.not_connected("no WebSocket in the page's own scripts"));
        };
        self.welcomed_page(browser, opened.socket, deadline).await?;
        Ok(opened)
    }

    /// The page's socket was let in, where the contract says so at once.
    ///
    /// # Errors
    /// As [`Self::connected_page`].
    pub async fn welcomed_page(&self, browser: &mut Browser, socket: u32, deadline: Instant) -> Result<(), Stop> {
        if !self.contract().has_welcome() {
            return Ok(());
        }
        match self.brought(browser, socket, deadline).await? {
            Brought::Message(message, _) if message.kind == Kind::ConnectionEstablished => Ok(()),
            other => Err(self.not_connected(&other.seen())),
        }
    }

    /// The page has no socket that serves: `seen` in its place.
    pub fn not_connected(&self, seen: &str) -> Stop {
        let served = if self.contract().has_welcome() { "and its welcome" } else { "and a message on it" };
        let expected = format!("a WebSocket of the page, {served}, within {} s", OPENED.as_secs());
        self.deviation(Finding::NoAnswer, [expected], seen.to_owned(), self.evidence())
    }
}
