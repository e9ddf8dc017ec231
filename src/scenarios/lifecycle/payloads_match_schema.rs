use serde_json::Value;

use super::course::Course;
use super::flows::PLAIN;
use crate::check;
use crate::check::{Check, Recording};
use crate::model::{Finding, Judgement};
use crate::wire::read_timestamp;

pub(super) static CHECK: Check = check!("lifecycle/payloads-match-schema", judge: judge, of: &PLAIN).smoke();

fn judge(recording: &Recording) -> Judgement {
    let course = Course::asked(recording)?;
    let contract = recording.contract();
    let mut form = None;
    for seen in &course.events {
        let kind = &seen.message.kind;
        recording.step(format!("the payload of {kind}"));
        let value: Value = serde_json::from_str(&seen.text).unwrap_or_default();
        let fault = contract.payload_faults(kind, &value).into_iter().next();
        let told = || fault.as_ref().map_or_else(String::new, |fault| format!("at `{}`: {}", fault.path, fault.message));
        let expected = format!("a payload as the contract's schema of {kind} has it");
        recording.holds(fault.is_none(), Finding::BadSchema, expected, told, || recording.around(seen))?;

        let Some(timestamp) = seen.message.field("timestamp") else { continue };
        let own = read_timestamp(timestamp, contract.timestamp_forms()).map(|(_, form)| form);
        let first = *form.get_or_insert(own);
        let expected = "a timestamp in a form of the contract, the same in the whole run";
        let told = || format!("`timestamp`: {timestamp}");
        recording.holds(own.is_some() && own == first, Finding::BadSchema, expected, told, || recording.around(seen))?;
    }
    recording.conforms()
}
