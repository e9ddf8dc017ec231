//! `netra-check prove`.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use super::args::ProveArgs;
use super::usage;
use crate::engine::matcher;
use crate::model::ExitCode;
use crate::prove::{Ending, Fate, Mutant, Mutants, Proof, ProveOptions, prove as run_proof};
use crate::reference::{DEFECTS, Filter, VARIATIONS};
use crate::scenarios;
use crate::wire::Contract;

pub(super) fn prove(args: ProveArgs) -> anyhow::Result<ExitCode> {
    let mut checks = scenarios::registry();
    if !args.checks.is_empty() {
        let globs = match matcher(&args.checks, &checks) {
            Ok(globs) => globs,
            Err(error) => return usage(&error),
        };
        checks.retain(|check| globs.is_match(check.id.as_str()));
    }
    let known = || DEFECTS.iter().map(|defect| defect.id).chain(VARIATIONS.iter().map(|it| it.id));
    if let Some(unknown) = args.defects.iter().find(|id| !known().any(|known| known == *id)) {
        return usage(&format_args!("no defect or variation is called `{unknown}`"));
    }
    let filters: Result<Vec<Filter>, _> = args.filters.iter().map(|filter| filter.parse()).collect();
    let mutants = match filters {
        Err(error) => return usage(&error),
        Ok(filters) if !filters.is_empty() => Mutants::These(filters),
        Ok(_) if args.generated => Mutants::Generated,
        Ok(_) => Mutants::None,
    };
    if let Err(error) = Contract::load(&args.contract) {
        return usage(&error);
    }
    let options = ProveOptions {
        contract: args.contract,
        checks,
        only: args.defects.into_iter().collect(),
        collateral: args.collateral,
        mutants,
        jobs: args.jobs.unwrap_or_else(side_by_side).max(1),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let proof = runtime.block_on(run_proof(&options, &|line| {
        // Progress is worth nothing to who has closed standard error.
        let _ = writeln!(io::stderr(), "{line}");
    }));
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_string_pretty(&proof)? + "\n")?;
    }
    tell(&proof, &mut io::stdout().lock())?;
    Ok(if proof.holds() { ExitCode::Conforms } else { ExitCode::Deviation })
}

/// As many references as keep the processors busy while most of them wait, if their connections are allowed that many
/// files.
fn side_by_side() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
    (12 * processors).min(files / FILES)
}

/// What a reference and the checks on it have open, where some have their most and others their least.
const FILES: usize = 100;

