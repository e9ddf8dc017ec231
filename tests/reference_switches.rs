//! Each switch of the reference is read at exactly one place, so that "off" means the correct code.

use std::fs;
use std::path::Path;

#[test]
fn each_switch_is_read_at_exactly_one_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/reference");
    let policy = fs::read_to_string(folder.join("policy.rs")).unwrap();
    let mut code = String::new();
    collect(&folder, &mut code);
    let switch = regex::Regex::new(r#"(?m)^ +(\w+) = "[a-z0-9-]+"[^=]*?: ""#).unwrap();
    let switches: Vec<_> = switch.captures_iter(&policy).map(|found| found[1].to_owned()).collect();
    assert!(switches.len() > 150, "only {} switches were found in policy.rs", switches.len());
    let wrong: Vec<_> = switches
        .iter()
        .map(|name| (name, code.matches(&format!(".{name}.on()")).count()))
        .filter(|(_, reads)| *reads != 1)
        .map(|(name, reads)| format!("{name}: read at {reads} places"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// All Rust code below a folder, without white space.
fn collect(folder: &Path, code: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, code);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            code.extend(fs::read_to_string(path).unwrap().split_whitespace());
        }
    }
}
