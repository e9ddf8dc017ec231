//! What goes before every exchange: whose it is, whether the check may do it, its turn, and the ledger.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::fault::FaultKind;
use super::ledger::{Ledger, Owner};
use super::pace::{Pace, Place};
use super::redact::SecretKind;
use super::token::{Parts, Token};
use super::transcript::Line;
use super::upgrade::QUERY_TOKEN;
use super::{Response, Target};
use crate::model::{Effect, Origin};
use crate::wire::{Carrier, Contract, Endpoint, Kind};

/// The longest window of a rate limit (contract, section 3): so long a message may have to wait.
const LONGEST_WINDOW: Duration = Duration::from_secs(60);

/// A call as far as its effect depends on it.
pub(super) struct Asked<'a> {
    pub(super) origin: Origin,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) method: &'a str,
    pub(super) url: &'a Url,
    pub(super) headers: &'a [(String, String)],
    pub(super) body: Option<&'a [u8]>,
}

/// What a socket needs to know about the user who opened it.
#[derive(Clone)]
pub(super) struct Speaker {
    pub(super) owner: Option<Owner>,
    pub(super) pace: Arc<Pace>,
    /// Where what is created is noted; nothing where the check has launched the service itself.
    pub(super) ledger: Option<Arc<Ledger>>,
}

impl Speaker {
    /// Whether a whole text of ours may be sent; notes what it creates. What the contract refuses is no effect.
    pub(super) fn may_say(&self, line: &Line, contract: &Contract, text: &str) -> bool {
        let Ok(message) = contract.read_client(text) else { return true };
        let manners = line.recorder().manners();
        if message.kind == Kind::SessionRestore {
            manners.restores();
        }
        let Some(ledger) = &self.ledger else { return true };
        let fits = || {
            let value: Value = serde_json::from_str(text).unwrap_or_default();
            contract.payload_faults(&message.kind, &value).is_empty()
        };
        let effect = message.kind.effect();
        if effect != Effect::Read && fits() {
            if !manners.permits(effect) {
                manners.breach(&undeclared(line, message.kind.slug(), effect));
                return false;
            }
            if let Some(owner) = &self.owner {
                ledger.message(owner, &message);
            }
        }
        true
    }

    /// Waits for the turn of a text of ours that counts against the user's limit.
    pub(super) async fn turn(&self, line: &Line, contract: &Contract, text: &str, of_burst: bool) {
        let manners = line.recorder().manners();
        let Some(owner) = &self.owner else { return };
        if !contract.read_client(text).is_ok_and(|message| message.kind.is_counted()) {
            return;
        }
        self.pace.is_counted(&owner.user);
        if manners.expects_throttling() {
            return;
        }
        if of_burst {
            return self.pace.count(&owner.user);
        }
        let _wait = manners.wait();
        // Afterwards it is sent all the same: the target says what it thinks of it.
        let _ = tokio::time::timeout(LONGEST_WINDOW * 2, self.pace.message(&owner.user)).await;
        self.pace.is_counted(&owner.user);
    }

    /// Waits until `count` messages can follow at once.
    pub(super) async fn burst(&self, line: &Line, count: u64) {
        let manners = line.recorder().manners();
        if let (Some(owner), false) = (&self.owner, manners.expects_throttling()) {
            let _wait = manners.wait();
            let _ = tokio::time::timeout(LONGEST_WINDOW * 2, self.pace.burst(&owner.user, count)).await;
        }
    }
}

fn undeclared(line: &Line, what: &str, effect: Effect) -> String {
    format!(
        "{what} needs the effect `{effect}`, which {} has not declared: not sent. This is a defect of netra-check, \
         please report it",
        line.recorder().check()
    )
}

impl Target {
    /// Whose a request is, by the token that its headers carry.
    pub(super) fn owner(&self, headers: &[(String, String)]) -> Option<Owner> {
        let bearer = headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
            .find_map(|(_, value)| value.strip_prefix("Bearer ").map(str::to_owned));
        let subprotocol = || {
            let offered = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"));
            let mut offered = offered.flat_map(|(_, value)| value.split(',').map(str::trim));
            offered.find_map(|offer| self.contract.token_of_subprotocol(offer))
        };
        self.owner_of(bearer.or_else(subprotocol)?)
    }

    /// Whose an upgrade is, which may carry its token in the query.
    fn speaks(&self, url: &Url, headers: &[(String, String)]) -> Option<Owner> {
        let in_query = || {
            let is_carrier = self.contract.carriers().contains(&Carrier::Query);
            let mut pairs = url.query_pairs().filter(|(name, _)| is_carrier && name == QUERY_TOKEN);
            pairs.next().and_then(|(_, token)| self.owner_of(token.into_owned()))
        };
        self.owner(headers).or_else(in_query)
    }

    fn owner_of(&self, text: String) -> Option<Owner> {
        let sub = Parts::of(&text).and_then(|parts| Some(parts.claims.get("sub")?.as_str()?.to_owned()));
        let user = sub.or_else(|| self.ledger.user_of(&text))?;
        Some(Owner { user, token: Token::new(&self.redactor, SecretKind::AccessToken, text) })
    }

    /// When the user of `token` last sent something that counts against its limit; where it never did, when we began.
    pub fn last_counted(&self, token: &Token) -> std::time::Instant {
        let headers = [("Authorization".to_owned(), format!("Bearer {}", token.expose()))];
        let owner = self.owner(&headers);
        self.pace.last_counted(owner.as_ref().map(|owner| owner.user.as_str())).into_std()
    }