fn tell(proof: &Proof, out: &mut dyn io::Write) -> io::Result<()> {
    for check in proof.checks.iter().filter(|check| check.verdict != "conforms") {
        let verdict = check.verdict.replace('_', " ");
        writeln!(out, "clean: {} {verdict}: {}", check.id, check.reason.as_deref().unwrap_or_default())?;
    }
    for check in proof.checks.iter().filter(|check| check.defects == 0) {
        writeln!(out, "no defect makes {} fail", check.id)?;
    }
    for defect in proof.defects.iter().filter(|defect| !defect.holds() && defect.outcome != Fate::Caught) {
        writeln!(out, "{}: {} (expected of {})", defect.outcome.word(), defect.id, defect.expected.join(", "))?;
        for remark in &defect.remarks {
            writeln!(out, "    {remark}")?;
        }
    }
    for defect in proof.defects.iter().filter(|defect| defect.tried_again && defect.outcome == Fate::Caught) {
        writeln!(out, "caught at the second try, with few references side by side: {}", defect.id)?;
    }
    for defect in proof.defects.iter().filter(|defect| !defect.holds() && !defect.unconsulted_by.is_empty()) {
        writeln!(out, "dead: {} is never consulted on behalf of {}", defect.id, defect.unconsulted_by.join(", "))?;
    }
    for defect in proof.defects.iter().filter(|defect| !defect.collateral.is_empty()) {
        writeln!(out, "collateral of {}: {}", defect.id, defect.collateral.join(", "))?;
    }
    for variation in proof.variations.iter().filter(|it| !it.holds()) {
        writeln!(
            out,
            "variation {}: accused by {:?}, unjudged {:?}",
            variation.id, variation.accused_by, variation.unjudged
        )?;
        for remark in &variation.remarks {
            writeln!(out, "    {remark}")?;
        }
    }
    for need in proof.needs.iter().filter(|need| !need.not_verified) {
        writeln!(out, "{} without {} is not `not verified`", need.check, need.without)?;
    }
    tell_mutants(proof, out)?;
    let mut explained: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for defect in &proof.defects {
        if let Some(why) = &defect.explanation {
            explained.entry(why).or_default().push(defect.id);
        }
    }
    for (why, defects) in &explained {
        writeln!(out, "not to be caught in this contract: {}: {why}", defects.join(", "))?;
    }
    let caught = proof.defects.iter().filter(|defect| defect.outcome == Fate::Caught).count();
    let unaccused = proof.variations.iter().filter(|it| it.holds()).count();
    write!(out, "{} checks", proof.checks.len())?;
    if !proof.defects.is_empty() {
        write!(out, ", {caught} of {} defects caught", proof.defects.len())?;
        let explained = explained.values().map(Vec::len).sum::<usize>();
        if explained > 0 {
            write!(out, ", {explained} explained")?;
        }
    }
    if !proof.variations.is_empty() {
        write!(out, ", {unaccused} of {} variations unaccused", proof.variations.len())?;
    }
    if !proof.needs.is_empty() {
        let told = proof.needs.iter().filter(|need| need.not_verified).count();
        write!(out, ", {told} of {} needs missed when taken away", proof.needs.len())?;
    }
    if proof.defects.iter().any(|defect| defect.beside.is_some()) {
        let (hits, beside) = proof.defects.iter().fold((0, 0), |(hits, beside), defect| {
            (hits + defect.collateral.len(), beside + defect.beside.unwrap_or_default())
        });
        write!(out, ", {hits} of {beside} runs beside deviate")?;
    }
    if !proof.mutants.is_empty() {
        let count = |outcome| proof.mutants.iter().filter(|mutant| mutant.outcome == outcome).count();
        write!(out, ", {} of {} mutants caught", count(Ending::Caught), proof.mutants.len())?;
        for left in [Ending::Survived, Ending::Inconclusive, Ending::NeverApplied] {
            write!(out, ", {} {}", count(left), left.word())?;
        }
    }
    writeln!(out)
}

/// What no check catches: by explanation, and by itself what has none.
fn tell_mutants(proof: &Proof, out: &mut dyn io::Write) -> io::Result<()> {
    let left = || proof.mutants.iter().filter(|mutant| mutant.outcome != Ending::Caught);
    let mut explained: Vec<(&str, Ending, usize)> = Vec::new();
    for mutant in left() {
        let Some(why) = mutant.explanation.as_deref() else { continue };
        match explained.iter_mut().find(|(known, outcome, _)| *known == why && *outcome == mutant.outcome) {
            Some((_, _, count)) => *count += 1,
            None => explained.push((why, mutant.outcome, 1)),
        }
    }
    for (why, outcome, count) in explained {
        writeln!(out, "{count} mutants {}: {why}", outcome.word())?;
    }
    for Mutant { id, outcome, applied, checks, remarks, .. } in left().filter(|mutant| mutant.explanation.is_none()) {
        let seen = match outcome {
            Ending::NeverApplied => String::new(),
            _ => format!(": applied {applied} times before {checks} checks"),
        };
        writeln!(out, "mutant {}, unexplained: {id}{seen}", outcome.word())?;
        for remark in remarks {
            writeln!(out, "    {remark}")?;
        }
    }
    for explanation in &proof.unused_explanations {
        writeln!(out, "explained, and not needed: {explanation}")?;
    }
    Ok(())
}
