//! `netra-check run`: the profile, the target, the checks, the reports, the exit code.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use super::args::{Color, PriorityArg, ProfileArgs, ReportArgs, RunArgs, SelectionArgs};
use super::ci::{CiArg, Log};
use super::{interrupt, repetition, usage};
use crate::check::Check;
use crate::engine::{RunOptions, Selected, Selection, SelectionError, SuiteChoice, matcher};
use crate::local::Local;
use crate::model::{CheckId, ExitCode, Priority, RunFacts, Sink};
use crate::profile::{LOCAL, LoadRequest, Loaded, Overrides, Profile};
use crate::reference::{Conduct, Policy};
use crate::report::files::{Files, Places};
use crate::report::terminal::{Look, Terminal, Verbosity, closing};
use crate::scenarios;
use crate::target::Target;
use crate::wire::{Contract, ContractError};

pub(super) fn run(args: RunArgs, color: Color) -> anyhow::Result<ExitCode> {
    let seed = args.seed.unwrap_or_else(rand::random);
    let server = args.ci.resolved();
    let files = match Files::open(&places(&args.reports, server)) {
        Ok(files) => files,
        Err(error) => {
            writeln!(std::io::stderr(), "error: {error}")?;
            return Ok(ExitCode::Report);
        }
    };
    let mut asked = args.profile.clone();
    asked.sets.extend(args.gate.sets());
    let mut prepared = match prepare(&asked, &args.selection, seed, color)? {
        Ok(prepared) => prepared,
        Err(code) => return Ok(code),
    };
    if let Some(revision) = args.expect_revision {
        prepared.loaded.profile.ready.revision.expect = Some(revision);
    }
    let profile = &prepared.loaded.profile;
    let facts = Arc::new(RunFacts {
        id: run_id(),
        reference: prepared.local.is_some(),
        profile: profile.name.clone(),
        profile_argument: args.profile.profile.clone().unwrap_or_default(),
        contract: prepared.contract.name().to_owned(),
        revision: None,
        hosts: hosts(profile),
        seed,
        selection: prepared.words.clone(),
        started: SystemTime::now(),
        tool_version: env!("CARGO_PKG_VERSION"),
        planned: prepared.selected.checks.iter().map(|check| check.id).collect(),
        not_selected: prepared.selected.not_selected,
        repetition: repetition::of(&prepared.loaded, args.profile.sets.len()),
    });

    let verbosity = match (args.quiet, args.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    let look = Look::of_stdout(color.into(), verbosity);
    let mut terminal = Terminal::stdout(look, !args.no_progress);
    let log = Log::begin(server, args.add_masks, profile)?;

    let contract = Arc::clone(&prepared.contract);
    let target = match Target::new(Arc::new(profile.clone()), contract, facts.id.clone(), seed) {
        Ok(target) => target,
        // Certificates and keys are the profile's.
        Err(error) => return usage(&error),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let (result, leaks) = runtime.block_on(async {
        if args.wire {
            target.observe(super::wire::teller(terminal.bar()));
        }
        let options = RunOptions {
            jobs: args.jobs.unwrap_or(profile.pace.jobs),
            readiness: true,
            timeout: args.timeout.map_or(profile.limits.run, Duration::from_secs),
            fail_fast: args.fail_fast,
            repeat: args.repeat,
            required: prepared.required.clone(),
            selected: prepared.selected.clone(),
            facts: Arc::clone(&facts),
            interrupt: CancellationToken::new(),
            target: Arc::clone(&target),
        };
        let _guard = interrupt::cancel_on_signal(options.interrupt.clone())?;
        let mut sinks: [&mut dyn Sink; 1] = [&mut terminal];
        let result = crate::engine::run(&options, &mut sinks).await;
        anyhow::Ok((result, Arc::clone(target.redactor())))
    })?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    if let Some(local) = prepared.local {
        local.stop();
    }

    let leak = |text: &str| leaks.find(text).map(|kind| kind.slug().to_owned());
    let mut written = files.write(&result, &leak);
    written.errors.extend(log.end(&result, &leak)?);
    for error in &written.errors {
        writeln!(std::io::stderr(), "error: {error}")?;
    }
    let code = written.exit_code(result.exit_code);
    write!(anstream::stdout(), "{}", closing(&facts, code, &look))?;
    Ok(code)
}

/// Everything that is decided before the first connection.
pub(super) struct Prepared {
    pub(super) loaded: Loaded,
    pub(super) contract: Arc<Contract>,
    pub(super) selected: Selected,
    pub(super) required: BTreeSet<CheckId>,
    pub(super) words: String,
    pub(super) local: Option<Local>,
}

/// Loads the profile (starting the reference where it is `local`), the contract and the selection.
///
/// The inner error is the exit code of a mistake that has been told.
pub(super) fn prepare(
    args: &ProfileArgs,
    selection: &SelectionArgs,
    seed: u64,
    color: Color,
) -> anyhow::Result<Result<Prepared, ExitCode>> {
    let Some(name) = &args.profile else { return no_profile().map(Err) };
    let local = match name.as_str() {
        LOCAL => match start_reference(&args.sets, seed)? {
            Ok(local) => Some(local),
            Err(error) => return usage(&error).map(Err),
        },
        _ => None,
    };
    let overrides = local.as_ref().map(Local::overrides);
    let loaded = match load(name, &args.sets, overrides.as_ref()) {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            write!(anstream::stderr(), "{}", diagnostics.render(color.on_stderr()))?;
            return Ok(Err(ExitCode::Usage));
        }
    };
    if !loaded.warnings.is_empty() {
        write!(anstream::stderr(), "{}", loaded.warnings.render(color.on_stderr()))?;
    }
    let contract = match Contract::load(&loaded.profile.contract) {
        Ok(contract) => contract,
        Err(error) => return usage(&error).map(Err),
    };
    let registry = scenarios::registry();
    let chosen = match selected(selection, &loaded.profile, &registry) {
        Ok(chosen) => chosen,
        Err(error) => return usage(&error).map(Err),
    };
    let (selected, words) = chosen;
    let required = match required(&loaded.profile, &registry) {
        Ok(required) => required,
        Err(error) => return usage(&format_args!("gate.required: {error}")).map(Err),
    };
    Ok(Ok(Prepared { loaded, contract, selected, required, words, local }))
}

/// Loads a profile from the working directory and the environment.
pub(super) fn load(
    name: &str,
    sets: &[String],
    overrides: Option<&Overrides>,
) -> Result<Loaded, crate::profile::Diagnostics> {
    let directory = std::env::current_dir().unwrap_or_default();
    crate::profile::load(LoadRequest {
        name_or_path: name,
        sets,
        overrides,
        env: &|name| std::env::var(name).ok(),
        directory: &directory,
    })
}

/// Tells that a profile is missing: a gate that forgot its profile must never check a reference and
/// go green.
pub(super) fn no_profile() -> anyhow::Result<ExitCode> {
    let known = crate::profile::known(&std::env::current_dir()?);
    let known: Vec<_> = known.into_iter().map(|(name, source)| format!("{name} ({source})")).collect();
    usage(&format_args!(
        "no profile: say which environment with `--profile NAME` or NETRA_CHECK_PROFILE\n\
         known profiles: {}\n\
         `--profile local` checks the built-in reference, which says nothing about a deployment",
        known.join(", ")
    ))
}

/// Starts the reference in the contract that `--set contract=…` names.
fn start_reference(sets: &[String], seed: u64) -> anyhow::Result<Result<Local, ContractError>> {
    let asked = sets.iter().rev().find_map(|set| set.strip_prefix("contract="));
    let contract = match Contract::load(asked.unwrap_or("netra-v1")) {
        Ok(contract) => contract,
        Err(error) => return Ok(Err(error)),
    };
    // A service that a check launches speaks the same.
    let switches = asked.map_or_else(Vec::new, |asked| vec!["--contract".to_owned(), asked.to_owned()]);
    Ok(Ok(Local::start(Conduct::new(seed, contract, Policy::default()), &switches)?))
}

fn selected(
    args: &SelectionArgs,
    profile: &Profile,
    registry: &[&'static Check],
) -> Result<(Selected, String), SelectionError> {
    let suite = args.suite.as_deref().unwrap_or(&profile.suite);
    let selection = selection(args, suite, Some(profile))?;
    Ok((selection.of(registry)?, selection.words(suite)))
}

/// The selection of the command line.
pub(super) fn selection(
    args: &SelectionArgs,
    suite: &str,
    profile: Option<&Profile>,
) -> Result<Selection, SelectionError> {
    let own = profile.and_then(|profile| profile.suites.get(suite));
    let choice = match (suite, own) {
        (_, Some(globs)) => SuiteChoice::Globs(globs.clone()),
        ("full", None) => SuiteChoice::Full,
        ("smoke", None) => SuiteChoice::Smoke,
        (other, None) => {
            let own = profile.into_iter().flat_map(|profile| profile.suites.keys().map(String::as_str));
            let known = ["smoke", "full"].into_iter().chain(own).collect::<Vec<_>>().join(", ");
            return Err(SelectionError::UnknownSuite { asked: other.to_owned(), known });
        }
    };
    Ok(Selection {
        only: args.ids.clone(),
        skip: args.skip.clone(),
        suite: choice,
        priority: args.priority.map(Priority::from),
    })
}

fn required(profile: &Profile, registry: &[&'static Check]) -> Result<BTreeSet<CheckId>, SelectionError> {
    if profile.gate.required.is_empty() {
        let counts = |check: &&&Check| check.required && profile.gate.rules.covers(check.id);
        return Ok(registry.iter().filter(counts).map(|check| check.id).collect());
    }
    let globs = matcher(&profile.gate.required, registry)?;
    Ok(registry.iter().map(|check| check.id).filter(|id| globs.is_match(id.as_str())).collect())
}

/// The hosts that are asked, without user information.
fn hosts(profile: &Profile) -> Vec<String> {
    let urls = &profile.urls;
    let urls = [Some(&urls.auth), Some(&urls.backend), Some(&urls.websocket), urls.frontend.as_ref()];
    let mut hosts: Vec<_> = urls
        .into_iter()
        .flatten()
        .map(|url| {
            format!(
                "{}{}",
                url.host_str().unwrap_or_default(),
                url.port().map_or(String::new(), |port| format!(":{port}"))
            )
        })
        .collect();
    hosts.dedup();
    hosts
}

fn places(args: &ReportArgs, server: CiArg) -> Places {
    Places {
        attachments: server.attachments(args.out.as_deref()),
        out: args.out.clone(),
        junit: args.junit.clone(),
        json: args.json.clone(),
        html: args.html.clone(),
        markdown: args.markdown.clone(),
    }
}

/// A name for the run that sorts by time and is unlikely to meet another.
pub(super) fn run_id() -> String {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    format!("{seconds:x}-{:04x}", rand::random::<u16>())
}

impl From<PriorityArg> for Priority {
    fn from(priority: PriorityArg) -> Self {
        match priority {
            PriorityArg::P0 => Self::P0,
            PriorityArg::P1 => Self::P1,
        }
    }
}
