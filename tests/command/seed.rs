//! Two runs of one seed against two references of one seed say the same.

use serde_json::Value;

use super::environment::scrubbed;
use super::served::Served;

/// What differs between two equal runs: times, and frames (some things are polled).
const TIMES: [&str; 8] = ["entries", "observations", "at_ms", "duration_ms", "duration_s", "started", "id", "trace"];

/// The same where a header's value stands by itself, and counts of frames.
const HEADERS: [(&str, &str); 5] = [
    (r"^[0-9a-f]{8}-[0-9a-f]{4}/", "RUN/"),
    (r"^00-[0-9a-f]{32}-[0-9a-f]{16}-01$", "TRACE"),
    (r"^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} GMT$", "DATE"),
    (r"^[0-9A-Za-z+/]{27}=$", "ACCEPT"),
    (r"^\d+ of \d+ messages", "MESSAGES"),
];

/// A report without times, ports and ids of runs; the ids of checks stay.
fn normalised(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            let is_check = members.contains_key("verdict");
            members.retain(|name, _| !TIMES.contains(&name.as_str()) || (is_check && name == "id"));
            members.values_mut().for_each(|member| *member = normalised(member.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = normalised(item.take())),
        Value::String(text) => {
            *text = HEADERS.iter().fold(scrubbed(text), |text, (pattern, with)| {
                regex::Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned()
            })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    value
}

/// The whole report of a run against a reference that does something wrong in three scenarios.
fn report() -> Value {
    let defects = ["accept-anonymous", "content-renamed", "expires-in-lies"];
    let switches: Vec<&str> = defects.iter().flat_map(|defect| ["--defect", defect]).collect();
    let served = Served::start(&switches);
    let run = ["--seed", "7", "--jobs", "1", "--suite", "smoke", "--json", "report.json"];
    let (code, text) = served.run(&run);
    assert_eq!(code, 1, "{text}");
    serde_json::from_str(&std::fs::read_to_string(served.path("report.json")).unwrap()).unwrap()
}

/// Ids by their first appearance: which user of the pool a check is given depends on who was done first.
fn numbered(check: &Value) -> String {
    let mut known: Vec<String> = Vec::new();
    let text = serde_json::to_string_pretty(check).unwrap();
    let number = |id: &regex::Captures<'_>| {
        let place = known.iter().position(|known| *known == id[0]).unwrap_or_else(|| {
            known.push(id[0].to_owned());
            known.len() - 1
        });
        format!("ID {place}")
    };
    regex::Regex::new(r"\b[0-9a-f]{32}\b|«[a-z-]+ \d+»").unwrap().replace_all(&text, number).into_owned()
}

#[test]
fn two_runs_of_one_seed_give_the_same_report() {
    let (first, second) = (normalised(report()), normalised(report()));
    let checks = |report: &Value| report["checks"].as_array().unwrap().iter().map(numbered).collect::<Vec<_>>();
    let deviations = |report: &Value| {
        report["checks"].as_array().unwrap().iter().filter(|check| check["verdict"] == "deviates").count()
    };
    assert!(deviations(&first) >= 3, "{first:#}");
    assert_eq!((&first["run"], &first["totals"]), (&second["run"], &second["totals"]));
    assert_eq!(checks(&first).len(), checks(&second).len());
    for (first, second) in checks(&first).iter().zip(checks(&second)) {
        assert_same(first, &second);
    }
}

fn assert_same(first: &str, second: &str) {
    let other = first.lines().zip(second.lines()).find(|(left, right)| left != right);
    assert!(other.is_none() && first.lines().count() == second.lines().count(), "{other:?}");
}
