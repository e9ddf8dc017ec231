//! Profiles: each bad file says what a person needs to read, good ones layer as they promise.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use netra_check::model::{Effect, ExitCode, Trigger};
use netra_check::profile::{self, Action, Diagnostics, LoadRequest, Loaded, Method, Overrides, TriggerSpec};

const KEY: &str = "a-key-that-nobody-may-see";

fn bad_files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/profiles")
}

fn env(variable: &str) -> Option<String> {
    let value = match variable {
        "NETRA_BYPASS_KEY" | "NETRA_STAGING_BYPASS_KEY" | "NETRA_MINE_BYPASS_KEY" => KEY,
        "NETRA_STAGING_DOMAIN" | "NETRA_PRODUCTION_DOMAIN" | "NETRA_MINE_DOMAIN" => "netra.example.com",
        "NETRA_PRODUCTION_EMAIL" | "NETRA_STAGING_EMAIL" => "checker@example.com",
        "NETRA_STAGING_SECOND_EMAIL" => "second@example.com",
        "NETRA_PRODUCTION_PASSWORD" | "NETRA_STAGING_PASSWORD" | "NETRA_STAGING_SECOND_PASSWORD" => KEY,
        "NETRA_NUMBER" => "600",
        "NETRA_WORD" => "soon",
        "NETRA_EMPTY" => "",
        _ => return None,
    };
    Some(value.to_owned())
}

fn load_in(directory: &Path, name_or_path: &str, sets: &[&str]) -> Result<Loaded, Diagnostics> {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    profile::load(LoadRequest { name_or_path, sets: &sets, overrides: None, env: &env, directory })
}

fn load(name_or_path: &str, sets: &[&str]) -> Result<Loaded, Diagnostics> {
    load_in(&bad_files(), name_or_path, sets)
}

/// A directory with `profiles/NAME.yaml` for each pair.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("profiles")).unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(format!("profiles/{name}.yaml")), text).unwrap();
    }
    directory
}

#[test]
fn every_bad_profile_says_what_to_do() {
    let mut files: Vec<PathBuf> = fs::read_dir(bad_files()).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let errors = load(name, &[]).map(|_| ()).expect_err(name);
        let text = errors.render(false);
        for secret in [KEY, "hunter2", "hunter3", "secret-secret", "something-long"] {
            assert!(!text.contains(secret), "{name} shows a secret:\n{text}");
        }
        assert!(!text.contains(env!("CARGO_MANIFEST_DIR")), "{name} shows a path of this machine:\n{text}");
        insta::with_settings!({ snapshot_path => "profiles/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name.trim_end_matches(".yaml"), text);
        });
    }
}

#[test]
fn errors_in_a_set_point_at_its_text() {
    let sets = [
        "limits.chck_s=5",
        "urls.websocket=https://api.example.com/ws",
        "users.count=many",
        "limits.check_s",
        "a..b=1",
        "inherits=staging",
        "credentials.bypass_kye=hunter2hunter2",
    ];
    let texts: Vec<String> =
        sets.iter().map(|set| load("base/complete.yaml", &[set]).map(|_| ()).expect_err(set).render(false)).collect();
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn an_unknown_profile_lists_the_known_ones() {
    let directory = directory(&[("nightly", ""), ("staging", "")]);
    insta::assert_snapshot!(load_in(directory.path(), "nigthly", &[]).map(|_| ()).unwrap_err().render(false));
}

#[test]
fn the_default_profile_names_every_key() {
    fn keys(schema: &serde_json::Value, root: &serde_json::Value, path: &str, found: &mut BTreeSet<String>) {
        let reference = schema["$ref"].as_str().and_then(|reference| root.pointer(reference.trim_start_matches('#')));
        let schema = reference.unwrap_or(schema);
        // A secret's `file` and `command` are ways to write it, not keys.
        if schema["writeOnly"] == true {
            return;
        }
        for (key, member) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}/{key}");
            keys(member, root, &path, found);
            found.insert(path);
        }
    }
    let schema = profile::schema();
    let mut expected = BTreeSet::new();
    keys(&schema, &schema, "", &mut expected);

    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/default.yaml")).unwrap();
    let default: serde_json::Value = serde_yaml::from_str(&text).unwrap();
    let missing: Vec<&String> = expected.iter().filter(|path| default.pointer(path).is_none()).collect();
    assert!(missing.is_empty(), "profiles/default.yaml does not name {missing:?}");
}

