//! `netra-check contract show | validate | schema | diff`.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use serde_json::Value;

use super::args::ContractCommand;
use super::usage;
use crate::engine::matcher;
use crate::model::ExitCode;
use crate::profile;
use crate::reference::{DEFECTS, VARIATIONS};
use crate::scenarios;
use crate::wire::{Contract, contract_schema};

pub(super) fn contract(command: &ContractCommand) -> anyhow::Result<ExitCode> {
    match command {
        ContractCommand::Show { name: None } => list(),
        ContractCommand::Show { name: Some(name) } => show(name),
        ContractCommand::Validate { name } => validate(name),
        ContractCommand::Schema => schema(),
        ContractCommand::Diff { left, right } => diff(left, right),
    }
}

fn list() -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    for name in Contract::builtin_names() {
        writeln!(out, "{name}")?;
    }
    Ok(ExitCode::Conforms)
}

fn show(name: &str) -> anyhow::Result<ExitCode> {
    match Contract::text(name) {
        Ok(text) => {
            write!(io::stdout().lock(), "{text}")?;
            Ok(ExitCode::Conforms)
        }
        Err(error) => usage(&error),
    }
}

fn validate(name: &str) -> anyhow::Result<ExitCode> {
    let contract = match Contract::load(name) {
        Ok(contract) => contract,
        Err(error) => return usage(&error),
    };
    let registry = scenarios::registry();
    let mut wrong = profile::threshold_problems(&contract);
    let mut unpromised = 0;
    for checks in contract.unpromised_checks() {
        match matcher(&[checks.to_owned()], &registry) {
            Ok(globs) => unpromised += registry.iter().filter(|check| globs.is_match(check.id.as_str())).count(),
            Err(error) => wrong.push(format!("unpromised: {error}")),
        }
    }
    let switches = || DEFECTS.iter().map(|it| it.id).chain(VARIATIONS.iter().map(|it| it.id));
    let named = contract.gaps().map(|(gap, _)| ("gaps", gap)).chain(contract.variations().map(|it| ("variations", it)));
    for (key, id) in named.filter(|(_, id)| !switches().any(|known| known == *id)) {
        wrong.push(format!("{key}: the reference has no `{id}`: `netra-check prove` lists what it has"));
    }
    if !wrong.is_empty() {
        return usage(&format_args!("contract {name}: {}", wrong.join("\n       ")));
    }
    let carriers: Vec<_> = contract.carriers().iter().map(|carrier| carrier.slug()).collect();
    let mut out = io::stdout().lock();
    writeln!(out, "contract `{}` is valid", contract.name())?;
    writeln!(
        out,
        "  messages   {} of clients, {} of servers",
        contract.client_kinds().count(),
        contract.server_kinds().count()
    )?;
    writeln!(out, "  calls      {} of {}", contract.endpoints().count(), crate::wire::Endpoint::ALL.len())?;
    writeln!(out, "  carriers   {}", carriers.join(", "))?;
    if unpromised > 0 {
        writeln!(out, "  unpromised what {unpromised} of {} checks are about", registry.len())?;
    }
    for (_, what) in contract.gaps() {
        writeln!(out, "  known gap  {what}")?;
    }
    Ok(ExitCode::Conforms)
}

fn schema() -> anyhow::Result<ExitCode> {
    writeln!(io::stdout().lock(), "{:#}", contract_schema())?;
    Ok(ExitCode::Conforms)
}

/// What two contracts say differently, by the place in the file. It judges neither, so it always succeeds.
fn diff(left: &str, right: &str) -> anyhow::Result<ExitCode> {
    let (ours, theirs) = match (facts(left), facts(right)) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(error), _) | (_, Err(error)) => return usage(&error),
    };
    let mut out = io::stdout().lock();
    let mut differences = 0;
    let places: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    for place in places {
        let (our, their) = (ours.get(place), theirs.get(place));
        if our == their {
            continue;
        }
        differences += 1;
        writeln!(out, "{place}")?;
        for (sign, said) in [("-", our), ("+", their)] {
            if let Some(said) = said {
                writeln!(out, "  {sign} {said}")?;
            }
        }
    }
    writeln!(out, "{differences} differences between {left} (-) and {right} (+)")?;
    Ok(ExitCode::Conforms)
}

/// Everything that a contract says, by JSON pointer; lists as a whole.
fn facts(name: &str) -> Result<BTreeMap<String, Value>, String> {
    // First as a contract, for the better error.
    Contract::load(name).map_err(|error| error.to_string())?;
    let root = Contract::whole(name).map_err(|error| error.to_string())?;
    let mut facts = BTreeMap::new();
    collect("", &root, &mut facts);
    Ok(facts)
}

fn collect(place: &str, value: &Value, facts: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                collect(&format!("{place}/{name}"), member, facts);
            }
        }
        other => drop(facts.insert(place.to_owned(), other.clone())),
    }
}
