//! Tickets that open one socket each, in place of a token.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::auth_client::Identity;
use crate::reference::policy::HandshakePolicy;

/// How long a ticket may be redeemed.
pub(super) const LIFE: Duration = Duration::from_secs(30);

/// Tickets that were issued and not redeemed yet.
#[derive(Debug, Default)]
pub(super) struct Tickets(HashMap<String, (Identity, Instant)>);

impl Tickets {
    /// A new ticket for whom a token names.
    pub(super) fn issue(&mut self, identity: Identity) -> String {
        let now = Instant::now();
        self.0.retain(|_, (_, until)| now < *until);
        let ticket = format!("{:032x}", rand::random::<u128>());
        self.0.insert(ticket.clone(), (identity, now + LIFE));
        ticket
    }

    /// Whom it was issued for; nobody the second time, or when it is too old.
    pub(super) fn redeem(&mut self, ticket: &str, policy: HandshakePolicy) -> Option<Identity> {
        let (identity, until) = match policy.ticket_reusable.on() {
            true => self.0.get(ticket).cloned(),
            false => self.0.remove(ticket),
        }?;
        (Instant::now() < until).then_some(identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            token: "".into(),
            user_id: "u-1".into(),
            email: "u1@example.com".into(),
            permissions: Vec::new(),
            expires_at: time::OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_ticket_opens_one_socket_within_its_life() {
        let mut tickets = Tickets::default();
        let right = HandshakePolicy::default();
        let (first, second) = (tickets.issue(identity()), tickets.issue(identity()));
        assert_ne!(first, second);
        assert_eq!(tickets.redeem(&first, right).unwrap().user_id, "u-1");
        assert!(tickets.redeem(&first, right).is_none(), "a second time");
        tokio::time::advance(LIFE).await;
        assert!(tickets.redeem(&second, right).is_none(), "too late");
    }
}
