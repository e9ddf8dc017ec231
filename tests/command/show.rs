//! `show`: a finished run again, in the words of the live one.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use super::environment::{Environment, netra_check, scrubbed};
use super::output;

/// A run with a deviation, and what it said.
fn finished() -> (Environment, String) {
    let environment = Environment::start(&["accept-anonymous"]);
    let checks = ["handshake/missing-token-refused", "handshake/valid-token-accepted", "handshake/plaintext-refused"];
    let (code, out, _) =
        output(environment.run(&[&["--seed", "7", "--jobs", "1", "--out", "report"][..], &checks].concat()));
    assert_eq!(code, 1, "{out}");
    (environment, out)
}

/// Everything from the table to the headline.
fn ending(text: &str) -> &str {
    let start = text.find("───").unwrap();
    &text[start
        ..text[start..]
            .find("\nexit ")
            .or_else(|| text[start..].find("\nthe run"))
            .map_or(text.len(), |end| start + end)]
}

fn show(environment: &Environment, args: &[&str]) -> (i32, String, String) {
    output(netra_check().current_dir(environment.path("")).arg("show").args(args))
}

/// The report with something changed in it, in a file of its own.
fn changed(environment: &Environment, change: impl FnOnce(&mut Value)) -> String {
    let text = fs::read_to_string(environment.path("report/report.json")).unwrap();
    let mut report: Value = serde_json::from_str(&text).unwrap();
    change(&mut report);
    fs::write(environment.path("changed.json"), report.to_string()).unwrap();
    "changed.json".into()
}

#[test]
fn a_finished_run_is_told_as_the_live_one() {
    let (environment, live) = finished();
    let (code, out, err) = show(&environment, &["report"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(ending(&out), ending(&live));
    assert!(out.ends_with("the run ended with exit 1: at least one check that gates deviates\n"), "{out}");
}

#[test]
fn a_check_is_shown_with_everything_that_was_said() {
    let (environment, _) = finished();
    let (code, out, _) = show(&environment, &["report", "missing-token-refused"]);
    assert_eq!(code, 0);
    // Logins before it, of the run's readiness, have taken numbers.
    let numbers = regex::Regex::new(r"«([a-z-]+) \d+»").unwrap();
    // Which user of the pool it was given is nobody's promise.
    let ids = regex::Regex::new(r"\b[0-9a-f]{32}\b").unwrap();
    assert_snapshot!(ids.replace_all(&numbers.replace_all(&scrubbed(&out), "«$1 N»"), "ID"));
    let (code, out, _) = show(&environment, &["report", "handshake/valid-token-accepted"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("conforms  handshake/valid-token-accepted") && out.contains("observations"), "{out}");
    let (_, out, _) = show(&environment, &["report", "handshake/plaintext-refused"]);
    assert!(out.starts_with("not verified  handshake/plaintext-refused") && out.contains("needs `tls`"), "{out}");
}

#[test]
fn what_cannot_be_shown_is_a_usage_error() {
    let (environment, _) = finished();
    let (code, _, err) = show(&environment, &["report", "missing-token-refusd"]);
    assert_eq!(code, 2);
    assert!(err.contains("did you mean `handshake/missing-token-refused`"), "{err}");
    let (code, _, err) = show(&environment, &["nowhere"]);
    assert_eq!(code, 2);
    assert!(err.contains("run --out DIR"), "{err}");
    let other = changed(&environment, |report| report["version"] = 2.into());
    let (code, _, err) = show(&environment, &[&other]);
    assert_eq!(code, 2);
    assert!(err.contains("has version 2; this netra-check reads version 1"), "{err}");
}

#[test]
fn a_report_of_a_newer_tool_hides_nothing() {
    let (environment, _) = finished();
    let newer = changed(&environment, |report| {
        report["run"]["mood"] = "good".into();
        let mut check = report["checks"][0].clone();
        assert_eq!(check["verdict"], "conforms");
        check["verdict"] = "deviates".into();
        check["id"] = "handshake/of-tomorrow".into();
        check["finding"] = "no-answer".into();
        check["expected"] = serde_json::json!(["an answer"]);
        check["seen"] = "none".into();
        let mut foreign = check.clone();
        foreign["id"] = "handshake/in-new-words".into();
        foreign["finding"] = "of-tomorrow".into();
        report["checks"].as_array_mut().unwrap().extend([check, foreign]);
    });
    let (code, out, _) = show(&environment, &[&newer]);
    assert_eq!(code, 0);
    assert!(out.contains("deviates  handshake/of-tomorrow"), "{out}");
    assert!(out.contains("note: deviates in words of another version of netra-check: handshake/in-new-words"), "{out}");
}