#[test]
fn the_built_in_profiles_load() {
    let staging = load("staging", &[]).unwrap().profile;
    assert_eq!(staging.urls.websocket.as_str(), "wss://api.netra.example.com/ws");
    assert_eq!(staging.credentials.method, Method::E2eBypass);
    assert_eq!(staging.limits.check, Duration::from_secs(30));
    assert_eq!(staging.secrets().len(), 1);

    let production = load("production", &[]).unwrap().profile;
    assert_eq!(production.allow, BTreeSet::from([Effect::Read]));
    assert!(!production.gate.required.is_empty());

    let ids: Vec<_> = netra_check::scenarios::registry().iter().map(|check| check.id.as_str()).collect();
    for version in ["2025-08", "2025-09", "2025-10"] {
        let profile = load(&format!("staging-{version}"), &[]).unwrap().profile;
        assert_eq!(profile.contract, format!("netra-{version}"));
        let contract = netra_check::wire::Contract::load(&profile.contract).unwrap();
        for required in &profile.gate.required {
            assert!(ids.contains(&required.as_str()) && contract.unpromised(required).is_none(), "{required}");
        }
    }
}

/// A contract's windows lie above the defaults and below whatever a profile states.
#[test]
fn the_time_windows_of_a_contract_stand_in_place_of_defaults() {
    let loaded = load("staging", &["contract=netra-2025-10", "thresholds.run_s=90"]).unwrap();
    let seconds = |name: &str| loaded.profile.places.tell(&format!("thresholds.{name}")).unwrap();
    assert_eq!(seconds("run_s"), "thresholds.run_s at --set (90)");
    assert_eq!(seconds("fast_s"), "thresholds.fast_s at contract netra-2025-10 (5)");
    assert_eq!(loaded.profile.thresholds.medium, Duration::from_secs(15));
    assert_eq!(loaded.profile.thresholds.reply, Duration::from_secs(2), "which the contract does not state");
    assert!(loaded.show().lines().any(|line| line.ends_with("# contract netra-2025-10") && line.contains("fast_s: 5")));

    let contract = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    fs::write(
        contract.path(),
        "contract: own\nextends: netra-v1\nthresholds: { welcome_s: 7, stop_s: 0, runs_s: 9 }\n",
    )
    .unwrap();
    let set = format!("contract={}", contract.path().display());
    let errors = load("staging", &[&set]).unwrap_err();
    let told: Vec<_> = errors.messages().map(|(_, message)| message.to_owned()).collect();
    assert_eq!(told, ["unknown key `thresholds.runs_s`", "`thresholds.stop_s` must be 0.001 to 3600"]);
}

#[test]
fn the_local_profile_needs_the_reference_only() {
    let reference = Overrides::new("the reference")
        .set("urls.auth", "http://127.0.0.1:1/")
        .set("urls.backend", "http://127.0.0.1:2")
        .set("urls.websocket", "ws://127.0.0.1:2/ws")
        .set("credentials.bypass_key", "${literally}")
        .set("credentials.signing_key.key", "signing-signing")
        .set("credentials.signing_key.subjects", serde_json::json!([{"sub": "u1", "email": "u1@example.com"}]))
        .set("users.states", serde_json::json!({"disabled": {"email": "d@example.com", "password": "pass-word"}}))
        .set("triggers.auth_outage.down", "http://127.0.0.1:3/auth/down")
        .set("triggers.auth_outage.up", serde_json::json!(["true", "x"]));
    let sets = ["pace.jobs=3".to_owned(), "urls.auth=http://127.0.0.1:9".to_owned()];
    let request = LoadRequest {
        name_or_path: "local",
        sets: &sets,
        overrides: Some(&reference),
        env: &env,
        directory: &bad_files(),
    };
    let loaded = profile::load(request).unwrap();
    let local = &loaded.profile;
    assert_eq!(local.name, "local");
    assert_eq!(local.credentials.bypass_key.as_ref().unwrap().expose(), "${literally}");
    assert_eq!(local.allow.len(), Effect::ALL.len());
    assert_eq!((local.pace.jobs, local.pace.connections), (3, 0));
    assert_eq!(local.urls.auth.port(), Some(9), "--set lies above the reference");
    assert_eq!(local.thresholds.run, Duration::from_secs(8));
    assert_eq!(local.limits.settle, Duration::ZERO);
    assert!(matches!(
        local.triggers.get(&Trigger::AuthOutage),
        Some(TriggerSpec::Outage { down: Action::Request(_), up: Action::Command(_) })
    ));
    let launch = local.independence.launch_auth.as_ref().unwrap();
    assert!(Path::new(&launch[0]).is_absolute() && launch.contains(&"{auth_port}".to_owned()), "{launch:?}");
    assert_eq!(loaded.line_of("credentials.bypass_key").as_deref(), Some("the reference"));
    assert_eq!(loaded.line_of("pace.jobs").as_deref(), Some("--set"));
}

