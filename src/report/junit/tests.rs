use std::process::Command;
use std::sync::Arc;

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::xml::{attribute, cdata, legal_text, trim_times};
use super::*;
use crate::model::{Deviation, Evidence, Finding};
use crate::report::formats;

/// `(element, attributes, text)` of every element, in the order of their ends.
type Elements = Vec<(String, Vec<(String, String)>, String)>;

/// Reads a report as any XML parser does; panics where it is not well-formed.
fn read(xml: &str) -> Elements {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().expand_empty_elements = true;
    let (mut open, mut done): (Elements, Elements) = (Vec::new(), Vec::new());
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(start) => {
                let attributes = start.attributes().map(|attribute| {
                    let attribute = attribute.expect("an attribute");
                    let value = quick_xml::escape::unescape(&attribute.value).expect("escapes").into_owned();
                    (attribute.key.as_ref().to_owned(), value)
                });
                let name = start.name().as_ref().to_owned();
                open.push((name, attributes.collect(), String::new()));
            }
            Event::CData(words) => {
                let words = words.into_inner().into_owned();
                assert!(words.chars().all(|c| legal_text(&c.to_string()) == c.to_string()), "illegal characters");
                open.last_mut().expect("inside an element").2.push_str(&words);
            }
            Event::Text(words) => assert!(words.trim().is_empty(), "text outside CDATA"),
            Event::End(_) => done.push(open.pop().expect("balanced")),
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty());
    done
}

fn attribute_of<'a>(attributes: &'a [(String, String)], name: &str) -> &'a str {
    attributes.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

/// The run of the snapshots with other words in its first deviation.
fn with(step: &str, seen: &str, fact: &str) -> RunResult {
    let mut result = formats::run();
    let mut outcome = result.outcomes[1].as_ref().clone();
    outcome.verdict = Verdict::Deviates(Arc::new(Deviation {
        finding: Finding::Accepted,
        step: step.into(),
        expected: vec![seen.into()],
        seen: seen.into(),
        evidence: Evidence { entries: Vec::new(), facts: vec![fact.into()] },
        window: None,
    }));
    result.outcomes[1] = Arc::new(outcome);
    result
}

