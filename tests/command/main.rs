//! What a user of the command line sees: output, files, exit codes.

mod between;
mod ci;
mod connection;
mod contract;
mod environment;
mod gate;
mod hostile;
mod manners;
mod misbehaving;
mod ready;
mod reports;
mod seed;
mod served;
mod show;
mod terminator;

use std::borrow::BorrowMut;

use assert_cmd::Command;
use environment::{Environment, netra_check, scrubbed};
use insta::assert_snapshot;

fn output(mut command: impl BorrowMut<Command>) -> (i32, String, String) {
    let output = command.borrow_mut().output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[test]
fn without_a_profile_nothing_is_checked() {
    let (code, out, err) = output(netra_check().arg("run"));
    assert_eq!((code, out.as_str()), (2, ""));
    assert_snapshot!(err);
}

#[test]
fn an_unknown_profile_names_the_known_ones() {
    let (code, _, err) = output(netra_check().args(["run", "--profile", "stagign"]));
    assert_eq!(code, 2);
    assert_snapshot!(err);
}

#[test]
fn an_unknown_check_is_suggested() {
    let (code, _, err) = output(netra_check().args(["run", "--profile", "local", "expired-token-refuse"]));
    assert_eq!(code, 2);
    assert_snapshot!(err);
}

#[test]
fn an_empty_selection_is_no_green() {
    let (code, out, _) =
        output(netra_check().args(["run", "--profile", "local", "--seed", "7", "handshake", "--skip", "handshake"]));
    assert_eq!(code, 4);
    assert_snapshot!(scrubbed(&out));
}

#[test]
fn one_check_of_the_reference() {
    let args = ["run", "--profile", "local", "--seed", "7", "handshake/valid-token-accepted"];
    let (code, out, err) = output(netra_check().args(args));
    assert_eq!((code, err.as_str()), (0, ""));
    assert_snapshot!(scrubbed(&out));
}

#[test]
fn a_deviation_tells_everything() {
    let environment = Environment::start(&["accept-anonymous"]);
    let (code, out, _) =
        output(environment.run(&["--seed", "7", "handshake/missing-token-refused", "handshake/valid-token-accepted"]));
    assert_eq!(code, 1);
    assert_snapshot!(scrubbed(&out));
}

/// The lines of the profile that a run of one check points at.
fn claims(environment: &Environment, args: &[&str]) -> Vec<String> {
    let (_, out, _) = output(environment.run(args));
    let fields = out.lines().skip_while(|line| !line.starts_with("  profile "));
    let lines = fields.take_while(|line| line.starts_with("  profile ") || line.starts_with("               "));
    lines.map(|line| scrubbed(line.trim_start_matches("  profile").trim())).collect()
}

#[test]
fn a_deviation_points_at_the_line_of_the_profile_on_which_it_rests() {
    let own = |environment: &Environment| std::fs::read_to_string(environment.path("target.yaml")).unwrap();
    let default = include_str!("../../profiles/default.yaml");
    let line = |text: &str, key: &str| text.lines().position(|line| line.trim().starts_with(key)).unwrap() + 1;

    let expired = Environment::start(&["accept-expired"]);
    let check = "handshake/expired-token-refused";
    let place = format!("target.yaml:{}", line(&own(&expired), "bypass_key:"));
    assert_eq!(claims(&expired, &[check]), [format!("credentials.bypass_key at {place} («secret»)")]);

    let silent = Environment::start(&["accept-then-hang"]);
    let place = format!("built-in default.yaml:{}", line(default, "reply_s:"));
    assert_eq!(claims(&silent, &["handshake/valid-token-accepted"]), [format!("thresholds.reply_s at {place} (2)")]);

    let set = claims(&silent, &["--set=thresholds.reply_s=0.5", "handshake/valid-token-accepted"]);
    assert_eq!(set, ["thresholds.reply_s at --set (0.5)"]);

    let html = Environment::start(&["html-error-page"]);
    let place = format!("target.yaml:{}", line(&own(&html), "auth: http"));
    assert_eq!(
        claims(&html, &["format/http-errors-structured"]),
        [format!("urls.auth at {place} (http://127.0.0.1:PORT)")]
    );
}

#[test]
fn a_page_is_explained() {
    let (code, out, _) = output(netra_check().args(["explain", "handshake/valid-token-accepted"]));
    assert_eq!(code, 0);
    assert_snapshot!(out);
    let (code, _, err) = output(netra_check().args(["explain", "valid-token-acepted"]));
    assert_eq!(code, 2);
    assert_snapshot!(err);
}

#[test]
fn the_list_is_json_that_a_script_can_read() {
    let (code, out, _) = output(netra_check().args(["list", "--format", "json"]));
    assert_eq!(code, 0);
    let checks: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
    let first = checks.first().unwrap();
    for key in ["id", "title", "scenario", "priority", "level", "required", "suites", "needs", "effects"] {
        assert!(first.get(key).is_some(), "no `{key}`");
    }
}

#[test]
fn a_plan_passes_nothing() {
    let (code, out, _) = output(netra_check().args(["plan", "--profile", "local", "handshake"]));
    assert_eq!(code, 0);
    assert!(!out.contains("pass") && !out.contains("conform"), "{out}");
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_the_run() {
    let args = ["run", "--profile", "local", "handshake/valid-token-accepted", "--junit", "/proc/none/junit.xml"];
    let (code, out, err) = output(netra_check().args(args));
    assert_eq!((code, out.as_str()), (5, ""));
    assert_snapshot!(err);
}

#[test]
fn output_into_a_pipe_is_plain() {
    let (_, out, err) = output(netra_check().args(["run", "--profile", "local", "handshake/valid-token-accepted"]));
    assert!(!out.contains('\u{1b}') && !err.contains('\u{1b}'), "escape sequences in a pipe");
}

#[test]
fn served_profiles_can_be_run() {
    let environment = Environment::start(&[]);
    let (code, out, _) = output(environment.run(&["--suite", "smoke", "--quiet"]));
    assert_eq!(code, 0, "{out}");
    assert!(!out.contains("built-in reference"), "a profile of its own is a deployment: {out}");
}
