//! Every command line that we show to anybody is one that the parser accepts.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser as _};
use regex::Regex;
use serde_yaml::Value;

use super::args::Cli;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files() -> Vec<PathBuf> {
    let examples = fs::read_dir(root().join("examples/ci")).unwrap().map(|file| file.unwrap().path());
    let profiles = fs::read_dir(root().join("profiles")).unwrap().map(|file| file.unwrap().path());
    let alone = ["README.md", "CHANGELOG.md", "action.yml"].map(|name| root().join(name));
    let mut files: Vec<PathBuf> = examples.chain(profiles).chain(alone).collect();
    files.sort();
    files
}

/// The words of a shell line up to its end, with what only a shell or a server knows filled in.
fn words(line: &str) -> Vec<String> {
    let line = Regex::new(r"\$\{\{[^}]*\}\}|\$ARGUMENTS").unwrap().replace_all(line, "").into_owned();
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for (place, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            // Of a quotation around the whole line.
            (None, '\'' | '"') if !line[place + 1..].contains(c) => break,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            // The line ends where the shell takes over again.
            (None, '#' | ';' | '|' | '&' | '`' | ')' | '>') => break,
            (None, ' ') => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Every command line in a text: what follows our name and a word that is, or should be, a subcommand.
fn lines(text: &str) -> Vec<String> {
    let known: Vec<String> = Cli::command().get_subcommands().map(|known| known.get_name().to_owned()).collect();
    // In prose our name stands before any word; after a prompt or at a line's beginning it is a command.
    let anywhere = format!(r"(?:netra-check|cargo run --release --) ((?:{})\b[^\n]*)", known.join("|"));
    let anywhere = Regex::new(&anywhere).unwrap();
    let begins = Regex::new(r"(?m)^\s*(?:- |\$ )?(?:target/release/)?netra-check (\S[^\n]*)$").unwrap();
    let all = anywhere.captures_iter(text).chain(begins.captures_iter(text));
    let mut lines: Vec<String> = all.map(|found| found[1].trim_end_matches(['\'', '"']).to_owned()).collect();
    lines.sort();
    lines.dedup();
    lines
}

fn accepted(words: &[String]) -> Result<(), String> {
    match Cli::try_parse_from([&["netra-check".to_owned()], words].concat()) {
        Err(error) if error.use_stderr() => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// Arguments of containers whose image is ours.
fn container_arguments(value: &Value, found: &mut Vec<Vec<String>>) {
    match value {
        Value::Mapping(members) => {
            let image = members.get("image").and_then(Value::as_str).unwrap_or_default();
            if image.starts_with("netra-check") {
                let arguments = members.get("args").and_then(Value::as_sequence).into_iter().flatten();
                found.push(arguments.filter_map(Value::as_str).map(str::to_owned).collect());
            }
            members.values().for_each(|member| container_arguments(member, found));
        }
        Value::Sequence(items) => items.iter().for_each(|item| container_arguments(item, found)),
        _ => {}
    }
}

#[test]
fn every_command_line_that_is_shown_is_accepted() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        for line in lines(&text) {
            seen += 1;
            if let Err(error) = accepted(&words(&line)) {
                wrong.push(format!("{}: netra-check {line}\n{error}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 15, "only {seen} command lines found: is the pattern right?");
}

#[test]
fn each_example_of_a_server_calls_the_binary() {
    for name in ["examples/ci/gitlab-ci.yml", "examples/ci/Jenkinsfile", "action.yml"] {
        let text = fs::read_to_string(root().join(name)).unwrap();
        assert!(lines(&text).iter().any(|line| line.starts_with("run ") && line.contains("--out")), "{name}");
    }
    let text = fs::read_to_string(root().join("examples/ci/kubernetes-cronjob.yaml")).unwrap();
    let mut found = Vec::new();
    container_arguments(&serde_yaml::from_str(&text).unwrap(), &mut found);
    assert_eq!(found.len(), 1);
    accepted(&found[0]).unwrap();
}

#[test]
fn wrong_lines_are_found() {
    for line in ["run --suit smoke", "rum", "run --min-checks", "show"] {
        let text = format!("$ netra-check {line}\n");
        let lines = lines(&text);
        assert_eq!(lines, [line]);
        assert!(accepted(&words(&lines[0])).is_err(), "{line}");
    }
}

#[test]
fn examples_parse() {
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".yml") || name.ends_with(".yaml") {
            let parsed: Result<Value, _> = serde_yaml::from_str(&text);
            assert!(parsed.as_ref().is_ok_and(Value::is_mapping), "{name}: {parsed:?}");
        } else if name == "Jenkinsfile" {
            // Groovy has no parser here: its brackets and quotes must at least close.
            let code: String = text.lines().filter(|line| !line.starts_with("//")).collect();
            for (open, close) in [('{', '}'), ('(', ')'), ('[', ']')] {
                assert_eq!(code.matches(open).count(), code.matches(close).count(), "{name}: `{open}`");
            }
            assert!(code.matches('\'').count().is_multiple_of(2), "{name}: quotes");
        } else if name == "Containerfile" {
            let instructions = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
            let known = ["FROM", "RUN", "WORKDIR", "COPY", "USER", "ENTRYPOINT", "CMD", "ENV", "ARG"];
            for line in instructions {
                assert!(known.iter().any(|word| line.starts_with(&format!("{word} "))), "{name}: {line}");
            }
            assert!(text.contains("\nUSER 65534"), "{name} runs as root");
        }
    }
}

#[test]
fn the_action_uses_every_input_and_pastes_none_into_its_script() {
    let action: Value = serde_yaml::from_str(&fs::read_to_string(root().join("action.yml")).unwrap()).unwrap();
    let text = serde_yaml::to_string(&action["runs"]).unwrap();
    for (input, _) in action["inputs"].as_mapping().unwrap() {
        let input = input.as_str().unwrap();
        assert!(text.contains(&format!("inputs.{input}")), "`{input}` is not used");
    }
    for step in action["runs"]["steps"].as_sequence().unwrap() {
        let script = step.get("run").and_then(Value::as_str).unwrap_or_default();
        assert!(!script.contains("${{"), "an input in a script is code: {script}");
    }
}
