//! `netra-check doctor`: every step of a run's way to its target, once, and what this machine and
//! this profile can bear.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::sync::Arc;

use rustix::process::{Resource, getrlimit};
use serde::Serialize;

use super::args::{Color, DoctorArgs, DoctorFormat};
use super::plan::unasked;
use super::run::{Prepared, prepare};
use super::usage;
use crate::engine::{Grade, Known, Recognition, Step, obstacle, recognise, survey};
use crate::model::ExitCode;
use crate::profile::Pace;
use crate::report::text::{plural, thousands, visible};
use crate::target::Target;

/// Files that are open beside the connections: standard streams, reports, the runtime.
const FILES_BESIDE: u64 = 64;
/// Connections where the pace bounds none: what the checks open at their widest.
const CONNECTIONS_UNBOUND: u64 = 1_000;
/// Seconds that a closed connection keeps its port (TIME_WAIT).
const PORT_KEPT_S: u64 = 60;
/// What Linux gives out as ports, where `/proc` does not tell.
const PORTS: &str = "32768\t60999";

/// The report of a doctor, version 1.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    profile: &'a str,
    contract: &'a str,
    steps: &'a [Line],
    exit_code: u8,
}

#[derive(Serialize)]
struct Line {
    step: &'static str,
    subject: String,
    grade: &'static str,
    seen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(super) fn doctor(args: DoctorArgs, color: Color) -> anyhow::Result<ExitCode> {
    let mut prepared = match prepare(&args.profile, &args.selection, 1, color)? {
        Ok(prepared) => prepared,
        Err(code) => return Ok(code),
    };
    if let Some(revision) = args.expect_revision {
        prepared.loaded.profile.ready.revision.expect = Some(revision);
    }
    let text = args.format == DoctorFormat::Text;
    let mut out = anstream::AutoStream::new(io::stdout(), color.into());
    let mut lines = Vec::new();
    let mut broken: io::Result<()> = Ok(());
    let mut tell = |step: Step| {
        if text && broken.is_ok() {
            broken = write_step(&mut out, &step);
        }
        let Step { name, subject, grade, seen, next } = step;
        lines.push(Line { step: name, subject, grade: grade.slug(), seen, next });
    };
    let profile = Arc::new(prepared.loaded.profile.clone());
    let target = match Target::new(profile, Arc::clone(&prepared.contract), "doctor", 1) {
        Ok(target) => target,
        // Certificates and keys are the profile's.
        Err(error) => return usage(&error),
    };
    examine(&prepared, &target, &mut tell)?;
    broken?;
    let failed = lines.iter().filter(|line| line.grade == Grade::Fail.slug()).count();
    let warned = lines.iter().filter(|line| line.grade == Grade::Warn.slug()).count();
    let code = if failed > 0 { ExitCode::Inconclusive } else { ExitCode::Conforms };
    if text {
        let fine = lines.len() - failed - warned;
        writeln!(out, "\n{fine} ok, {}, {failed} failed", plural(warned, "warning", "warnings"))?;
        let verdict = if failed > 0 { "a run would not begin" } else { "a run can begin" };
        writeln!(out, "exit {}: {verdict}", code.code())?;
    } else {
        let (profile, contract) = (&*prepared.loaded.profile.name, prepared.contract.name());
        let document = Document { version: 1, profile, contract, steps: &lines, exit_code: code.code() };
        writeln!(out, "{:#}", serde_json::to_value(&document)?)?;
    }
    if let Some(local) = prepared.local {
        local.stop();
    }
    Ok(code)
}

/// The target, then this machine, then the profile.
fn examine(prepared: &Prepared, target: &Arc<Target>, tell: &mut dyn FnMut(Step)) -> anyhow::Result<()> {
    let profile = &prepared.loaded.profile;
    let runtime = tokio::runtime::Runtime::new()?;
    // Another contract may be why these fail; behind all else that fails nobody can be heard, or not one alone.
    let mut shut = false;
    let known = runtime.block_on(survey(target, &mut |step| {
        shut |= step.grade == Grade::Fail && !["health", "login", "upgrade"].contains(&step.name);
        tell(step);
    }));
    let known = known.unwrap_or_else(|| unasked(&prepared.contract));
    let tried = if shut { Vec::new() } else { runtime.block_on(recognise(target)) };
    tell(spoken(&tried, prepared.contract.name()));
    files(&profile.pace, tell);
    ports(&profile.pace, tell);
    unverified(prepared, &known, tell);
    Ok(())
}

/// Which contract is spoken, beside the one in use.
fn spoken(tried: &[Recognition], used: &str) -> Step {
    if tried.iter().all(|it| it.fits.is_empty()) {
        return Step::ok("contract", used, "in use; what is spoken cannot be told before the rest is mended");
    }
    let in_use = tried.iter().find(|it| it.contract == used).map(Recognition::evidence).unwrap_or_default();
    match tried.first() {
        Some(best) if best.contract != used => {
            let seen = format!("{in_use}. {} fits better: {}", best.contract, best.evidence());
            Step::warn("contract", used, seen, format!("`contract: {}` in the profile", best.contract))
        }
        Some(best) if !best.misfits.is_empty() => {
            let next =
                "`netra-check observe` shows what it says; a contract file of your own can `extends:` one of these";
            Step::warn("contract", used, format!("fits best of all, not quite: {in_use}"), next)
        }
        _ => Step::ok("contract", used, format!("in use, and fits: {in_use}")),
    }
}

fn files(pace: &Pace, tell: &mut dyn FnMut(Step)) {
    let limit = getrlimit(Resource::Nofile);
    let told = |limit: Option<u64>| limit.map_or("no limit".to_owned(), |limit| thousands(limit as usize));
    let need = FILES_BESIDE + if pace.connections == 0 { CONNECTIONS_UNBOUND } else { pace.connections as u64 };
    let seen = format!(
        "{} (soft, raised as far as may be), {} (hard); this pace needs {}",
        told(limit.current),
        told(limit.maximum),
        thousands(need as usize)
    );
    tell(match limit.current {
        Some(soft) if soft < need => {
            Step::warn("limits", "open files", seen, "raise the hard limit (`ulimit -Hn`), or lower `pace.connections`")
        }
        _ => Step::ok("limits", "open files", seen),
    });
}

fn ports(pace: &Pace, tell: &mut dyn FnMut(Step)) {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_else(|_| PORTS.into());
    let mut ends = range.split_whitespace().filter_map(|end| end.parse::<u64>().ok());
    let (Some(first), Some(last)) = (ends.next(), ends.next()) else { return };
    let ports = last.saturating_sub(first) + 1;
    // Each request may need a connection of its own, and a closed one keeps its port for a while.
    let need = u64::from(pace.requests_per_s) * PORT_KEPT_S + pace.connections as u64;
    let seen = format!(
        "{} for each destination; this pace needs at most {}",
        thousands(ports as usize),
        if need == 0 { "what the checks open: it has no bound".into() } else { thousands(need as usize) }
    );
    tell(match ports < need {
        true => {
            Step::warn("limits", "ports", seen, "widen `net.ipv4.ip_local_port_range`, or lower `pace.requests_per_s`")
        }
        false => Step::ok("limits", "ports", seen),
    });
}

/// What a run could not verify, each reason once.
fn unverified(prepared: &Prepared, known: &Known, tell: &mut dyn FnMut(Step)) {
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for check in &prepared.selected.checks {
        if let Some(reason) = obstacle(check, &prepared.loaded.profile, &prepared.contract, known) {
            reasons.entry(reason.to_string()).or_default().push(check.id.as_str());
        }
    }
    for (reason, checks) in reasons {
        let (cause, remedy) = reason.split_once(": ").unwrap_or((&reason, "`netra-check plan` shows each check"));
        let seen = format!("{cause} · {}: {}", plural(checks.len(), "check", "checks"), checks.join(", "));
        tell(Step::warn("unverified", "by this profile", seen, remedy));
    }
}

fn write_step(out: &mut impl io::Write, step: &Step) -> io::Result<()> {
    use anstyle::{AnsiColor, Style};
    let style = match step.grade {
        Grade::Ok => AnsiColor::Green.on_default(),
        Grade::Warn => AnsiColor::Yellow.on_default().bold(),
        Grade::Fail => AnsiColor::Red.on_default().bold(),
    };
    let (grade, name, subject, seen) = (step.grade.slug(), step.name, &step.subject, visible(&step.seen));
    writeln!(out, "{style}{grade:<4}{style:#}  {name:<10} {subject:<16} {seen}")?;
    if let Some(next) = &step.next {
        let dim = Style::new().dimmed();
        writeln!(out, "{:34}{dim}→ {dim:#}{}", "", visible(next))?;
    }
    out.flush()
}
