//! `netra-check prove`.

use std::io::{self, Write as _};

use super::args::ProveArgs;
use super::usage;
use crate::engine::matcher;
use crate::model::ExitCode;
use crate::prove::{Fate, Proof, ProveOptions, prove as run_proof};
use crate::reference::{DEFECTS, VARIATIONS};
use crate::scenarios;

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
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let options = ProveOptions {
        checks,
        only: args.defects.into_iter().collect(),
        collateral: args.collateral,
        generated: args.generated,
        jobs: args.jobs.unwrap_or(4 * processors),
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

fn tell(proof: &Proof, out: &mut dyn io::Write) -> io::Result<()> {
    for check in proof.checks.iter().filter(|check| check.verdict != "conforms") {
        let verdict = check.verdict.replace('_', " ");
        writeln!(out, "clean: {} {verdict}: {}", check.id, check.reason.as_deref().unwrap_or_default())?;
    }
    for check in proof.checks.iter().filter(|check| check.defects == 0) {
        writeln!(out, "no defect makes {} fail", check.id)?;
    }
    for defect in proof.defects.iter().filter(|defect| defect.outcome != Fate::Caught) {
        writeln!(out, "{:?}: {} (expected of {})", defect.outcome, defect.id, defect.expected.join(", "))?;
        for remark in &defect.remarks {
            writeln!(out, "    {remark}")?;
        }
    }
    for defect in proof.defects.iter().filter(|defect| !defect.collateral.is_empty()) {
        writeln!(out, "collateral of {}: {}", defect.id, defect.collateral.join(", "))?;
    }
    for variation in proof.variations.iter().filter(|it| !(it.accused_by.is_empty() && it.unjudged.is_empty())) {
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
    for mutant in proof.mutants.iter().filter(|mutant| mutant.caught_by.is_none()) {
        writeln!(out, "mutant survived: {}", mutant.id)?;
    }
    let caught = proof.defects.iter().filter(|defect| defect.outcome == Fate::Caught).count();
    let unaccused = proof.variations.iter().filter(|it| it.accused_by.is_empty() && it.unjudged.is_empty()).count();
    write!(
        out,
        "{} checks, {caught} of {} defects caught, {unaccused} of {} variations unaccused",
        proof.checks.len(),
        proof.defects.len(),
        proof.variations.len()
    )?;
    if !proof.needs.is_empty() {
        let told = proof.needs.iter().filter(|need| need.not_verified).count();
        write!(out, ", {told} of {} needs missed when taken away", proof.needs.len())?;
    }
    if !proof.mutants.is_empty() {
        let killed = proof.mutants.iter().filter(|mutant| mutant.caught_by.is_some()).count();
        write!(out, ", {killed} of {} generated mutants caught", proof.mutants.len())?;
    }
    writeln!(out)
}
