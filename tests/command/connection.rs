//! The ways to an environment and into it: TLS, gateways, proxies, names, credentials. Each mistake ends inconclusive,
//! with its cause and the key that mends it.

use std::collections::BTreeSet;
use std::fs;

use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;

use super::served::{ConnectProxy, Rules, Served};
use super::terminator::{Manner, Terminator};

/// A check over HTTP and one over the socket.
const BOTH: [&str; 2] = ["format/config-sane", "handshake/valid-token-accepted"];

/// The words of a text, whatever the width at which its lines were broken.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The run could not be judged, it is the environment's doing, and each of `telling` is said.
fn assert_inconclusive((code, text): (i32, String), telling: &[&str]) {
    assert_eq!(code, 3, "{text}");
    let text = words(&text);
    assert!(text.contains("blame environment") && text.contains("0 conform"), "{text}");
    for telling in telling {
        assert!(text.contains(telling), "no {telling:?} in: {text}");
    }
}

fn assert_green((code, text): (i32, String)) {
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("not verified") && !text.contains("inconclusive"), "{text}");
}

#[test]
fn a_private_authority_a_client_certificate_and_a_gateway_are_a_profile_away_from_green() {
    let served = Served::start(&["--tls", "--require-client-cert", "--require-header", "X-Gate: let-me-through"]);
    let header = "--set=headers.X-Gate=let-me-through";
    let (code, text) = served.run(&["--suite", "smoke", header]);
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("let-me-through"), "a gateway's credential is a secret: {text}");

    let mut without = vec!["--set=tls.ca_file=null", header];
    without.extend(BOTH);
    assert_inconclusive(served.run(&without), &["issuer is unknown", "`tls.ca_file`"]);
    let mut without = vec!["--set=tls.client_cert_file=null", "--set=tls.client_key_file=null", header];
    without.extend(BOTH);
    assert_inconclusive(served.run(&without), &["demands a client certificate", "`tls.client_cert_file`"]);
    assert_inconclusive(served.run(&BOTH[1..]), &["HTTP 403", "in `headers`"]);
}

#[test]
fn the_profile_tells_the_gateways_header_only_when_asked() {
    let gateway = ["--require-header", "X-Gate: let-me-through"];
    assert!(Served::start(&gateway).profile()["headers"].is_null());
    let served = Served::start(&[&gateway[..], &["--profile-with-header"]].concat());
    assert_green(served.run(&BOTH));
}

#[test]
fn a_reference_behind_tls_tells_where_its_certificates_are() {
    let served = Served::start(&["--tls", "--require-client-cert"]);
    for name in ["target.ca.pem", "target.ca.client.pem", "target.ca.client.key"] {
        assert!(served.said.contains(name), "{}", served.said);
        assert!(fs::read_to_string(served.path(name)).unwrap().starts_with("-----BEGIN "));
    }
    // By name: the files can be moved together.
    assert_eq!(served.profile()["tls"]["ca_file"], "target.ca.pem");
    assert!(served.profile()["urls"]["websocket"].as_str().unwrap().starts_with("wss://127.0.0.1:"));
}

#[test]
fn what_serve_cannot_do_is_a_usage_error() {
    let cases: [(&[&str], &str); 4] = [
        (&["--tls"], "--ca-out PATH"),
        (&["--bind", "192.0.2.1"], "is not on loopback"),
        (&["--require-header", "X-Gate"], "write `Name: value`"),
        (&["--tls", "--only", "auth"], "cannot be used with"),
    ];
    for (args, telling) in cases {
        let output = super::netra_check().arg("serve").args(args).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.contains(telling), "{args:?}: {text}");
    }
}

#[test]
fn an_address_of_ipv6_is_as_good() {
    let served = Served::start(&["--tls", "--bind", "::1"]);
    assert!(served.profile()["urls"]["websocket"].as_str().unwrap().starts_with("wss://[::1]:"));
    assert_green(served.run(&["--suite", "smoke", "--quiet"]));
}

#[test]
fn a_long_way_is_the_services_own_address() {
    // The frontend names the addresses by which everybody asks: those at the beginning of the way.
    let served = Served::start(&["--delay", "5", "--jitter", "5", "--tls"]);
    assert_green(served.run(&["--suite", "smoke", "--quiet"]));
}

/// A reference with a TLS terminator of this manner before auth and backend, and what a run must be told.
fn terminated(manner: &Manner) -> (Served, Terminator, Vec<String>) {
    let served = Served::start(&[]);
    let terminator = Terminator::before(&[served.port("auth"), served.port("backend")], manner);
    fs::write(served.path("ca.pem"), &terminator.authority).unwrap();
    let (auth, backend) = (terminator.port(0), terminator.port(1));
    let sets = vec![
        format!("--set=urls.auth=https://127.0.0.1:{auth}"),
        format!("--set=urls.backend=https://127.0.0.1:{backend}"),
        format!("--set=urls.websocket=wss://127.0.0.1:{backend}/ws"),
        "--set=tls.ca_file=ca.pem".to_owned(),
    ];
    (served, terminator, sets)
}

