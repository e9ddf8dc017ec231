use std::sync::Arc;

use super::received::Received;
use super::tour::tour;
use crate::check;
use crate::check::{Check, RunWide, Tally};
use crate::model::{Effect, Entry, Finding, Judgement};
use crate::wire::{Contract, EnvelopeFault};

pub(super) static CHECK: Check = check!("format/envelope-consistent", judge: Judge::boxed, traffic: tour)
    .required()
    .smoke()
    .effects(&[Effect::Create]);

/// Fewer messages than any login, thread and run bring.
const LEAST: usize = 20;

struct Judge {
    contract: Arc<Contract>,
    received: Received,
    tally: Tally,
}

impl Judge {
    fn boxed(contract: Arc<Contract>) -> Box<dyn RunWide> {
        Box::new(Self { contract, received: Received::default(), tally: Tally::new(LEAST, "messages") })
    }

    fn fault(&self, message: &str) -> Option<EnvelopeFault> {
        match serde_json::from_str(message) {
            Ok(value) => self.contract.envelope_faults(&value).into_iter().next(),
            Err(error) => Some(EnvelopeFault::NotJson(error.to_string())),
        }
    }
}

impl RunWide for Judge {
    fn see(&mut self, entry: &Entry) {
        let Some(message) = self.received.message(entry) else { return };
        match self.fault(message) {
            None => self.tally.right(),
            Some(fault) => {
                let expected = "one JSON object with a type, a payload and a message_id, and nothing undeclared beside them";
                self.tally.wrong(entry, Finding::BadEnvelope, expected, &format!("{fault}: {message}"));
            }
        }
    }

    fn decide(self: Box<Self>) -> Judgement {
        self.tally.decide()
    }
}