#[test]
fn layers_lie_in_their_order() {
    let directory = directory(&[
        ("staging", "inherits: staging\nlimits:\n  check_s: 20\n  run_s: 200\nurls: {frontend: null}\n"),
        ("mine", "inherits: staging\n\nlimits: {check_s: 10}\nheaders: {X-Gate: gate-secret}\n"),
    ]);
    let loaded = load_in(directory.path(), "mine", &["limits.run_s=100.0"]).unwrap();
    let limits = loaded.profile.limits;
    assert_eq!((limits.check, limits.run), (Duration::from_secs(10), Duration::from_secs(100)));
    assert!(loaded.profile.urls.frontend.is_none(), "null takes an inherited value away");
    assert_eq!(loaded.line_of("limits.check_s").as_deref(), Some("profiles/mine.yaml:3"));
    assert_eq!(loaded.line_of("limits.run_s").as_deref(), Some("--set"));
    assert!(loaded.line_of("urls.auth").unwrap().starts_with("built-in staging.yaml:"));
    assert_eq!(
        loaded.layers(),
        ["built-in default.yaml", "built-in staging.yaml", "profiles/staging.yaml", "profiles/mine.yaml", "--set"]
    );
}

#[test]
fn a_covered_value_needs_no_variable() {
    let directory = directory(&[(
        "mine",
        "inherits: staging\nusers: {domain: example.com}\ncredentials: {bypass_key: {file: key}}\n\
         urls: {auth: 'http://a', backend: 'http://b', websocket: 'ws://b/ws', frontend: null}\n",
    )]);
    fs::write(directory.path().join("profiles/key"), "from-a-file\r\n").unwrap();
    let nothing = |_: &str| None;
    let request =
        LoadRequest { name_or_path: "mine", sets: &[], overrides: None, env: &nothing, directory: directory.path() };
    let profile = profile::load(request).unwrap().profile;
    assert_eq!(profile.credentials.bypass_key.unwrap().expose(), "from-a-file");
}

#[test]
fn a_file_wins_over_a_built_in_profile_except_over_local() {
    let directory = directory(&[("production", "inherits: staging\n"), ("local", "inherits: staging\n")]);
    let known = profile::known(directory.path());
    let known: Vec<(&str, &str)> = known.iter().map(|(name, source)| (name.as_str(), source.as_str())).collect();
    let first = [("local", "built-in"), ("production", "profiles/production.yaml"), ("staging", "built-in")];
    assert_eq!(known[..3], first);
    assert!(known[3..].iter().all(|(name, source)| name.starts_with("staging-2025-") && *source == "built-in"));
    assert_eq!(load_in(directory.path(), "production", &[]).unwrap().profile.credentials.method, Method::E2eBypass);
    let errors = load_in(directory.path(), "local", &[]).unwrap_err();
    assert!(errors.messages().all(|(place, _)| place.unwrap().starts_with("built-in local.yaml")), "{errors}");
    assert!(load_in(directory.path(), "profiles/local.yaml", &[]).is_err());
}

#[test]
fn production_reads_only_unless_its_own_file_says_more() {
    let text = "inherits: base/complete.yaml\nenvironment: production\ncredentials: {method: tokens, tokens: [{access: long-enough}]}\n";
    let directory = directory(&[("reads", text), ("writes", &format!("{text}allow: [create]\n"))]);
    fs::create_dir(directory.path().join("profiles/base")).unwrap();
    fs::copy(bad_files().join("base/complete.yaml"), directory.path().join("profiles/base/complete.yaml")).unwrap();
    let allowed = |name| load_in(directory.path(), name, &[]).unwrap().profile.allow;
    assert_eq!(allowed("reads"), BTreeSet::from([Effect::Read]));
    assert_eq!(allowed("writes"), BTreeSet::from([Effect::Read, Effect::Create]));
}

#[test]
fn a_profile_that_is_shown_hides_its_secrets_and_names_its_sources() {
    let directory = directory(&[(
        "mine",
        "inherits: staging\nheaders: {X-Gate: gate-secret}\nproxy: {url: 'http://me:hunter2@proxy:1'}\n\
         credentials:\n  users: [{email: a@example.com, password: 5h0rt}]\nprompts: ['${A}: $${B}', 'true']\n",
    )]);
    let env = |name: &str| if name == "A" { Some("a #1".to_owned()) } else { env(name) };
    let sets = ["suite=smoke".to_owned()];
    let request =
        LoadRequest { name_or_path: "mine", sets: &sets, overrides: None, env: &env, directory: directory.path() };
    let loaded = profile::load(request).unwrap();
    let shown = loaded.show();
    for secret in [KEY, "gate-secret", "hunter2", "h0rt"] {
        assert!(!shown.contains(secret), "{shown}");
        assert!(!format!("{loaded:?}").contains(secret));
    }
    serde_yaml::from_str::<serde_json::Value>(&shown).expect("what is shown is YAML");
    insta::assert_snapshot!(format!("{shown}\n{}", loaded.warnings.render(false)));
}

