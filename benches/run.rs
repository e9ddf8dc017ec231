//! Whole runs against the built-in reference, as a user starts them: what the README promises in seconds.

use std::process::{Command, Stdio};

fn main() {
    divan::main();
}

/// `netra-check run --profile local` with these options; it must end well.
fn run(options: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netra-check"));
    command.args(["run", "--profile", "local", "--seed", "1", "-q"]).args(options);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{status}");
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn full() {
    run(&[]);
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn smoke() {
    run(&["--suite", "smoke"]);
}
