//! Sessions that lost their socket, and how a client takes them up again (contract, 7.4).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Context, Session};
use crate::model::{NotVerified, Stop};
use crate::target::{Received, Upgrade};
use crate::wire::{Kind, Message};

/// A connection that both sides have closed has ended after this (contract, section 5).
const END: Duration = Duration::from_secs(2);

/// A session as its client remembers it: its name, and the last message that was seen of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// `connection_id` of its first welcome.
    pub connection_id: String,
    /// Number of the last message, where messages are numbered.
    pub sequence: Option<u64>,
    /// Name of the last message.
    pub message_id: Option<String>,
}

impl Lost {
    /// Takes in what came on a connection, from its beginning.
    pub fn see(&mut self, seen: &[Received]) {
        let messages: Vec<_> = seen.iter().filter_map(|received| received.message.as_ref().ok()).collect();
        let restored = messages.iter().rposition(|message| message.kind == Kind::SessionRestored);
        if let Some(id) = restored.and_then(|at| messages[at].connection_id()) {
            id.clone_into(&mut self.connection_id);
        }
        // What came before `session_restored` belongs to a session that was abandoned.
        for message in &messages[restored.map_or(0, |at| at + 1)..] {
            if message.kind == Kind::ConnectionEstablished {
                message.connection_id().unwrap_or_default().clone_into(&mut self.connection_id);
            }
            self.sequence = message.sequence.or(self.sequence);
            self.message_id = message.message_id.clone().or_else(|| self.message_id.take());
        }
    }

    /// The message that asks for it.
    pub fn request(&self) -> Message {
        let request = Message::new(Kind::SessionRestore).with("connection_id", self.connection_id.as_str());
        match (self.sequence, &self.message_id) {
            (Some(sequence), _) => request.with("last_sequence", sequence),
            (None, id) => request.with("last_message_id", id.clone().unwrap_or_default()),
        }
    }
}

impl Session {
    /// What its client remembers of it so far.
    pub fn lost(&self) -> Lost {
        let mut lost = Lost::default();
        lost.see(self.socket.seen());
        lost
    }

    /// Closes with 1000 and waits for the target's part of it: after that nobody is on the other side.
    pub async fn leave(mut self) -> Lost {
        self.socket.close(1000, "").await;
        self.socket.ended(END).await;
        self.lost()
    }
}

impl Context {
    /// A new socket on which `lost` was asked for first, and the `session_restored` that answered.
    ///
    /// # Errors
    /// Inconclusive when the socket is not let in; else as [`Self::restore`].
    pub async fn restored(&self, upgrade: Upgrade<'_>, lost: &Lost) -> Result<(Session, Message), Stop> {
        let mut session = self.open(upgrade).await?;
        let restored = self.restore(&mut session, lost).await?;
        Ok((session, restored))
    }

    /// Asks for `lost` on a socket that has said nothing yet; the `session_restored` that answers.
    ///
    /// # Errors
    /// Deviates as [`Self::ask`]; not verified where the contract restores no sessions.
    pub async fn restore(&self, session: &mut Session, lost: &Lost) -> Result<Message, Stop> {
        if self.contract().answer_to(&Kind::SessionRestore).is_none() {
            return Err(NotVerified::Unpromised("session_restore".into()).into());
        }
        self.ask(&mut session.socket, lost.request()).await
    }

    /// `session_restored` must say that the session goes on, under its old name.
    ///
    /// # Errors
    /// Deviates with [`crate::model::Finding::WrongValue`].
    pub fn resumed(&self, session: &Session, restored: &Message, lost: &Lost) -> Result<(), Stop> {
        let evidence = || session.socket.evidence();
        self.same("resumed", &Some(&true.into()), &restored.field("resumed"), evidence)?;
        self.same("connection_id", &Some(lost.connection_id.as_str()), &restored.connection_id(), evidence)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn came(kind: Kind, connection: Option<&str>, sequence: Option<u64>, id: &str) -> Received {
        let message = connection.map_or(Message::new(kind.clone()), |it| Message::new(kind).with("connection_id", it));
        let message = Message { sequence, ..message.id(id) };
        Received { message: Ok(message), text: String::new(), at: Instant::now() }
    }

    #[test]
    fn a_client_remembers_the_last_message_of_its_session_not_of_the_one_it_gave_up() {
        let mut lost = Lost::default();
        lost.see(&[
            came(Kind::ConnectionEstablished, Some("first"), Some(1), "a"),
            came(Kind::Pong, None, Some(2), "b"),
        ]);
        assert_eq!((lost.connection_id.as_str(), lost.sequence), ("first", Some(2)));

        let second = came(Kind::ConnectionEstablished, Some("second"), Some(1), "c");
        let restored = came(Kind::SessionRestored, Some("first"), None, "d");
        lost.see(&[second.clone(), restored.clone()]);
        assert_eq!(
            (lost.connection_id.as_str(), lost.sequence, lost.message_id.as_deref()),
            ("first", Some(2), Some("b"))
        );
        lost.see(&[second, restored, came(Kind::Pong, None, Some(3), "e")]);
        assert_eq!(lost.request().field("last_sequence"), Some(&3.into()));
    }

    #[test]
    fn without_numbers_the_last_message_is_named() {
        let mut lost = Lost::default();
        lost.see(&[came(Kind::ConnectionEstablished, Some("first"), None, "a"), came(Kind::Pong, None, None, "b")]);
        let request = lost.request();
        assert_eq!((request.text("last_message_id"), request.field("last_sequence")), (Some("b"), None));
    }
}
