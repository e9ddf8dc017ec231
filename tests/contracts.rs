//! Contract files load, and the reader reads what was written by hand from the contract.

use netra_check::wire::{Contract, Endpoint, Kind};

#[test]
fn every_builtin_contract_loads_and_names_every_call_and_message() {
    for name in Contract::builtin_names() {
        let contract = Contract::load(name).unwrap_or_else(|error| panic!("{error}"));
        for endpoint in Endpoint::ALL {
            assert!(contract.endpoint(*endpoint).is_some(), "{name}: no {}", endpoint.slug());
        }
        for kind in Kind::NAMED {
            assert!(contract.payload_schema(kind).is_some(), "{name}: no schema for {kind}");
        }
    }
}
