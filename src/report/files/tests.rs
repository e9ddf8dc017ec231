use std::fs;
use std::path::Path;

use super::*;
use crate::report::formats;

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn no_leak(_: &str) -> Option<String> {
    None
}

#[test]
fn a_directory_gets_every_report_and_the_evidence() {
    let root = tempfile::tempdir().expect("a directory");
    let out = root.path().join("a/b");
    let places = Places { out: Some(out.clone()), ..Places::default() };
    fs::create_dir_all(out.join("evidence/handshake")).expect("an older run");
    fs::write(out.join("evidence/handshake/stale.txt"), "old").expect("an older run");
    let written = Files::open(&places).expect("writable").write(&formats::run(), &no_leak);
    assert!(written.errors.is_empty(), "{:?}", written.errors);
    assert_eq!(written.exit_code(ExitCode::Deviation), ExitCode::Deviation);
    assert_eq!(names(&out), ["evidence", "junit.xml", "report.html", "report.json", "summary.md"]);
    assert_eq!(names(&out.join("evidence")), ["auth-sync", "handshake", "recovery"]);
    let transcripts = names(&out.join("evidence/handshake"));
    assert_eq!(transcripts, ["expired-token-refused.txt", "idle-socket-closed-at-expiry.txt"]);
    insta::assert_snapshot!(
        fs::read_to_string(out.join("evidence/auth-sync/refresh-is-not-cached.txt")).expect("a transcript")
    );
}

#[test]
fn a_report_that_is_not_written_leaves_nothing_behind() {
    let root = tempfile::tempdir().expect("a directory");
    let places = Places { out: Some(root.path().into()), ..Places::default() };
    drop(Files::open(&places).expect("writable"));
    assert!(names(root.path()).is_empty());
}

#[test]
fn places_are_tried_before_the_run() {
    let root = tempfile::tempdir().expect("a directory");
    let missing = Places { junit: Some(root.path().join("missing/junit.xml")), ..Places::default() };
    assert!(matches!(Files::open(&missing), Err(ReportError::Write { .. })));
    let directory = Places { json: Some(root.path().into()), ..Places::default() };
    assert!(matches!(Files::open(&directory), Err(ReportError::Write { .. })));
    let one = Some(root.path().join("one"));
    let twice = Places { json: one.clone(), html: one, ..Places::default() };
    assert!(matches!(Files::open(&twice), Err(ReportError::Twice(_))));
}

#[test]
fn a_secret_removes_the_report_and_is_not_named_itself() {
    let root = tempfile::tempdir().expect("a directory");
    let (json, markdown) = (root.path().join("report.json"), root.path().join("summary.md"));
    fs::write(&json, "of an older run").expect("writable");
    let places = Places { json: Some(json.clone()), markdown: Some(markdown.clone()), ..Places::default() };
    let leak = |text: &str| text.contains("netra-check/0.1.0").then(|| "service secret".to_owned());
    let written = Files::open(&places).expect("writable").write(&formats::run(), &leak);
    assert_eq!(written.paths, [markdown]);
    assert!(!json.exists());
    assert_eq!(written.exit_code(ExitCode::Deviation), ExitCode::Report);
    let errors: Vec<String> = written.errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors, ["the JSON report would have leaked a secret (service secret); it was removed"]);
}

#[test]
fn a_secret_behind_an_escape_is_found() {
    let root = tempfile::tempdir().expect("a directory");
    let places = Places { html: Some(root.path().join("report.html")), ..Places::default() };
    let leak = |text: &str| text.contains("101 and <connection").then(|| "password".to_owned());
    let written = Files::open(&places).expect("writable").write(&formats::run(), &leak);
    assert!(matches!(written.errors.as_slice(), [ReportError::Leak { .. }]));
}
