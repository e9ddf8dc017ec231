//! How many recorded entries a second each run-wide judge reads: every frame and answer of a run passes all of them.

use std::sync::{Arc, LazyLock, Mutex};

use divan::Bencher;
use divan::counter::ItemsCount;
use netra_check::check::{Body, Check};
use netra_check::engine::{RunOptions, run};
use netra_check::local::Local;
use netra_check::model::{Direction, Entry, Record};
use netra_check::reference::{Conduct, Policy};
use netra_check::scenarios::registry;
use netra_check::target::Target;
use netra_check::wire::Contract;

fn main() {
    divan::main();
}

/// What was said in a run of one scenario that streams, and the target that it was said to.
struct Recorded {
    target: Arc<Target>,
    entries: Vec<Entry>,
}

static RECORDED: LazyLock<Recorded> = LazyLock::new(|| {
    let contract = Contract::load("netra-v1").unwrap();
    let reference = Local::start(Conduct::new(1, Arc::clone(&contract), Policy::default()), &[]).unwrap();
    let target = Target::new(Arc::new(reference.profile().unwrap()), contract, "1-bench", 1).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    target.observe({
        let heard = Arc::clone(&heard);
        move |entry| heard.lock().unwrap().push(entry.clone())
    });
    let checks = registry().into_iter().filter(|check| check.id.scenario().slug() == "lifecycle").collect();
    let options = RunOptions::alone(Arc::clone(&target), checks);
    tokio::runtime::Runtime::new().unwrap().block_on(run(&options, &mut []));
    reference.stop();
    let entries = std::mem::take(&mut *heard.lock().unwrap());
    Recorded { target, entries }
});

fn run_wide() -> impl Iterator<Item = &'static Check> {
    registry().into_iter().filter(|check| matches!(check.body, Body::RunWide { .. }))
}

#[divan::bench(args = run_wide().map(|check| check.id.as_str()))]
fn sees(bencher: Bencher<'_, '_>, id: &str) {
    let Recorded { target, entries } = &*RECORDED;
    let check = run_wide().find(|check| check.id.as_str() == id).unwrap();
    let Body::RunWide { judge, .. } = check.body else { unreachable!("only these are asked for") };
    bencher.counter(ItemsCount::new(entries.len())).with_inputs(|| judge(target)).bench_local_values(|mut judge| {
        entries.iter().for_each(|entry| judge.see(entry));
        judge
    });
}

fn text(entry: &Entry) -> Option<&str> {
    match &entry.record {
        Record::Frame { payload, .. } => Some(payload),
        _ => None,
    }
}

/// From the text of a frame to the logical message.
#[divan::bench]
fn reads(bencher: Bencher<'_, '_>) {
    let Recorded { target, entries } = &*RECORDED;
    let received = entries.iter().filter(|entry| entry.direction == Direction::Received);
    let texts: Vec<&str> = received.filter_map(text).collect();
    bencher
        .counter(ItemsCount::new(texts.len()))
        .bench_local(|| texts.iter().filter(|text| target.contract().read_server(text).is_ok()).count());
}
