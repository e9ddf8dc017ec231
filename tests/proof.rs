//! The proof in both directions: every check can fail, and nobody is accused unjustly.

use std::sync::OnceLock;

use assert_cmd::Command;
use serde_json::Value;

/// `netra-check prove --json`, once for all tests.
fn proof() -> &'static Value {
    static PROOF: OnceLock<Value> = OnceLock::new();
    PROOF.get_or_init(|| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut prove = Command::cargo_bin("netra-check").unwrap();
        // Its exit code says only whether all is proved; the tests say what is not.
        prove.args(["prove", "--jobs", "12", "--json"]).arg(file.path()).output().unwrap();
        serde_json::from_reader(file.reopen().unwrap()).unwrap()
    })
}

fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn lines(of: &Value, key: &str) -> String {
    list(of, key).iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
}

/// What a machine may lack: such a check is proved where `.ci/run` provides it.
fn may_be_missing(reason: &str) -> bool {
    let lacks = |variable: &str, words: [&str; 2]| {
        std::env::var_os(variable).is_none() && words.iter().any(|word| reason.contains(word))
    };
    lacks("NETRA_CHECK_POSTGRES", ["PostgreSQL", "`db`"]) || lacks("NETRA_CHECK_BROWSER", ["a browser", "`browser`"])
}

#[test]
fn every_check_conforms_on_the_clean_reference() {
    let checks = list(proof(), "checks");
    assert!(!checks.is_empty());
    for check in checks {
        let reason = check["reason"].as_str().unwrap_or_default();
        assert!(check["verdict"] == "conforms" || may_be_missing(reason), "{}: {reason}", check["id"]);
    }
}

#[test]
fn every_defect_is_caught_by_its_own_checks_for_the_right_reason() {
    let defects = list(proof(), "defects");
    assert!(!defects.is_empty());
    let left: Vec<_> = defects
        .iter()
        .filter(|defect| defect["outcome"] != "caught" && !may_be_missing(&lines(defect, "remarks")))
        .map(|defect| format!("{} {}: {}", defect["id"], defect["outcome"], lines(defect, "remarks")))
        .collect();
    assert!(left.is_empty(), "{}", left.join("\n"));
}

#[test]
fn no_variation_is_accused() {
    let variations = list(proof(), "variations");
    assert!(variations.len() >= 20);
    let accused: Vec<_> = variations
        .iter()
        .filter(|it| !(list(it, "accused_by").is_empty() && list(it, "unjudged").is_empty()))
        .map(|it| format!("{}: {}", it["id"], lines(it, "remarks")))
        .collect();
    assert!(accused.is_empty(), "{}", accused.join("\n"));
}

#[test]
fn each_need_that_is_taken_away_is_missed() {
    let needs = list(proof(), "needs");
    assert!(!needs.is_empty());
    let silent: Vec<_> = needs
        .iter()
        .filter(|need| need["not_verified"] != true)
        .map(|need| format!("{} without {}", need["check"], need["without"]))
        .collect();
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

/// What the contracts of 2025 promise is proved as netra-v1 is: each defect is caught, or the file of survivors says why
/// it cannot be in this contract, and no variation is accused.
#[test]
#[ignore = "needs three minutes"]
fn the_contracts_of_2025_are_proved() {
    for contract in ["netra-2025-08", "netra-2025-09", "netra-2025-10"] {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut prove = Command::cargo_bin("netra-check").unwrap();
        let ran = prove.args(["prove", "--jobs", "12", "--contract", contract, "--json"]).arg(file.path()).output();
        let ran = ran.unwrap();
        let told = String::from_utf8(ran.stdout).unwrap();
        let proof: Value = serde_json::from_reader(file.reopen().unwrap()).unwrap();
        let caught = list(&proof, "defects").iter().filter(|defect| defect["outcome"] == "caught").count();
        assert!(caught >= 150, "{contract}: {told}");
        let left = list(&proof, "defects").iter().filter(|it| it["outcome"] != "caught" && it["explanation"].is_null());
        assert_eq!(left.count(), 0, "{contract}: {told}");
        assert_eq!(list(&proof, "unused_explanations").len(), 0, "{contract}: {told}");
        // What does not conform on the clean reference, and is no known gap, is no proof either.
        assert!(ran.status.success(), "{contract}: {told}");
        for variation in list(&proof, "variations") {
            let unjust = list(variation, "accused_by").len() + list(variation, "unjudged").len();
            assert_eq!(unjust, 0, "{contract}, {}: {told}", variation["id"]);
        }
    }
}
