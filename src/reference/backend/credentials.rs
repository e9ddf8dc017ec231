//! Credentials of an upgrade: where they may stand, and what several of them mean.

use axum::http::{HeaderMap, header};

use super::Backend;
use crate::wire::{Carrier, Contract, ErrorCode};

/// Something that is to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Token(String),
    /// What was given for a token.
    Ticket(String),
    /// A carrier whose token cannot be read.
    Unreadable,
    /// Nothing, where a defect lets nobody in as a guest.
    Nobody,
}

/// Subprotocols that the client offers.
pub(super) fn subprotocols(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|offer| offer.trim().to_owned())
        .collect()
}

/// What the request shows: one credential, or several where a defect looks at more.
///
/// # Errors
/// The code of the refusal when there is none, or two that differ.
pub(super) fn find(backend: &Backend, headers: &HeaderMap, query: Option<&str>) -> Result<Vec<Found>, ErrorCode> {
    let (policy, contract) = (backend.site.policy().handshake, backend.site.contract());
    let carriers = contract.carriers();
    let mut found = Vec::new();
    if carriers.contains(&Carrier::Header) {
        found.extend(of_headers(headers));
    }
    if carriers.contains(&Carrier::Subprotocol) && !policy.one_carrier_only.on() {
        found.extend(of_subprotocols(headers, contract));
    }
    if carriers.contains(&Carrier::Query) || (policy.accept_query_token.on() && found.is_empty()) {
        found.extend(of_query(query, "token").map(Found::Token));
    }
    if carriers.contains(&Carrier::Ticket) {
        found.extend(of_query(query, "ticket").map(Found::Ticket));
    }
    judged(backend, headers, found)
}

/// What a request for a ticket shows: the token in its header.
///
/// # Errors
/// As those of [`find`].
pub(super) fn for_ticket(backend: &Backend, headers: &HeaderMap) -> Result<Vec<Found>, ErrorCode> {
    judged(backend, headers, of_headers(headers))
}

fn judged(backend: &Backend, headers: &HeaderMap, mut found: Vec<Found>) -> Result<Vec<Found>, ErrorCode> {
    let policy = backend.site.policy().handshake;
    found.dedup();
    match found.len() {
        0 => {
            let has_empty_bearer =
                || headers.get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes().trim_ascii() == b"Bearer");
            if policy.accept_anonymous.on() || (policy.accept_empty_bearer.on() && has_empty_bearer()) {
                Ok(vec![Found::Nobody])
            } else if policy.missing_called_invalid.on() {
                Err(ErrorCode::TokenInvalid)
            } else {
                Err(ErrorCode::AuthMissing)
            }
        }
        1 => Ok(found),
        _ if policy.first_carrier_wins.on() => Ok(found[..1].to_vec()),
        _ if policy.falls_back_to_good_one.on() => Ok(found),
        _ => Err(ErrorCode::TokenInvalid),
    }
}

/// A token that the request shows, good or bad; empty when it shows none.
pub(super) fn first_token(headers: &HeaderMap, query: Option<&str>, contract: &Contract) -> String {
    let in_query = of_query(query, "token").filter(|_| contract.carriers().contains(&Carrier::Query)).map(Found::Token);
    of_headers(headers)
        .into_iter()
        .chain(of_subprotocols(headers, contract))
        .chain(in_query)
        .find_map(|found| match found {
            Found::Token(token) => Some(token),
            Found::Ticket(_) | Found::Unreadable | Found::Nobody => None,
        })
        .unwrap_or_default()
}

fn of_query<'q>(query: Option<&'q str>, parameter: &'static str) -> impl Iterator<Item = String> + use<'q> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.filter(move |(name, _)| name == parameter).map(|(_, value)| value.into_owned())
}

fn of_headers(headers: &HeaderMap) -> Vec<Found> {
    headers
        .get_all(header::AUTHORIZATION)
        .iter()
        .filter_map(|value| {
            let Ok(value) = value.to_str() else { return Some(Found::Unreadable) };
            let (scheme, token) = value.trim().split_once(' ')?;
            let token = token.trim();
            (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| Found::Token(token.to_owned()))
        })
        .collect()
}

/// Both subprotocols must be offered together; the token's without the other is no carrier.
fn of_subprotocols(headers: &HeaderMap, contract: &Contract) -> Vec<Found> {
    let offered = subprotocols(headers);
    if !offered.iter().any(|offer| offer == contract.auth_subprotocol()) {
        return Vec::new();
    }
    offered
        .iter()
        .filter(|offer| contract.is_token_subprotocol(offer))
        .map(|offer| contract.token_of_subprotocol(offer).map_or(Found::Unreadable, Found::Token))
        .collect()
}