proptest! {
    #[test]
    fn any_string_is_well_formed_and_reads_back_equal(raw in any::<String>(), ends in "(]|\\]>|<|&|\u{0}|\r|\n|x){0,24}") {
        let raw = raw + &ends;
        let mut case = TestCase::failure("name", Duration::ZERO, "deviation", &attribute(&raw));
        case.classname = Some(attribute(&raw));
        set_text(&mut case, &raw);
        case.system_out = Some(cdata(&raw));
        let result = formats::run();
        let mut report = ReportBuilder::new();
        report.add_testsuite(suite("any", &raw, vec![case], &result));
        let elements = read(&write(&report.build()));
        let (_, attributes, text) = elements.iter().find(|(name, ..)| name == "failure").expect("the failure");
        prop_assert_eq!(attribute_of(attributes, "message"), attribute(&raw));
        prop_assert_eq!(text, &legal_text(&raw));
        let (_, _, text) = elements.iter().find(|(name, ..)| name == "system-out").expect("the output");
        prop_assert_eq!(text, &legal_text(&raw));
    }

    #[test]
    fn any_words_of_a_target_stay_inside_their_case(step in any::<String>(), seen in any::<String>(), fact in any::<String>()) {
        let elements = read(&render(&with(&step, &seen, &fact)));
        prop_assert_eq!(elements.iter().filter(|(name, ..)| name == "testcase").count(), formats::run().outcomes.len());
    }

    #[test]
    fn every_time_has_three_decimals(millis in prop::collection::vec(0_u64..200_000, 1..20)) {
        let mut result = formats::run();
        let first = result.outcomes[0].as_ref().clone();
        result.outcomes = millis.iter().map(|millis| {
            Arc::new(Outcome { duration: std::time::Duration::from_millis(*millis), ..first.clone() })
        }).collect();
        let elements = read(&render(&result));
        let seconds = |millis: u64| format!("{}.{:03}", millis / 1_000, millis % 1_000);
        let mut expected: Vec<String> = millis.iter().map(|millis| seconds(*millis)).collect();
        expected.push(seconds(millis.iter().sum()));
        let times = elements.iter().map(|(_, attributes, _)| attribute_of(attributes, "time").to_owned());
        prop_assert_eq!(times.filter(|time| !time.is_empty()).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_time_in_somebody_elses_words_is_left_alone() {
    let xml = "<a time=\"1.1179999999999999\"><![CDATA[ time=\"1.1179999999999999\"]]></a>";
    assert_eq!(trim_times(xml), "<a time=\"1.118\"><![CDATA[ time=\"1.1179999999999999\"]]></a>");
}

#[test]
fn counters_are_exact_and_names_unique() {
    let elements = read(&render(&formats::run()));
    let mut names = std::collections::BTreeSet::new();
    let mut counted = [0; 3];
    for (element, attributes, _) in &elements {
        match element.as_str() {
            "testcase" => {
                let key = (attribute_of(attributes, "classname"), attribute_of(attributes, "name"));
                assert!(names.insert(key), "twice: {key:?}");
                counted[0] += 1;
            }
            "failure" => counted[1] += 1,
            "error" => counted[2] += 1,
            "testsuite" => {
                let told = ["tests", "failures", "errors"].map(|name| attribute_of(attributes, name).to_owned());
                assert_eq!(told, counted.map(|count: usize| count.to_string()));
                counted = [0; 3];
            }
            _ => {}
        }
    }
    assert_eq!(names.len(), formats::run().outcomes.len());
}

#[test]
fn a_long_text_is_cut_between_characters() {
    let mut case = TestCase::failure("name", Duration::ZERO, "deviation", "message");
    set_text(&mut case, &"é".repeat(TEXT_LIMIT));
    let TestResult::Failure { cause: Some(cause), .. } = &case.result else { panic!("a text") };
    assert!(cause.len() <= TEXT_LIMIT);
    assert!(cause.ends_with("more octets"));
}

#[test]
fn a_run_that_judged_nothing_is_no_empty_success() {
    let mut result = formats::run();
    result.outcomes.clear();
    let elements = read(&render(&result));
    assert!(elements.iter().any(|(name, attributes, _)| name == "error" && attribute_of(attributes, "message") == "nothing was judged"));
}

#[test]
#[ignore = "needs xmllint and junit-10.xsd; .ci/run runs it"]
fn the_strictest_schema_accepts_every_report() {
    let schema = std::env::var_os("NETRA_CHECK_JUNIT_XSD").expect("NETRA_CHECK_JUNIT_XSD names junit-10.xsd");
    let mut empty = formats::run();
    empty.outcomes.clear();
    for result in [formats::run(), formats::interrupted(), empty, with("]]>", "\u{0}\r\n<&\"'", "]]>\u{ffff}")] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("junit.xml");
        std::fs::write(&path, render(&result)).expect("a file");
        let checked = Command::new("xmllint").arg("--noout").arg("--schema").arg(&schema).arg(&path).output();
        let checked = checked.expect("xmllint (apt-get install libxml2-utils)");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}

/// `(classname, name)` of every case.
fn cases(xml: &str) -> Vec<(String, String)> {
    let elements = read(xml);
    let cases = elements.iter().filter(|(element, ..)| element == "testcase");
    cases
        .map(|(_, attributes, _)| {
            (attribute_of(attributes, "classname").to_owned(), attribute_of(attributes, "name").to_owned())
        })
        .collect()
}

#[test]
fn names_are_the_same_in_every_run() {
    let mut later = formats::run();
    let facts = RunFacts {
        id: "another".into(),
        hosts: vec!["127.0.0.1:54321".into()],
        seed: 1_234,
        started: later.facts.started + std::time::Duration::from_secs(86_400),
        ..later.facts.as_ref().clone()
    };
    later.facts = Arc::new(facts);
    for outcome in &mut later.outcomes {
        let slower = Outcome { duration: outcome.duration * 3, ..outcome.as_ref().clone() };
        *outcome = Arc::new(slower);
    }
    let names = cases(&render(&later));
    assert_eq!(names, cases(&render(&formats::run())));
    for (class, name) in names {
        assert!(class.starts_with("netra.staging."), "{class}");
        let id = name.split(' ').next().unwrap_or_default();
        assert_eq!(id.split('/').next(), class.strip_prefix("netra.staging."), "{name}");
    }
}

#[test]
fn suites_are_flat_named_and_never_empty_and_types_are_of_a_closed_list() {
    let types = [
        ("failure", vec!["deviation"]),
        ("error", vec!["environment", "credentials", "target", "harness", "throttled", "not-verified"]),
        ("skipped", vec!["not-verified"]),
    ];
    for result in [formats::run(), formats::interrupted()] {
        let xml = render(&result);
        let mut depth = 0;
        for piece in xml.split('<') {
            depth += i32::from(piece.starts_with("testsuite ")) - i32::from(piece.starts_with("/testsuite>"));
            assert!((0..=1).contains(&depth), "suites inside suites");
        }
        for (element, attributes, text) in read(&xml) {
            if element == "testsuite" {
                assert!(!attribute_of(&attributes, "name").is_empty());
                assert_ne!(attribute_of(&attributes, "tests"), "0");
            }
            assert!(text.len() <= TEXT_LIMIT, "{element} has {} octets of text", text.len());
            if let Some((_, known)) = types.iter().find(|(name, _)| *name == element) {
                // junit-10.xsd knows no type of a skipped case.
                let kind = attribute_of(&attributes, "type");
                assert!(
                    known.contains(&kind) || (element == "skipped" && kind.is_empty()),
                    "{element} of type `{kind}`"
                );
                assert!(!text.is_empty(), "some readers show the text alone");
                assert!(!attribute_of(&attributes, "message").contains('\n'));
            }
        }
    }
}

#[test]
fn a_gate_that_stays_shut_is_red_for_readers_that_count() {
    let mut result = formats::run();
    result.outcomes.truncate(1);
    result.exit_code = ExitCode::NothingVerified;
    result.gate = vec!["1 conforms, `gate.min_checks` asks for 2".into()];
    let elements = read(&render(&result));
    let (_, attributes, text) = elements.iter().find(|(name, ..)| name == "error").expect("an error");
    assert_eq!(attribute_of(attributes, "type"), "not-verified");
    assert_eq!(text, "1 conforms, `gate.min_checks` asks for 2");
    assert_eq!(cases(&render(&result))[1].1, "run/gate The gate's conditions hold");
}

/// Prints what `junitparser` makes of a file: suites with their counters, cases with their results.
const JUNITPARSER: &str = r#"
import json, sys
from junitparser import JUnitXml
suites = []
for suite in JUnitXml.fromfile(sys.argv[1]):
    cases = []
    for case in suite:
        results = [[type(one).__name__, one.type, one.message, one.text] for one in case.result]
        cases.append([case.classname, case.name, case.time, results, case.system_out])
    suites.append([suite.name, suite.tests, suite.failures, suite.errors, suite.skipped, cases])
print(json.dumps(suites))
"#;

#[test]
#[ignore = "needs Python with junitparser; .ci/run runs it"]
fn junitparser_reads_every_verdict() {
    let python = std::env::var_os("NETRA_CHECK_PYTHON").expect("NETRA_CHECK_PYTHON names a Python with junitparser");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("junit.xml");
    let result = formats::run();
    std::fs::write(&path, render(&result)).expect("a file");
    let output = Command::new(python).args(["-c", JUNITPARSER]).arg(&path).output().expect("Python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let suites: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");

    let count = |suite: &serde_json::Value, place: usize| suite[place].as_u64().unwrap_or(u64::MAX);
    let mut counted = [0; 3];
    let mut read = Vec::new();
    for suite in suites.as_array().expect("suites") {
        let cases = suite[5].as_array().expect("cases");
        assert_eq!(count(suite, 1), cases.len() as u64, "{suite}");
        let of = |class: &str| cases.iter().filter(|case| case[3][0][0] == class).count() as u64;
        assert_eq!([count(suite, 2), count(suite, 3)], [of("Failure"), of("Error")], "{suite}");
        counted[0] += of("Failure");
        counted[1] += of("Error");
        counted[2] += of("Skipped");
        read.extend(cases.iter().cloned());
    }
    let totals = result.totals;
    assert_eq!(counted, [totals.deviates, totals.inconclusive, totals.not_verified].map(|count| count as u64));
    assert_eq!(read.len(), result.outcomes.len());
    for (case, outcome) in read.iter().zip(&result.outcomes) {
        assert_eq!(case[1], format!("{} {}", outcome.id, outcome.title));
        let found = &case[3][0];
        let account = Account::of(outcome, Again::of(&result.facts), Depth::AMPLE).map(|account| account.text());
        let text = |text: &str| serde_json::Value::from(legal_text(text));
        match &outcome.verdict {
            Verdict::Conforms(_) => assert!(found.is_null(), "{case}"),
            Verdict::Deviates(_) if !outcome.gates => {
                assert!(found.is_null(), "a warning is no failure: {case}");
                let told = account.unwrap_or_default();
                assert!(case[4].as_str().unwrap_or_default().contains(&legal_text(&told)), "{case}");
            }
            Verdict::Deviates(_) => {
                assert_eq!((&found[1], &found[3]), (&"deviation".into(), &text(&account.unwrap_or_default())))
            }
            Verdict::Inconclusive(why) => {
                assert_eq!((&found[1], &found[3]), (&why.blame.slug().into(), &text(&account.unwrap_or_default())));
            }
            Verdict::NotVerified(reason) => assert_eq!(found[3], text(&reason.to_string())),
        }
    }
}
