//! Contracts: shown, checked, compared, and what one makes of an environment.

use serde_json::Value;

use super::environment::{Environment, netra_check};
use super::output;
use super::served::Served;

const V1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/contracts/netra-v1.yaml");
/// A dialect that nobody speaks.
const TWISTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contracts/twisted.yaml");

#[test]
fn the_built_in_ones_are_listed_and_shown_as_they_are_written() {
    let (code, out, _) = output(netra_check().args(["contract", "show"]));
    assert_eq!((code, out.as_str()), (0, "netra-v1\nnetra-2025-08\nnetra-2025-09\nnetra-2025-10\n"));
    let (code, out, _) = output(netra_check().args(["contract", "show", "netra-v1"]));
    assert_eq!((code, out), (0, std::fs::read_to_string(V1).unwrap()));
    let (code, out, err) = output(netra_check().args(["contract", "show", "netra-v2"]));
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("no contract `netra-v2`: built in are netra-v1"), "{err}");
}

#[test]
fn what_is_no_contract_is_named() {
    let (code, out, _) = output(netra_check().args(["contract", "validate", TWISTED]));
    assert_eq!(code, 0, "{out}");
    assert!(out.starts_with("contract `twisted` is valid\n"), "{out}");
    let twisted = std::fs::read_to_string(TWISTED).unwrap();
    let changes = [
        ("  type: /kind\n", "  type: kind\n", "envelope.type: `kind` is no JSON pointer"),
        ("  type: /kind\n", "  type: []\n", "envelope.type: no place"),
        ("envelope:\n", "envelop:\n", "unknown key `envelop`: did you mean `envelope`? "),
    ];
    for (from, to, due) in changes {
        let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
        assert!(twisted.contains(from));
        std::io::Write::write_all(&mut file, twisted.replacen(from, to, 1).as_bytes()).unwrap();
        let (code, _, err) = output(netra_check().args(["contract", "validate"]).arg(file.path()));
        assert_eq!(code, 2, "{err}");
        assert!(err.contains(due), "{err}");
    }
}

#[test]
fn a_contract_that_extends_another_says_what_it_does_not_promise() {
    let (code, out, _) = output(netra_check().args(["contract", "validate", "netra-2025-08"]));
    assert_eq!(code, 0);
    assert!(out.contains("unpromised what ") && out.contains("known gap  the token travels in the query"), "{out}");
    let (_, out, _) = output(netra_check().args(["contract", "diff", "netra-2025-09", "netra-2025-10"]));
    assert!(out.contains("/handshake/settle_ms\n  + 500\n"), "{out}");

    let wrong = "contract: own\nextends: netra-2025-09\nunpromised: { no-such/check: because }\ngaps: { no-such: x }\n";
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::io::Write::write_all(&mut file, wrong.as_bytes()).unwrap();
    let (code, _, err) = output(netra_check().args(["contract", "validate"]).arg(file.path()));
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("unpromised: ") && err.contains("gaps: the reference has no `no-such`"), "{err}");

    let several = "contract: own\nextends: netra-v1\nenvelope:\n  type: type\nsubprotocol:\n  token: [hex, jwt.]\n\
                   messages:\n  server:\n    no_such: {}\n";
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::io::Write::write_all(&mut file, several.as_bytes()).unwrap();
    let (code, _, err) = output(netra_check().args(["contract", "validate"]).arg(file.path()));
    assert_eq!(code, 2, "{err}");
    for due in
        ["4 problems", "4:3: envelope.type: `type`", "6:3: subprotocol.token: `hex`", "9:5: messages: no message"]
    {
        assert!(err.contains(due), "{due}: {err}");
    }

    let malformed = "contract: own\nextends: netra-v1\ncarriers: [hedder]\nenvelope:\n  typ: x\n  payload: 5\n\
                     messages:\n  server:\n    pong:\n      written: { type: /x }\nthresholds: { run_s: soon }\n";
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::io::Write::write_all(&mut file, malformed.as_bytes()).unwrap();
    let (code, _, err) = output(netra_check().args(["contract", "validate"]).arg(file.path()));
    assert_eq!(code, 2, "{err}");
    let due = "5 problems
  3:1: `carriers.0`: \"hedder\" is none of header, subprotocol, query, ticket: did you mean `header`?
  5:3: unknown key `typ`: did you mean `type`? known keys of `envelope`: type, payload, written, members
  6:3: `envelope.payload`: 5 is not of types \"string\", \"array\"
  10:7: `messages.server.pong.written` lacks `payload`
  11:1: `thresholds.run_s`: \"soon\" is not of type \"number\"\n";
    assert!(err.ends_with(due), "{err}");

    let thresholds = "contract: own\nextends: netra-v1\nthresholds: { stop_s: 0, runs_s: 9 }\n";
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::io::Write::write_all(&mut file, thresholds.as_bytes()).unwrap();
    let (code, _, err) = output(netra_check().args(["contract", "validate"]).arg(file.path()));
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("`thresholds.stop_s` must be 0.001 to 3600"), "{err}");
    assert!(err.contains("unknown key `thresholds.runs_s`: did you mean `run_s`?"), "{err}");

    for (carriers, due) in [("[]", "carriers: none; expected"), ("[ticket]", "expected `http.ws_ticket`")] {
        let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
        let text = format!("contract: own\nextends: netra-v1\ncarriers: {carriers}\n");
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        let (code, _, err) = output(netra_check().args(["contract", "validate"]).arg(file.path()));
        assert!(code == 2 && err.contains(due), "{err}");
    }

    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::io::Write::write_all(&mut file, b"contract: own\nextends: netra-v9\n").unwrap();
    let (code, _, err) = output(netra_check().args(["contract", "validate"]).arg(file.path()));
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("extends: \"netra-v9\" is no built-in contract: these are netra-v1,"), "{err}");
}

