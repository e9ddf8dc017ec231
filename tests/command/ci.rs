//! What CI servers read.

use std::fs;

use assert_cmd::Command;
use insta::assert_snapshot;

use super::environment::{Environment, scrubbed};
use super::output;

const CHECKS: [&str; 4] = ["--seed", "7", "handshake/missing-token-refused", "handshake/valid-token-accepted"];

fn on_github(environment: &Environment, args: &[&str]) -> Command {
    let mut command = environment.run(&[&CHECKS[..], args].concat());
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", environment.path("step.md"));
    command
}

/// The word between which nothing in the log is a command, replaced.
fn without_word(text: &str) -> String {
    let word = text.split_once("::stop-commands::").unwrap().1.lines().next().unwrap();
    assert_eq!(word.len(), 32, "a word that no target can guess");
    scrubbed(&text.replace(word, "WORD"))
}

#[test]
fn github_reads_annotations_and_takes_nothing_a_target_says_for_a_command() {
    let environment = Environment::start(&["accept-anonymous"]);
    let (code, out, _) = output(on_github(&environment, &[]));
    assert_eq!(code, 1);
    assert_snapshot!(without_word(&out));
}

#[test]
fn githubs_summary_is_added_to_what_earlier_steps_wrote() {
    let environment = Environment::start(&["accept-anonymous"]);
    fs::write(environment.path("step.md"), "of an earlier step\n").unwrap();
    output(on_github(&environment, &[]));
    let summary = fs::read_to_string(environment.path("step.md")).unwrap();
    assert!(summary.starts_with("of an earlier step\n# netra-check: 1 conforms, 1 deviates"), "{summary}");
    assert!(summary.contains("## Deviations"), "{summary}");
    let (code, _, err) = output(on_github(&environment, &[]).env("GITHUB_STEP_SUMMARY", "/proc/none/step.md"));
    assert_eq!(code, 5, "{err}");
    assert!(err.contains("the summary of the step cannot be written"), "{err}");
}

#[test]
fn secrets_are_in_the_log_only_where_masks_were_asked_for() {
    let environment = Environment::start(&[]);
    let profile = fs::read_to_string(environment.path("target.yaml")).unwrap();
    let key = profile.lines().find_map(|line| line.trim().strip_prefix("bypass_key: ")).unwrap().to_owned();
    let (_, out, err) = output(on_github(&environment, &[]));
    assert!(!out.contains(&key) && !err.contains(&key));
    let (code, out, _) = output(on_github(&environment, &["--add-masks"]));
    assert_eq!(code, 0, "{out}");
    let stop = out.find("::stop-commands::").unwrap();
    assert!(out[..stop].contains(&format!("::add-mask::{key}\n")) && !out[stop..].contains(&key), "{out}");
    let (_, out, _) = output(on_github(&environment, &["--add-masks", "--ci", "none"]));
    assert!(!out.contains("::"), "{out}");
}

#[test]
fn gitlab_finds_the_evidence_of_each_case() {
    let environment = Environment::start(&["accept-anonymous"]);
    let mut run = environment.run(&[&CHECKS[..], &["--out", "build/report"]].concat());
    run.env("GITLAB_CI", "true").env("CI_PROJECT_DIR", environment.path("").canonicalize().unwrap());
    let (code, out, _) = output(&mut run);
    assert_eq!(code, 1, "{out}");
    let junit = fs::read_to_string(environment.path("build/report/junit.xml")).unwrap();
    let link = "[[ATTACHMENT|build/report/evidence/handshake/missing-token-refused.txt]]";
    assert_eq!(junit.matches("[[ATTACHMENT|").count(), 1, "only what deviates has evidence: {junit}");
    assert!(junit.contains(link), "{junit}");
    assert!(environment.path("build/report/evidence/handshake/missing-token-refused.txt").exists());
}
