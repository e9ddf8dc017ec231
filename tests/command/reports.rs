//! What a run leaves behind: reports after every ending, and no secret in any output.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use netra_check::model::ExitCode;
use netra_check::reference::{Addresses, Conduct, Facts, Policy};
use netra_check::wire::Contract;

use super::environment::Environment;

/// Every file below `folder` as text.
fn texts(folder: &Path) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(self::texts(&path));
        } else {
            texts.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
    texts
}

#[test]
fn no_secret_or_token_is_in_any_output() {
    // Deviations quote what the target said: here it says tokens.
    let environment = Environment::start(&["token-in-error-body", "token-in-close-reason", "accept-expired"]);
    let output = environment.run(&["--out", "report", "--wire", "--verbose", "handshake"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let mut texts = texts(&environment.path("report"));
    assert!(
        texts.len() >= 5,
        "four reports and evidence: {:?}",
        texts.iter().map(|(name, _)| name).collect::<Vec<_>>()
    );
    texts.push(("standard output".into(), String::from_utf8(output.stdout).unwrap()));
    texts.push(("standard error".into(), String::from_utf8(output.stderr).unwrap()));

    let conduct = Conduct::new(1, Contract::load("netra-v1").unwrap(), Policy::default());
    let facts = Facts::new(&conduct, Addresses::default());
    let passwords = facts.users.iter().map(|user| user.password.clone());
    let secrets: Vec<String> =
        passwords.chain([facts.bypass_key, facts.signing_key.key, facts.service_secret]).collect();
    // The beginning of every token of the reference, as it is and as the subprotocol carries it.
    let token = regex::Regex::new(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}|ZXlK[\w-]{12,}").unwrap();
    for (name, text) in &texts {
        for secret in &secrets {
            let json = serde_json::to_string(secret).unwrap();
            let percent: String = secret.bytes().map(|octet| format!("%{octet:02X}")).collect();
            let forms = [secret.clone(), STANDARD.encode(secret), URL_SAFE_NO_PAD.encode(secret), percent];
            for form in forms.iter().map(String::as_str).chain([json.trim_matches('"')]) {
                assert!(!text.contains(form), "{name} holds a secret");
            }
        }
        assert!(
            !token.is_match(text),
            "{name} holds a token: {:?}",
            token.find(text).map(|found| found.as_str().len())
        );
    }
    assert!(texts.iter().any(|(_, text)| text.contains("«access-token")), "nothing was redacted at all");
}

#[test]
fn an_interrupt_leaves_valid_reports() {
    let directory = tempfile::TempDir::new().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_netra-check"))
        .args(["run", "--profile", "local", "--no-progress", "--out", "report"])
        .current_dir(directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.starts_with("checked:"), "{first}");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(i32::from(ExitCode::Interrupted.code())), "{}", rest.join("\n"));
    let report = fs::read_to_string(directory.path().join("report/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["run"]["exit_code"], 130);
    let junit = fs::read_to_string(directory.path().join("report/junit.xml")).unwrap();
    assert!(junit.contains("run/completed"), "{junit}");
}

#[test]
#[ignore = "needs curl; .ci/run runs it"]
fn the_curl_line_works_as_it_is_pasted() {
    let environment = Environment::with(&["verify-refuses-own-tokens"], true);
    let check = "independence/issued-tokens-verifiable-offline-or-by-api";
    let output = environment.run(&["--out", "report", "--set=headers.X-Gate=open-sesame", check]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    let evidence = fs::read_to_string(environment.path("report/evidence").join(format!("{check}.txt"))).unwrap();
    let line = evidence.lines().find_map(|line| line.strip_prefix("curl  ")).unwrap().trim_start();
    for part in ["--cacert ", r#"-H "X-Gate: $HEADER""#, "$TOKEN"] {
        assert!(line.contains(part), "no `{part}` in: {line}");
    }
    let pasted = Command::new("sh")
        .args(["-c", line])
        .env("TOKEN", "any-token")
        .env("HEADER", "open-sesame")
        .current_dir(environment.path(""))
        .output()
        .unwrap();
    let answer = String::from_utf8(pasted.stdout).unwrap();
    assert!(pasted.status.success(), "{line}\n{}", String::from_utf8_lossy(&pasted.stderr));
    let status = answer.split(' ').nth(1).unwrap();
    assert!(evidence.contains(&format!("← HTTP {status}\n")), "{line}\n{answer}\n{evidence}");
}

#[test]
fn a_run_is_repeated_with_what_was_set_and_without_its_secrets() {
    let environment = Environment::start(&["accept-anonymous"]);
    let sets = ["--set=limits.check_s=20", "--set=service.secret=hush-hush-hush", "--min-checks=1"];
    let check = "handshake/missing-token-refused";
    let output = environment.run(&[&sets[..], &["--seed", "7", check]].concat()).output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let again = out.lines().find_map(|line| line.trim().strip_prefix("again ")).unwrap().trim();
    let set = "--set limits.check_s=20 --set 'service.secret=…'";
    assert_eq!(again, format!("netra-check run {check} --profile target.yaml {set} --seed 7 --wire"));
}

#[test]
fn every_report_of_a_run_is_written_and_read_back() {
    let environment = Environment::start(&["accept-expired"]);
    let output = environment.run(&["--out", "report", "handshake"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let read = |name: &str| fs::read_to_string(environment.path("report").join(name)).unwrap();
    let report: serde_json::Value = serde_json::from_str(&read("report.json")).unwrap();
    assert_eq!(report["version"], 1);
    assert_eq!(report["run"]["exit_code"], 1);
    let junit = read("junit.xml");
    assert!(junit.contains("<failure") && junit.contains("handshake/expired-token-refused"), "{junit}");
    assert!(read("report.html").contains("expired-token-refused"));
    assert!(read("summary.md").contains("expired-token-refused"));
    let evidence = environment.path("report/evidence/handshake/expired-token-refused.txt");
    assert!(fs::read_to_string(evidence).unwrap().contains("«"));
}