#[test]
fn commands_of_a_new_profile_lead_to_a_valid_one() {
    use netra_check::cli::profile as command;
    let directory = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    assert_eq!(command::init(directory.path(), "mine", None, &mut out).unwrap(), ExitCode::Conforms);
    assert_eq!(command::init(directory.path(), "mine", None, &mut out).unwrap(), ExitCode::Usage);
    assert_eq!(command::init(directory.path(), "local", None, &mut out).unwrap(), ExitCode::Usage);
    assert_eq!(command::init(directory.path(), "../up", None, &mut out).unwrap(), ExitCode::Usage);
    let request =
        LoadRequest { name_or_path: "mine", sets: &[], overrides: None, env: &env, directory: directory.path() };
    assert_eq!(command::validate(request, false, &mut out).unwrap(), ExitCode::Conforms);
    let bare = LoadRequest { env: &|_| None, ..request };
    assert_eq!(command::validate(bare, false, &mut out).unwrap(), ExitCode::Usage);
    let local = LoadRequest { name_or_path: "local", ..request };
    assert_eq!(command::validate(local, false, &mut out).unwrap(), ExitCode::Conforms);
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}

#[test]
fn a_profile_is_made_from_urls() {
    use netra_check::cli::profile as command;
    use netra_check::profile::Whereabouts;
    let url = |text: &str| url::Url::parse(text).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let from = Whereabouts {
        auth: url("https://login.example.org"),
        backend: url("http://backend.example.org:8000/base/"),
        frontend: None,
    };
    let made = command::init(directory.path(), "mine", Some(&from), &mut Vec::new()).unwrap();
    assert_eq!(made, ExitCode::Conforms);
    let loaded = load_in(directory.path(), "mine", &[]).unwrap();
    let urls = &loaded.profile.urls;
    assert_eq!(urls.auth.as_str(), "https://login.example.org/");
    assert_eq!(urls.websocket.as_str(), "ws://backend.example.org:8000/base/ws");
    assert_eq!(urls.frontend, None);
    let bare =
        LoadRequest { name_or_path: "mine", sets: &[], overrides: None, env: &|_| None, directory: directory.path() };
    let missing = netra_check::profile::load(bare).map(|_| ()).unwrap_err().render(false);
    assert!(missing.contains("NETRA_MINE_DOMAIN") && missing.contains("NETRA_MINE_BYPASS_KEY"), "{missing}");
}

#[test]
fn what_is_shown_is_a_profile_that_says_the_same() {
    let directory = directory(&[(
        "mine",
        "inherits: staging\ncredentials: {method: dev-login, bypass_key: null}\nresolve: {'a.example.com:443': '::1'}\n\
         suites: {nightly: ['*/{a,b}-*']}\nprompts: ['null', '1e3', ' x ', 'a: b', '$${X}', '#', \"tab\\t\\u202e\"]\n",
    )]);
    let first = load_in(directory.path(), "mine", &[]).unwrap();
    fs::write(directory.path().join("profiles/again.yaml"), first.show()).unwrap();
    let again = load_in(directory.path(), "again", &[]).unwrap();
    assert_eq!(first.profile.prompts, again.profile.prompts);
    let values = |loaded: &Loaded| serde_yaml::from_str::<serde_json::Value>(&loaded.show()).unwrap();
    assert_eq!(values(&first), values(&again));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_text_makes_loading_panic(text in "[-a-z:{}\\[\\]&*!|>'\"#$ \n\té]{0,60}") {
        let directory = directory(&[("any", &text)]);
        if let Err(errors) = load_in(directory.path(), "any", &[]) {
            prop_assert!(!errors.render(true).is_empty());
        }
    }

    #[test]
    fn no_message_shows_a_secret(
        key in prop::sample::select(vec![
            "credentials.bypass_key", "credentials.bypas_key", "credentials.signing_key.key", "headers.X-Key",
            "proxy.url", "independence.databases.auth", "service.secret", "credentials.method.key", "tokens",
        ]),
        form in prop::sample::select(vec!["S", "[S]", "{x: S}", "{file: [S]}", "\"S\\n\"", "${A:+S}", "${A:-S}", "${S", "{S: ", "!x S"]),
        secret in "[a-z]{4}9[a-z]{4}",
    ) {
        let value = form.replace('S', &secret);
        let inline = format!("{key}={value}");
        let errors = load("base/complete.yaml", &[&inline, "limits.check_s=no"]).map(|_| ()).unwrap_err().render(false);
        // A word at a key's place is shown as a key; nobody writes a secret there.
        prop_assert!(form.starts_with("{S") || !errors.contains(&secret), "{}", errors);
    }
}
