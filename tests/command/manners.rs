//! Towards a target that others use, too: its pace, its gateways, and what is left when a run is over.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use netra_check::profile::{LoadRequest, Profile, load};
use serde_json::Value;

use super::between::{Between, Treat};
use super::environment::{Environment, netra_check};
use super::output;

#[path = "../manners/threads.rs"]
mod threads;

/// The smoke suite; the frontend names the reference's own addresses, not those that it is asked by here.
const SMOKE: [&str; 4] = ["--suite", "smoke", "--skip", "auth-sync/frontend-names-same-origins"];

/// `pace` as deployments have it by default: the profile of a reference has none.
const PACE: [&str; 5] = [
    "--set=pace.jobs=4",
    "--set=pace.connections=20",
    "--set=pace.requests_per_s=20",
    "--set=pace.sockets_per_user=3",
    "--set=users.count=10",
];

/// A check that streams for a second in a thread of its own.
const STREAMS: &str = "handshake/refresh-keeps-connection";

/// Long enough for anything here.
const PATIENCE: Duration = Duration::from_secs(60);

fn profile_of(environment: &Environment) -> Profile {
    let path = environment.path("target.yaml");
    let request = LoadRequest {
        name_or_path: path.to_str().unwrap(),
        sets: &[],
        overrides: None,
        env: &|_| None,
        directory: path.parent().unwrap(),
    };
    load(request).unwrap().profile
}

fn threads_of(environment: &Environment) -> BTreeSet<String> {
    tokio::runtime::Runtime::new().unwrap().block_on(threads::threads(&profile_of(environment)))
}

/// How often each check of a report was tried.
fn attempts(environment: &Environment) -> Vec<u64> {
    let report: Value = serde_json::from_str(&fs::read_to_string(environment.path("report.json")).unwrap()).unwrap();
    report["checks"].as_array().unwrap().iter().map(|check| check["attempts"].as_u64().unwrap()).collect()
}

/// The checks of a report, each as `(id, verdict, blame)`.
fn verdicts(environment: &Environment) -> Vec<(String, String, String)> {
    let report: Value = serde_json::from_str(&fs::read_to_string(environment.path("report.json")).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let checks = report["checks"].as_array().unwrap().iter();
    checks.map(|check| (text(&check["id"]), text(&check["verdict"]), text(&check["blame"]))).collect()
}

#[test]
fn a_throttling_gateway_is_no_deviation_and_the_next_step_is_told() {
    let environment = Environment::start(&[]);
    // What comes before and after the checks has its own tests: it is let through.
    let every_third = |number: usize, head: &str| {
        let of_a_check = !head.contains("/run/");
        (of_a_check && number.is_multiple_of(3)).then(|| {
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                .to_owned()
        })
    };
    let gateway = Between::gateway(&profile_of(&environment), every_third);
    let (code, out, _) = output(gateway.run(&environment, &[&SMOKE[..], &["--json", "report.json"]].concat()));
    assert_eq!(code, 3, "{out}");
    for told in ["throttled", "Retry-After: 2", "lower `pace.requests_per_s`"] {
        assert!(out.contains(told), "no `{told}` in {out}");
    }
    let verdicts = verdicts(&environment);
    assert!(verdicts.iter().all(|(_, verdict, _)| verdict != "deviates"), "{verdicts:#?}");
    let throttled = verdicts.iter().filter(|(_, _, blame)| blame == "throttled").count();
    assert!(throttled > verdicts.len() / 2, "{verdicts:#?}");
}

/// An upgrade without a credential.
fn is_bare_upgrade(head: &str) -> bool {
    let head = head.to_ascii_lowercase();
    head.contains("upgrade: websocket") && !head.contains("authorization:") && !head.contains("protocol:")
}

/// A gateway's own page.
fn page(status: &str) -> String {
    let text = "<!DOCTYPE html><title>Just a moment...</title>";
    let length = text.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
    )
}

#[test]
fn a_gateways_page_is_taken_for_nobodys_refusal() {
    let environment = Environment::start(&[]);
    let check = "handshake/missing-token-refused";
    let cases: [(Treat, &str, &str); 4] = [
        (|_, head| is_bare_upgrade(head).then(|| page("403 Forbidden")), "environment", "gateway"),
        (|_, head| is_bare_upgrade(head).then(|| page("503 Service Unavailable")), "environment", "gateway"),
        (|_, head| is_bare_upgrade(head).then(|| page("502 Bad Gateway")), "environment", "gateway"),
        (|_, head| is_bare_upgrade(head).then(|| page("429 Too Many Requests")), "throttled", "pace.requests_per_s"),
    ];
    for (treat, blame, told) in cases {
        let gateway = Between::gateway(&profile_of(&environment), treat);
        let (code, out, _) = output(gateway.run(&environment, &[check, "--json", "report.json"]));
        assert_eq!(code, 3, "{out}");
        assert_eq!(verdicts(&environment), [(check.into(), "inconclusive".into(), blame.into())], "{out}");
        assert!(out.contains(told), "no `{told}` in {out}");
    }
}