fn run_both(served: &Served, sets: &[String], more: &[&str]) -> (i32, String) {
    let sets = sets.iter().map(String::as_str);
    served.run(&sets.chain(more.iter().copied()).chain(BOTH).collect::<Vec<_>>())
}

#[test]
fn a_service_below_tls13_is_told_from_a_profile_that_demands_it() {
    let (served, _terminator, sets) = terminated(&Manner { only_tls12: true, ..Manner::default() });
    assert_green(run_both(&served, &sets, &[]));
    let demanding = run_both(&served, &sets, &["--set=tls.require_tls13=true"]);
    assert_inconclusive(demanding, &["does not speak TLS 1.3, which `tls.require_tls13` demands"]);
}

#[test]
fn a_demand_for_a_client_certificate_is_understood_in_tls12_too() {
    let manner = Manner { only_tls12: true, demands_client: true, ..Manner::default() };
    let (served, _terminator, sets) = terminated(&manner);
    assert_inconclusive(run_both(&served, &sets, &[]), &["client certificate", "`tls.client_cert_file`"]);
}

#[test]
fn an_expired_certificate_is_told_with_its_day() {
    let (served, _terminator, sets) = terminated(&Manner { until: 2020, ..Manner::default() });
    assert_inconclusive(run_both(&served, &sets, &[]), &["expired on 2020-01-01 00:00 UTC", "renew it"]);
}

#[test]
fn a_certificate_for_another_name_tells_both_names() {
    let (served, _terminator, sets) = terminated(&Manner { names: &["api.netra.test"], ..Manner::default() });
    let expected = ["is for api.netra.test, not for 127.0.0.1", "`urls`"];
    assert_inconclusive(run_both(&served, &sets, &[]), &expected);
}

#[test]
fn a_plain_service_behind_an_https_url_is_no_riddle() {
    let served = Served::start(&[]);
    let (auth, backend) = (served.port("auth"), served.port("backend"));
    let sets = [
        format!("--set=urls.auth=https://127.0.0.1:{auth}"),
        format!("--set=urls.backend=https://127.0.0.1:{backend}"),
        format!("--set=urls.websocket=wss://127.0.0.1:{backend}/ws"),
    ];
    assert_inconclusive(run_both(&served, &sets, &[]), &["the answer is no TLS", "`urls`"]);
}

#[test]
fn names_are_resolved_by_the_profile_for_calls_and_sockets() {
    let (served, terminator, mut sets) =
        terminated(&Manner { names: &["auth.netra.test", "api.netra.test"], ..Manner::default() });
    let (auth, backend) = (terminator.port(0), terminator.port(1));
    sets.extend([
        format!("--set=urls.auth=https://auth.netra.test:{auth}"),
        format!("--set=urls.backend=https://api.netra.test:{backend}"),
        format!("--set=urls.websocket=wss://api.netra.test:{backend}/ws"),
    ]);
    let resolved = [
        "--set=resolve.\"auth.netra.test\"=127.0.0.1".to_owned(),
        format!("--set=resolve.\"api.netra.test:{backend}\"=127.0.0.1"),
    ];
    assert_green(run_both(&served, &sets, &[&resolved[0], &resolved[1]]));
    assert_inconclusive(run_both(&served, &sets, &[]), &["no address for"]);
}

/// Auth and backend by names that only a proxy knows; the frontend is asked directly.
fn proxied(served: &Served, proxy: &str) -> Vec<String> {
    let (auth, backend) = (served.port("auth"), served.port("backend"));
    vec![
        format!("--set=urls.auth=http://auth.netra.test:{auth}"),
        format!("--set=urls.backend=http://api.netra.test:{backend}"),
        format!("--set=urls.websocket=ws://api.netra.test:{backend}/ws"),
        format!("--set=proxy.url=http://{proxy}"),
        "--set=proxy.except=[\"localhost, 127.0.0.0/8\"]".to_owned(),
    ]
}

#[test]
fn calls_and_sockets_go_through_the_proxy_and_exceptions_do_not() {
    let served = Served::start(&[]);
    let proxy = ConnectProxy::start(Rules { credentials: Some("check:p@ss-phrase"), refused: None });
    let sets = proxied(&served, &format!("check:p%40ss-phrase@{}", proxy.address));
    let mut args: Vec<&str> = sets.iter().map(String::as_str).collect();
    // The reference tells its own addresses, not the names that this profile has for it.
    args.extend(["--suite", "smoke", "--wire", "--skip", "auth-sync/frontend-names-same-origins"]);
    let (code, text) = served.run(&args);
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("p@ss-phrase") && !text.contains("p%40ss-phrase"), "{text}");
    let hosts: BTreeSet<String> = proxy.tunnels().into_iter().collect();
    assert_eq!(hosts, BTreeSet::from(["auth.netra.test".to_owned(), "api.netra.test".to_owned()]));
    assert_eq!(proxy.refusals(), 0);
}