/// What the README shows as a contract of one's own is one.
#[test]
fn the_contract_of_the_readme_is_valid() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, shown) = readme.split_once("```yaml\ncontract: ours\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::io::Write::write_all(&mut file, format!("contract: ours\n{shown}").as_bytes()).unwrap();
    let (code, out, err) = output(netra_check().args(["contract", "validate"]).arg(file.path()));
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("carriers   ticket"), "{out}");
}

/// What editors check a file with finds the built-in ones good, and says so of one that extends another.
#[test]
fn the_schema_of_contracts_fits_those_that_are_built_in() {
    let (code, out, _) = output(netra_check().args(["contract", "schema"]));
    assert_eq!(code, 0);
    let schema = jsonschema::draft202012::new(&serde_json::from_str(&out).unwrap()).unwrap();
    for name in ["netra-v1", "netra-2025-08", "netra-2025-09", "netra-2025-10"] {
        let (_, text, _) = output(netra_check().args(["contract", "show", name]));
        let contract: Value = serde_yaml::from_str(&text).unwrap();
        let errors: Vec<_> = schema.iter_errors(&contract).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
    assert!(!schema.is_valid(&serde_json::json!({ "contract": "own" })), "it says nothing, and extends none");
}

/// Whatever a profile believes, `doctor` says what is spoken.
#[test]
fn doctor_recognises_the_contract_of_an_environment() {
    for (spoken, believed) in [
        ("netra-v1", "netra-2025-09"),
        ("netra-2025-08", "netra-v1"),
        ("netra-2025-09", "netra-2025-10"),
        ("netra-2025-10", "netra-v1"),
    ] {
        let served = Served::start(&["--contract", spoken]);
        let doctor = |args: &[&str]| {
            let mut command = netra_check();
            command.current_dir(served.path("")).args(["doctor", "--profile", "target.yaml", "--format", "json"]);
            let (_, out, err) = output(command.args(args));
            let told: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
            told["steps"].as_array().unwrap().iter().find(|step| step["step"] == "contract").unwrap().clone()
        };
        let step = doctor(&[]);
        assert_eq!((&step["grade"], &step["subject"]), (&"ok".into(), &spoken.into()), "{step}");
        let step = doctor(&["--set", &format!("contract={believed}")]);
        assert_eq!(step["grade"], "warn", "{step}");
        assert_eq!(step["next"], format!("`contract: {spoken}` in the profile"), "{step}");
    }
}

#[test]
fn two_contracts_differ_place_by_place() {
    let (code, out, _) = output(netra_check().args(["contract", "diff", "netra-v1", TWISTED]));
    assert_eq!(code, 0);
    let timestamps = "/timestamps\n  - [\"rfc3339\",\"epoch_seconds\"]\n  + [\"epoch_milliseconds\"]\n";
    assert!(out.contains(timestamps), "{out}");
    let (code, out, _) = output(netra_check().args(["contract", "diff", "netra-v1", "netra-v1"]));
    assert_eq!((code, out.as_str()), (0, "0 differences between netra-v1 (-) and netra-v1 (+)\n"));
}

#[test]
fn an_observed_run_names_every_event_and_tells_no_secret() {
    let (code, out, err) = output(netra_check().args(["observe", "--profile", "local"]));
    assert_eq!(code, 0, "{out}{err}");
    for due in ["= connection_established", "= agent_started", "= final_report", ", 0 do not fit; nothing was judged"] {
        assert!(out.contains(due), "{due}: {out}");
    }
    let missing = out.lines().find(|line| line.contains("did not come")).unwrap();
    assert!(missing.contains("agent_error") && !missing.contains("agent_started"), "{missing}");
    assert!(!out.contains("eyJ"), "a token: {out}");
}

#[test]
fn what_does_not_fit_stands_below_its_frame() {
    let environment = Environment::start(&["number-as-string"]);
    let (code, out, err) = output(environment.command("observe", &[]));
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("  ! "), "{out}");
    assert!(!out.contains(", 0 do not fit"), "{out}");
}