#[test]
fn the_smoke_suite_keeps_its_minute_at_the_pace_of_deployments_over_a_long_way() {
    let environment = Environment::start(&[]);
    let way = Between::long_way(&profile_of(&environment), Duration::from_millis(20));
    let args = [&SMOKE[..], &["--json", "report.json", "--timeout", "60"], &PACE].concat();
    let (code, out, _) = output(way.run(&environment, &args));
    assert_eq!(code, 0, "{out}");
    let verdicts = verdicts(&environment);
    assert!(verdicts.iter().all(|(_, verdict, _)| verdict == "conforms"), "{verdicts:#?}");
}

#[test]
fn a_user_waits_for_its_turn_instead_of_being_throttled() {
    // One user for all of them: together they send more than its limit lets through.
    let greedy = ["format/content-field-maps", "format/async-order-holds", "format/every-request-answered"];
    let run = |sockets_per_user: &str| {
        let environment = Environment::start(&[]);
        let mut command = environment.run(&greedy);
        command.args(["--json", "report.json", "--set=users.count=1", sockets_per_user]);
        let (code, out, _) = output(command);
        assert_eq!(code, 0, "{out}");
        (attempts(&environment), out)
    };
    // Without pacing some are throttled and wait until the limit lets them through again.
    let (unpaced, _) = run("--set=pace.sockets_per_user=0");
    assert!(unpaced.iter().any(|attempts| *attempts > 1), "there is nothing to wait for: {unpaced:?}");
    let (paced, out) = run("--set=pace.sockets_per_user=3");
    assert_eq!(paced, [1; 3], "{out}");
}

#[test]
fn a_whole_run_leaves_only_what_was_there() {
    let environment = Environment::start(&[]);
    let before = threads_of(&environment);
    let (code, out, _) = output(environment.run(&["--json", "report.json"]));
    assert_eq!(code, 0, "{out}");
    assert_eq!(threads_of(&environment), before);
    assert!(!out.contains("is left"), "{out}");
}

/// A run in the middle of a stream: its thread is there.
fn in_the_middle(environment: &Environment, before: &BTreeSet<String>) -> Child {
    let mut command = std::process::Command::new(netra_check().get_program());
    command.current_dir(environment.path("")).args(["run", "--profile", "target.yaml", STREAMS, "--repeat", "20"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while threads_of(environment) == *before {
        assert!(began.elapsed() < PATIENCE, "the run created no thread");
    }
    child
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    let environment = Environment::start(&[]);
    let before = threads_of(&environment);
    let child = in_the_middle(&environment, &before);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{}", String::from_utf8_lossy(&ended.stdout));
    assert_eq!(threads_of(&environment), before);
}

#[test]
fn sweep_removes_what_a_killed_run_left() {
    let environment = Environment::start(&[]);
    let before = threads_of(&environment);
    let mut child = in_the_middle(&environment, &before);
    child.kill().unwrap();
    child.wait().unwrap();
    let left = threads_of(&environment);
    assert_ne!(left, before);

    let sweep = |args: &[&str]| {
        let mut command = netra_check();
        command.current_dir(environment.path("")).args(["sweep", "--profile", "target.yaml"]).args(args);
        output(command)
    };
    let (code, out, _) = sweep(&[]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("0 removed, 0 left, 50 users"), "a run of this hour may still go on: {out}");
    let (code, out, _) = sweep(&["--older-than", "0s", "--dry-run"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("netra-check/") && out.contains("would be removed"), "{out}");
    // The run of its stream has gone on meanwhile, so that its messages are not compared.
    assert_eq!(threads_of(&environment).len(), left.len());
    let (code, out, _) = sweep(&["--older-than", "0s"]);
    assert_eq!(code, 0, "{out}");
    assert_eq!(threads_of(&environment), before, "{out}");
    let (code, _, err) = sweep(&["--set=allow=[read]"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("does not allow `create`"), "{err}");
}
