//! The frontend in a browser: what its WebSockets do, and what it shows.

use std::time::{Duration, Instant};

use super::Context;
use crate::model::{Evidence, Finding, Need, NotVerified, Origin, Stop};
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
                let in_query = || {
                    let url = url::Url::parse(&url).ok()?;
                    url.query_pairs().find(|(name, _)| name == "token").map(|(_, token)| token.into_owned())
                };
                let token = protocols.iter().find_map(|offer| contract.token_of_subprotocol(offer)).or_else(in_query);
                return Ok(Some(Opened { socket, token: token.map(|token| browser.learn(&token)) }));
            }
        }
        Ok(None)
    }

    /// The next message that the page is handed on `socket` until `deadline`, and how often it changed at it, where that
    /// was waited for.
    ///
    /// # Errors
    /// Inconclusive when the browser has ended.
    pub async fn shown(
        &self,
        browser: &mut Browser,
        socket: u32,
        deadline: Instant,
    ) -> Result<Option<(Message, Option<u32>)>, Stop> {
        while let Some(seen) = browser.next(deadline).await? {
            if let Seen::Shown { socket: on, data: Some(data), changes } = seen
                && on == socket
                && let Ok(message) = self.contract().read_server(&data)
            {
                return Ok(Some((message, changes)));
            }
        }
        Ok(None)
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
            return Err(self.not_connected("no WebSocket in the page's own scripts", browser.evidence()));
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
        match self.shown(browser, socket, deadline).await? {
            Some((message, _)) if message.kind == Kind::ConnectionEstablished => Ok(()),
            Some((message, _)) => Err(self.not_connected(message.kind.slug(), browser.evidence())),
            None => Err(self.not_connected("no message", browser.evidence())),
        }
    }

    fn not_connected(&self, seen: &str, evidence: Evidence) -> Stop {
        let expected = format!("a WebSocket of the page, and its welcome, within {} s", OPENED.as_secs());
        self.deviation(Finding::NoAnswer, [expected], seen.to_owned(), evidence)
    }
}
