//! Contract files load, hand-written frames are read and served as they stand, and the checks
//! conform on a contract whose every name is another.

mod golden;
mod spoken;

use std::path::PathBuf;
use std::sync::Arc;

use netra_check::wire::{Contract, Endpoint, Kind};

/// A file of this folder.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/contracts").join(name)
}

fn contract(name: &str) -> Arc<Contract> {
    let own = file(&format!("{name}.yaml"));
    let name = if own.is_file() { own.to_string_lossy().into_owned() } else { name.to_owned() };
    Contract::load(&name).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_builtin_contract_loads() {
    assert_eq!(Contract::builtin_names().count(), 4);
    for name in Contract::builtin_names() {
        assert_eq!(contract(name).name(), name);
    }
}

/// Messages that only deployments of 2025 have.
const DIALECT: [Kind; 4] = [Kind::HandshakeAcknowledged, Kind::HandshakeResponse, Kind::HandshakeComplete, Kind::Ack];

#[test]
fn netra_v1_and_its_twin_name_every_call_and_message() {
    for name in ["netra-v1", "twisted"] {
        let contract = contract(name);
        // Only who carries tickets has a call that gives them.
        for endpoint in Endpoint::ALL.iter().filter(|endpoint| **endpoint != Endpoint::WsTicket) {
            assert!(contract.endpoint(*endpoint).is_some(), "{name}: no {}", endpoint.slug());
        }
        for kind in Kind::NAMED.iter().filter(|kind| !DIALECT.contains(kind)) {
            assert!(contract.payload_schema(kind).is_some(), "{name}: no schema for {kind}");
        }
    }
}

#[test]
fn no_name_of_the_twisted_contract_is_that_of_netra_v1() {
    let (plain, twisted) = (contract("netra-v1"), contract("twisted"));
    let name = |contract: &Contract, kind: &Kind| {
        let text = contract.write(&netra_check::wire::Message::new(kind.clone()), None);
        text.get("type").or_else(|| text.get("kind")).cloned()
    };
    for kind in Kind::NAMED.iter().filter(|kind| !DIALECT.contains(kind)) {
        assert_ne!(name(&plain, kind), name(&twisted, kind), "{kind}");
    }
    for field in ["thread_id", "content", "in_reply_to", "created_at"] {
        assert_ne!(twisted.wire_field(&Kind::MessageCreated, field), field);
    }
}