    /// For a socket that `headers` ask for at `url`, perhaps by a ticket for a token.
    pub(super) fn speaker(&self, url: &Url, headers: &[(String, String)], ticket_for: Option<&Token>) -> Speaker {
        let ledger = self.guards(url).then(|| Arc::clone(&self.ledger));
        let by_ticket = || ticket_for.and_then(|token| self.owner_of(token.expose().to_owned()));
        Speaker { owner: self.speaks(url, headers).or_else(by_ticket), pace: Arc::clone(&self.pace), ledger }
    }

    /// The contract's call that is asked, however it was spelt.
    pub(super) fn endpoint_of(&self, asked: &Asked<'_>) -> Option<Endpoint> {
        asked.endpoint.or_else(|| {
            let base = self.profile.urls.of(asked.origin)?.path().trim_end_matches('/');
            self.contract.endpoint_at(asked.origin, asked.method, asked.url.path().strip_prefix(base)?)
        })
    }

    /// Refuses what the check has not declared.
    ///
    /// # Errors
    /// [`FaultKind::Harness`]; then nothing may be sent.
    pub(super) fn may_ask(&self, line: &Line, asked: &Asked<'_>) -> Result<(), (FaultKind, String)> {
        let effect = self.effect_of(asked);
        let manners = line.recorder().manners();
        if manners.permits(effect) {
            return Ok(());
        }
        let what = undeclared(line, &format!("{} {}", asked.method, asked.url.path()), effect);
        manners.breach(&what);
        Err((FaultKind::Harness, what))
    }

    fn effect_of(&self, asked: &Asked<'_>) -> Effect {
        let has_credential = asked.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        // Without a credential it is refused.
        if !has_credential || !self.guards(asked.url) {
            return Effect::Read;
        }
        let is_json = |body: &[u8]| serde_json::from_slice::<Value>(body).is_ok();
        match (self.endpoint_of(asked).map(Endpoint::effect), asked.method) {
            // What is no JSON is refused whole.
            (Some(Effect::Create), _) if asked.body.is_some_and(|body| !is_json(body)) => Effect::Read,
            (Some(effect), _) => effect,
            (None, "GET" | "HEAD" | "OPTIONS") => Effect::Read,
            (None, _) => Effect::Create,
        }
    }

    /// Whether `url` is at the profile's environment, and not at a service that a check has launched itself.
    fn guards(&self, url: &Url) -> bool {
        let place = |url: &Url| (url.host_str().map(str::to_owned), url.port_or_known_default());
        let services = Origin::ALL.into_iter().filter_map(|origin| self.guarded.of(origin));
        services.chain([&self.guarded.websocket]).any(|known| place(known) == place(url))
    }

    /// Waits for the turn of one exchange, and for its connection's place; a socket takes one of its user's, too,
    /// and a counted call keeps below the user's limit. None of it is the check's own time.
    pub(super) async fn turn(
        &self,
        line: &Line,
        (origin, url): (Origin, &Url),
        socket_of: Option<&str>,
        message_of: Option<&str>,
    ) -> Result<Place, (FaultKind, String)> {
        let manners = line.recorder().manners();
        let waiting = manners.wait();
        if self.is_known(url) {
            self.fuses.pass(origin, self.probe(origin)).await?;
        }
        message_of.into_iter().for_each(|user| self.pace.is_counted(user));
        if manners.expects_throttling() {
            return Ok(Place::default());
        }
        let within = self.profile.limits.check + message_of.map_or(Duration::ZERO, |_| LONGEST_WINDOW);
        let turn = async {
            if let Some(user) = message_of {
                self.pace.message(user).await;
            }
            let place = self.pace.place(socket_of).await;
            self.pace.turn().await;
            place
        };
        let turn = tokio::time::timeout(within, turn).await.map_err(|_| {
            let pace = &self.profile.pace;
            let what = format!(
                "no turn within {:.0} s: raise `pace.connections` ({}), `pace.requests_per_s` ({}) or \
                 `pace.sockets_per_user` ({})",
                within.as_secs_f64(),
                pace.connections,
                pace.requests_per_s,
                pace.sockets_per_user
            );
            (FaultKind::Harness, what)
        });
        drop(waiting);
        turn
    }

    /// Notes that a call which creates or removes is about to be sent.
    pub(super) fn note_call(&self, asked: &Asked<'_>, owner: Option<&Owner>) {
        if let (Some(Endpoint::CreateThread), Some(owner), true) =
            (self.endpoint_of(asked), owner, self.guards(asked.url))
        {
            self.ledger.call(owner);
        }
    }

    /// Notes what became of it.
    pub(super) fn note_answer(&self, endpoint: Option<Endpoint>, url: &Url, owner: Option<&Owner>, answer: &Response) {
        let (Some(endpoint), Some(owner), true) = (endpoint, owner, self.guards(url)) else { return };
        match endpoint {
            Endpoint::CreateThread => {
                let body = answer.logical_body(&self.contract, endpoint).unwrap_or_default();
                let id = body.get("id").and_then(Value::as_str);
                self.ledger.called(owner, id.filter(|_| answer.succeeded(&self.contract, endpoint)));
            }
            Endpoint::DeleteThread if answer.succeeded(&self.contract, endpoint) || answer.status == 404 => {
                if let Some(id) = url.path_segments().and_then(|mut segments| segments.next_back()) {
                    let id = percent_encoding::percent_decode_str(id).decode_utf8_lossy();
                    self.ledger.removed(owner, &id);
                }
            }
            // 401: it was logged out before.
            Endpoint::Logout if answer.succeeded(&self.contract, endpoint) || answer.status == 401 => {
                self.ledger.logged_out(owner.token.expose());
            }
            _ => {}
        }
    }
}
