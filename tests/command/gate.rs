//! The gate: each exit code, and what makes it stricter or milder.

use std::sync::Arc;

use insta::assert_snapshot;
use netra_check::check::{Body, Check};
use netra_check::engine::RunOptions;
use netra_check::local::Local;
use netra_check::model::{Blame, Verdict};
use netra_check::reference::{Conduct, Policy};
use netra_check::target::Target;
use netra_check::wire::Contract;

use super::environment::{Environment, netra_check, scrubbed};
use super::output;

const GOOD: &str = "handshake/valid-token-accepted";
/// A SHOULD.
const DIALECTS: &str = "format/client-dialects";

#[test]
fn a_dead_target_is_3_and_an_open_gate_is_0() {
    let environment = Environment::start(&[]);
    let (code, out, _) = output(environment.run(&[GOOD]));
    assert_eq!(code, 0, "{out}");
    let dead = ["--set=urls.auth=http://127.0.0.1:1", "--set=ready.within_s=0", GOOD];
    let (code, out, _) = output(environment.run(&dead));
    assert_eq!(code, 3, "{out}");
    let wrong_key = ["--set=credentials.method=tokens", "--set=credentials.tokens=[{access: no-token-at-all}]", GOOD];
    let (code, out, _) = output(environment.run(&wrong_key));
    assert_eq!(code, 3, "{out}");
}

#[test]
fn too_few_checks_keep_the_gate_shut() {
    let environment = Environment::start(&[]);
    let (code, out, _) = output(environment.run(&["--seed", "7", "--min-checks", "2", GOOD]));
    assert_eq!(code, 4);
    assert_snapshot!(scrubbed(&out));
    let (code, out, _) = output(environment.run(&["--min-checks", "2", GOOD, "handshake/ping-answered"]));
    assert_eq!(code, 0, "{out}");
}

#[test]
fn a_gate_may_insist_on_every_check() {
    let environment = Environment::start(&[]);
    let lacks = ["--set=service=null", GOOD, "handshake/service-token-is-no-access-token"];
    let (code, out, _) = output(environment.run(&lacks));
    assert_eq!(code, 0, "not verified alone is no failure: {out}");
    let (code, out, _) = output(environment.run(&[&lacks[..], &["--fail-on", "not-verified"]].concat()));
    assert_eq!(code, 4);
    assert!(out.contains("gate: `gate.fail_on: not-verified`: handshake/service-token-is-no-access-token"), "{out}");
    let (code, out, _) = output(environment.run(&[&lacks[..], &["--require", "handshake/service-*"]].concat()));
    assert_eq!(code, 4);
    assert!(out.contains("gate: required and not verified: handshake/service-token-is-no-access-token"), "{out}");
}

#[test]
fn what_the_contract_does_not_promise_is_missed_only_by_name() {
    // One carrier: no two credentials can be in conflict.
    let conflicting = "handshake/conflicting-credentials-refused";
    let local = ["run", "--profile", "local", "--set=contract=netra-2025-08", "--fail-on", "not-verified", conflicting];
    let run = |more: &[&str]| output(netra_check().args([&local[..], more].concat()));
    let (code, out, _) = run(&[]);
    assert!(code == 4 && out.contains("gate: no check conforms"), "{out}");
    let (code, out, _) = run(&[GOOD]);
    assert!(code == 0 && out.contains("not in this contract: two carriers"), "{out}");
    let (code, out, _) = run(&[GOOD, "--require", conflicting]);
    assert!(code == 4 && out.contains(&format!("gate: required and not verified: {conflicting}")), "{out}");
}

#[test]
fn a_should_is_a_warning_until_the_gate_says_otherwise() {
    let environment = Environment::start(&["silently-accepts-text"]);
    let (code, out, _) = output(environment.run(&[GOOD, DIALECTS]));
    assert_eq!(code, 0);
    assert!(out.contains("1 conforms, 1 warning") && out.contains("the requirement is a SHOULD"), "{out}");
    let (code, out, _) = output(environment.run(&["--fail-on", "warning,inconclusive", GOOD, DIALECTS]));
    assert_eq!(code, 1);
    assert!(out.contains("1 conforms, 1 deviates"), "{out}");
}

#[test]
fn what_the_gate_leaves_out_is_a_warning_and_shown() {
    let environment = Environment::start(&["accept-anonymous"]);
    let checks = ["--suite", "ours", "--set=suites={ours: [format/config-sane, handshake/missing-*]}"];
    let (code, out, _) = output(environment.run(&checks));
    assert_eq!(code, 1, "a suite of the profile's own: {out}");
    let (code, out, _) = output(environment.run(&[&checks[..], &["--gate-scenario", "format"]].concat()));
    assert_eq!(code, 0);
    assert!(out.contains("warning  handshake/missing-token-refused") && out.contains("leaves this check out"), "{out}");
    let (code, _, _) = output(environment.run(&[&checks[..], &["--gate-priority", "P0"]].concat()));
    assert_eq!(code, 1);
    let (code, _, err) = output(environment.run(&[&checks[..], &["--gate-scenario", "formats"]].concat()));
    assert_eq!(code, 2);
    assert!(err.contains("did you mean `format`"), "{err}");
}

#[test]
fn required_checks_that_were_not_selected_are_named() {
    let environment = Environment::start(&[]);
    let (code, out, _) = output(environment.run(&["--require", "format/config-sane", GOOD]));
    assert_eq!(code, 0);
    assert!(out.contains("note: `gate.required` names checks that were not selected: format/config-sane"), "{out}");
}

/// A check that fails as none of ours may.
static PANICS: Check =
    Check::new(GOOD, "# A title\n\n> It holds.\n", file!(), Body::Probe(|_| Box::pin(async { panic!("of our own") })));

#[test]
fn a_panic_in_a_check_is_70_and_accuses_nobody() {
    let contract = Contract::load("netra-v1").unwrap();
    let local = Local::start(Conduct::new(1, Arc::clone(&contract), Policy::default()), &[]).unwrap();
    let profile = local.profile().unwrap();
    let result = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let target = Target::new(Arc::new(profile), contract, "panic", 1).unwrap();
        let options = RunOptions::alone(target, vec![&PANICS]);
        netra_check::engine::run(&options, &mut []).await
    });
    assert_eq!(result.exit_code.code(), 70);
    let Verdict::Inconclusive(why) = &result.outcomes[0].verdict else { panic!("{:?}", result.outcomes[0].verdict) };
    assert_eq!((why.blame, why.what.as_str()), (Blame::Harness, "the check panicked: of our own"));
}

#[test]
fn usage_is_2() {
    for args in
        [&["run", "--profile", "local", "--min-checks", "many"][..], &["run", "--fail-on", "everything"], &["rum"]]
    {
        let (code, _, err) = output(netra_check().args(args));
        assert_eq!(code, 2, "{args:?}: {err}");
    }
}
