use std::sync::Arc;

use serde_json::Value;

use super::internals::{Author, Leak, leaks};
use super::received::Received;
use super::tour::{steady_run, tour};
use crate::check;
use crate::check::{Check, Context, RunWide, Tally};
use crate::model::{Direction, Effect, Entry, Finding, Judgement, Record, Stop};
use crate::wire::{Contract, Kind};

pub(super) static CHECK: Check = check!("format/no-leaked-internals", judge: Judge::boxed, traffic: flow)
    .smoke()
    .effects(&[Effect::Create]);

/// Fewer messages than any login, thread and run bring.
const LEAST: usize = 20;

const EXPECTED: &str = "strings that were written for the reader, no serialised internals";

/// The tour, and the fixed text where the profile can have it: what nobody made up must be clean, too.
async fn flow(cx: &Context) -> Result<(), Stop> {
    tour(cx).await?;
    for (message, evidence) in steady_run(cx).await? {
        if let Some(leak) = leaks(&Value::Object(message.payload), Author::Nobody) {
            return Err(cx.deviation(Finding::LeakedInternals, [EXPECTED], leak.to_string(), evidence));
        }
    }
    Ok(())
}

struct Judge {
    contract: Arc<Contract>,
    received: Received,
    tally: Tally,
}

impl Judge {
    fn boxed(contract: Arc<Contract>) -> Box<dyn RunWide> {
        Box::new(Self { contract, received: Received::default(), tally: Tally::new(LEAST, "messages and bodies") })
    }

    /// A new thread's title may be what the server made of nothing; anywhere else it may be a person's.
    fn leak_in_message(&self, text: &str) -> Option<Leak> {
        match self.contract.read_server(text) {
            Ok(message) => {
                let author = if message.kind == Kind::ThreadCreated { Author::NotOfTitles } else { Author::Anyone };
                leaks(&Value::Object(message.payload), author)
            }
            Err(_) => leaks(&serde_json::from_str(text).ok()?, Author::Anyone),
        }
    }

    fn tell(&mut self, entry: &Entry, leak: Option<Leak>) {
        match leak {
            None => self.tally.right(),
            Some(leak) => self.tally.wrong(entry, Finding::LeakedInternals, EXPECTED, &leak.to_string()),
        }
    }
}

impl RunWide for Judge {
    fn see(&mut self, entry: &Entry) {
        if let Some(text) = self.received.message(entry) {
            let leak = self.leak_in_message(text);
            self.tell(entry, leak);
        } else if entry.direction == Direction::Received
            && let Record::Response { body: Some(body), .. } = &entry.record
            && let Ok(body) = serde_json::from_str(body)
        {
            self.tell(entry, leaks(&body, Author::Anyone));
        }
    }

    fn decide(self: Box<Self>) -> Judgement {
        self.tally.decide()
    }
}