#[test]
fn a_proxy_that_wants_credentials_or_refuses_says_which_key_mends_it() {
    let served = Served::start(&[]);
    let proxy = ConnectProxy::start(Rules { credentials: Some("check:right"), refused: Some("api.netra.test") });
    let without = proxied(&served, &proxy.address);
    assert_inconclusive(run_both(&served, &without, &[]), &["wants credentials (407)", "`proxy.url`"]);
    let wrong = proxied(&served, &format!("check:wrong@{}", proxy.address));
    assert_inconclusive(run_both(&served, &wrong, &[]), &["refuses the user and password of `proxy.url` (407)"]);
    let right = proxied(&served, &format!("check:right@{}", proxy.address));
    let refused = ["answered `HTTP/1.1 403 Forbidden` to CONNECT api.netra.test", "`proxy.except`"];
    assert_inconclusive(run_both(&served, &right, &[]), &refused);
    let nobody = proxied(&served, "127.0.0.1:1");
    assert_inconclusive(run_both(&served, &nobody, &[]), &["the proxy 127.0.0.1:1 cannot be reached", "`proxy.url`"]);
}

#[test]
fn each_way_to_a_login_comes_to_a_green_smoke_run() {
    let served = Served::start(&[]);
    for method in ["e2e-bypass", "password"] {
        assert_green(served.run(&["--suite", "smoke", &format!("--set=credentials.method={method}")]));
    }
    // The developer login has one user. That users never mix is required, and takes two.
    let developer = ["--suite", "smoke", "--set=credentials.method=dev-login"];
    let (code, text) = served.run(&developer);
    assert_eq!(code, 4, "{text}");
    assert!(words(&text).contains("required and not verified: isolation/users-never-mix"), "{text}");
    let (code, text) = served.run(&[&developer[..], &["--set=gate.required=[handshake/*]"]].concat());
    assert_eq!(code, 0, "{text}");
    assert_green(Served::start(&["--production"]).run(&["--suite", "smoke"]));
}

#[test]
fn production_closes_the_logins_for_tests() {
    let served = Served::start(&["--production"]);
    let (code, text) = served.run(&["--set=environment=test", "--set=credentials.method=e2e-bypass", BOTH[1]]);
    assert_eq!(code, 3, "{text}");
    assert!(words(&text).contains("blame credentials") && text.contains("`credentials.bypass_key`"), "{text}");
}

#[test]
fn a_signing_key_of_each_algorithm_does_all_that_needs_no_login() {
    for variation in [None, Some("rs256"), Some("es256")] {
        let args: Vec<&str> = variation.iter().flat_map(|variation| ["--variation", *variation]).collect();
        let served = Served::start(&args);
        let signing = ["--suite", "smoke", "--set=credentials.method=signing-key"];
        let (code, text) = served.run(&signing);
        // The auth service's positive path is a login with a refresh token, and it is required.
        assert_eq!(code, 4, "{text}");
        let headline = text.lines().find(|line| line.contains(" conform, ")).unwrap_or_default();
        assert!(headline.contains(" not verified") && !headline.contains("deviate"), "{text}");
        assert!(!headline.contains("inconclusive"), "{text}");
        let reasons: Vec<&str> = text.lines().filter(|line| line.starts_with("not verified ")).collect();
        assert!(!reasons.is_empty() && reasons.iter().all(|reason| reason.contains("`credentials.method`")), "{text}");
        let required = "--set=gate.required=[handshake/*]";
        let (code, text) = served.run(&[&signing[..], &[required]].concat());
        assert_eq!(code, 0, "{text}");
        assert_green(served.run(&["handshake/expired-token-refused", "--set=credentials.method=signing-key"]));
    }
}

#[test]
fn given_tokens_are_renewed_below_a_minute_and_never_used_expired() {
    let served = Served::start(&[]);
    let given = |pairs: serde_json::Value| {
        let profile = json!({"inherits": "./target.yaml", "credentials": {"method": "tokens", "tokens": pairs}});
        fs::write(served.path("given.yaml"), serde_yaml::to_string(&profile).unwrap()).unwrap();
        served.run_profile("given.yaml", &["--suite", "smoke", "--wire"])
    };
    let pair = |email: &str, life: u32| {
        let set = served.login(email, life);
        json!({"access": set["access_token"], "refresh": set["refresh_token"]})
    };
    let (code, text) = given(json!([pair("one@netra.example", 3600), pair("two@netra.example", 3600)]));
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("renewing"), "{text}");

    let (code, text) = given(json!([pair("one@netra.example", 30), pair("two@netra.example", 3600)]));
    assert_eq!(code, 0, "{text}");
    assert_eq!(text.matches("renewing `credentials.tokens.0`").count(), 1, "{text}");

    netra_check::target::use_ring();
    let claims = json!({"sub": "u", "exp": 1_000_000_000});
    let expired = jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(b"whatever")).unwrap();
    let (code, text) = given(json!([{"access": expired}]));
    assert_eq!(code, 3, "{text}");
    assert!(words(&text).contains("blame credentials"), "{text}");
    assert!(words(&text).contains("`credentials.tokens.0.access` expired"), "{text}");
}

