use std::sync::Arc;

use serde_json::Value;

use super::received::Received;
use super::tour::tour;
use crate::check;
use crate::check::{Check, RunWide, Tally};
use crate::model::{Effect, Entry, Finding, Judgement};
use crate::wire::{Contract, Kind};

pub(super) static CHECK: Check = check!("format/every-frame-in-contract", judge: Judge::boxed, traffic: tour)
    .smoke()
    .effects(&[Effect::Create]);

/// Fewer messages than any login, thread and run bring.
const LEAST: usize = 20;

struct Judge {
    contract: Arc<Contract>,
    received: Received,
    tally: Tally,
}

/// What was expected, and what was seen instead.
type Fault = (Finding, String, String);

impl Judge {
    fn boxed(contract: Arc<Contract>) -> Box<dyn RunWide> {
        Box::new(Self { contract, received: Received::default(), tally: Tally::new(LEAST, "messages") })
    }

    /// `None` for what cannot be read: that is a matter of the envelope.
    fn judge(&self, text: &str) -> Option<Result<(), Fault>> {
        let value: Value = serde_json::from_str(text).ok()?;
        let message = self.contract.read_server(text).ok()?;
        let kind = &message.kind;
        if !self.contract.declares_kind(kind) {
            let expected = "a type of the contract, or one of its extension".to_owned();
            return Some(Err((Finding::Undeclared, expected, format!("type `{kind}`"))));
        }
        if let Kind::Other(_) = kind {
            return Some(Ok(()));
        }
        if let Some(code) = message.error_code().filter(|code| !self.contract.declares_code(kind, code)) {
            let expected = format!("an error code that the contract declares for `{kind}`");
            return Some(Err((Finding::Undeclared, expected, format!("`{code}`"))));
        }
        Some(match self.contract.payload_faults(kind, &value).into_iter().next() {
            None => Ok(()),
            Some(fault) => {
                let expected = format!("a payload of `{kind}` as the contract's schema has it");
                let place = if fault.path.is_empty() { "/" } else { &fault.path };
                Err((Finding::BadSchema, expected, format!("at {place}: {}", fault.message)))
            }
        })
    }
}

impl RunWide for Judge {
    fn see(&mut self, entry: &Entry) {
        let Some(text) = self.received.message(entry) else { return };
        match self.judge(text) {
            None => {}
            Some(Ok(())) => self.tally.right(),
            Some(Err((finding, expected, seen))) => self.tally.wrong(entry, finding, &expected, &seen),
        }
    }

    fn decide(self: Box<Self>) -> Judgement {
        self.tally.decide()
    }
}