#[test]
fn a_password_that_was_refused_is_not_tried_again() {
    let served = Served::start(&[]);
    let users = "--set=credentials.users=[{email: active@netra.example, password: not-the-password}]";
    let (code, text) = served.run(&["handshake", "--set=credentials.method=password", users, "--wire"]);
    assert_eq!(code, 3, "{text}");
    assert!(words(&text).contains("in `credentials.users`"), "{text}");
    // In the live transcript, which stands behind the evidence that repeats it.
    let (_, said) = text.split_once("\nrun/ready\n").unwrap();
    let asks = |line: &&str| line.contains("→ POST") && line.ends_with("/auth/login");
    assert_eq!(said.lines().filter(asks).count(), 1, "{text}");
}

#[test]
fn secrets_come_from_variables_files_and_commands_and_users_from_a_template() {
    let served = Served::start(&[]);
    let key = served.profile()["credentials"]["bypass_key"].as_str().unwrap().to_owned();
    fs::write(served.path("key"), format!("{key}\n")).unwrap();
    for source in ["{file: key}", "{command: [cat, key]}", "${NETRA_CONNECTION_KEY:?the key}"] {
        let profile = format!(
            "inherits: ./target.yaml\nusers:\n  email: probe-{{n}}@{{domain}}\ncredentials:\n  bypass_key: {source}\n"
        );
        fs::write(served.path("mine.yaml"), profile).unwrap();
        let mut command = super::netra_check();
        command.current_dir(served.path("")).env("NETRA_CONNECTION_KEY", &key);
        let output = command.args(["run", "--profile", "mine.yaml", "--wire", BOTH[1]]).output().unwrap();
        let wire = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{source}: {wire}");
        assert!(wire.contains("probe-00@netra.example") && !wire.contains(&key), "{source}: {wire}");
    }
}

#[test]
fn certificates_and_keys_that_are_none_are_profile_errors() {
    let served = Served::start(&["--tls", "--require-client-cert"]);
    fs::write(served.path("none.pem"), "nothing\n").unwrap();
    let cases = [
        ("tls.ca_file=none.pem", "`tls.ca_file`"),
        ("tls.client_cert_file=none.pem", "`tls.client_cert_file`"),
        ("tls.client_key_file=target.ca.pem", "`tls.client_key_file`"),
        ("credentials.signing_key.algorithm=RS256", "`credentials.signing_key`"),
    ];
    for (set, telling) in cases {
        let (code, text) = served.run(&["--set", set, BOTH[1]]);
        assert_eq!(code, 2, "{set}: {text}");
        assert!(text.contains(telling), "{set}: {text}");
        let mut doctor = super::netra_check();
        doctor.current_dir(served.path("")).args(["doctor", "--profile", "target.yaml", "--set", set]);
        assert_eq!(super::output(doctor).0, 2, "{set}");
    }
}

#[test]
fn a_profile_is_shown_by_its_bare_name_as_the_starter_says() {
    let directory = tempfile::TempDir::new().unwrap();
    let run = |args: &[&str]| {
        let mut command = super::netra_check();
        command.current_dir(directory.path()).env("NETRA_MINE_DOMAIN", "netra.example");
        super::output(command.env("NETRA_MINE_BYPASS_KEY", "a-key-of-the-test").args(args))
    };
    let (code, said, _) = run(&["profile", "init", "mine"]);
    assert!(code == 0 && said.contains("`netra-check profile validate mine`"), "{said}");
    let (code, said, _) = run(&["profile", "validate", "mine"]);
    assert!(code == 0 && said.contains("profile `mine` is valid"), "{said}");
    // Its commented lines are good as they stand, without variables and files that nobody has yet.
    let starter = fs::read_to_string(directory.path().join("profiles/mine.yaml")).unwrap();
    let with_proxy = starter.replace("# proxy:", "proxy:");
    assert_ne!(with_proxy, starter);
    fs::write(directory.path().join("profiles/mine.yaml"), with_proxy).unwrap();
    let (code, said, _) = run(&["profile", "show", "mine"]);
    assert_eq!(code, 0, "{said}");
}
