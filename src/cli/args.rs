//! The arguments of every subcommand.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use url::Url;

use super::ci::CiArg;
use crate::profile::Whereabouts;

/// Conformance checker for deployed Netra Apex environments.
#[derive(Debug, Parser)]
#[command(name = "netra-check", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(super) struct Cli {
    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(super) color: Color,
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXIT_CODES: &str = "Exit codes:
  0    nothing gating deviates, no required check is open, at least one check conforms
  1    at least one gating deviation
  2    usage or profile error
  3    a required check is inconclusive, or the environment is unreachable
  4    nothing selected, nothing judged, or a required check not verified
  5    a report could not be written, or would have leaked a secret
  70   internal error
  130  interrupted; reports are written";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check an environment.
    Run(RunArgs),
    /// Show what a run with a profile would do, and what it could not verify.
    Plan(PlanArgs),
    /// Try each step of the way to an environment, and tell what a run could not verify.
    Doctor(DoctorArgs),
    /// Show a finished run again, or one check of it with everything that was said.
    Show(ShowArgs),
    /// List the checks.
    List(ListArgs),
    /// Show the page of a check.
    Explain(ExplainArgs),
    /// Make, check and show profiles.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Show, check and compare contracts.
    #[command(subcommand)]
    Contract(ContractCommand),
    /// Say one prompt over one socket and show what comes, frame by frame, as the contract reads it.
    Observe(ObserveArgs),
    /// Serve the built-in reference environment in the foreground.
    Serve(ServeArgs),
    /// Prove that every check can fail and that nobody is accused unjustly.
    Prove(ProveArgs),
    /// Remove the threads that runs which were killed have left.
    Sweep(SweepArgs),
    /// Print completions for a shell.
    Completions { shell: Shell },
}

/// Which profile, and what is changed in it.
#[derive(Args, Clone, Debug)]
pub(super) struct ProfileArgs {
    /// Name of a profile, or path of a profile file.
    #[arg(long, env = "NETRA_CHECK_PROFILE", value_name = "NAME|PATH")]
    pub(super) profile: Option<String>,
    /// Override a key of the profile: `--set limits.check_s=60`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) sets: Vec<String>,
}

/// Which checks.
#[derive(Args, Clone, Debug)]
pub(super) struct SelectionArgs {
    /// Scenarios, check ids or globs (`handshake`, `format/bad-json-answered`, `*/expired-*`).
    #[arg(value_name = "IDS")]
    pub(super) ids: Vec<String>,
    /// `smoke`, `full` or a suite of the profile.
    #[arg(long, value_name = "NAME")]
    pub(super) suite: Option<String>,
    /// Only scenarios of this priority.
    #[arg(long, value_enum)]
    pub(super) priority: Option<PriorityArg>,
    /// Leave these out (as IDS).
    #[arg(long, value_name = "IDS")]
    pub(super) skip: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum PriorityArg {
    #[value(name = "P0", alias = "p0")]
    P0,
    #[value(name = "P1", alias = "p1")]
    P1,
}

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) profile: ProfileArgs,
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    #[command(flatten)]
    pub(super) gate: GateArgs,
    /// Checks side by side [default: the profile's `pace.jobs`].
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<usize>,
    /// Deadline of the run in seconds [default: the profile's `limits.run_s`].
    #[arg(long, value_name = "SECONDS")]
    pub(super) timeout: Option<u64>,
    /// Seed of everything random [default: drawn, and told].
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// The revision that must be deployed [default: the profile's `ready.revision.expect`].
    #[arg(long, value_name = "REV", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) expect_revision: Option<String>,
    /// End at the first gating deviation.
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// Try each check N times; attempts that disagree are called flaky.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) repeat: u32,
    /// Write every request and frame to standard error as it happens, redacted.
    #[arg(long)]
    pub(super) wire: bool,
    /// Tell each check as it ends.
    #[arg(short, long, conflicts_with = "quiet")]
    pub(super) verbose: bool,
    /// Only deviations and the headline.
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// No progress bar.
    #[arg(long)]
    pub(super) no_progress: bool,
    /// Which CI server reads the log: annotations and step summary for GitHub, attachments for GitLab.
    #[arg(long, value_enum, default_value_t = CiArg::Auto, value_name = "SERVER")]
    pub(super) ci: CiArg,
    /// On GitHub, print `::add-mask::` with each secret of the profile first, so that later steps
    /// cannot show them. It writes them to this process's output, which only GitHub's runner hides.
    #[arg(long)]
    pub(super) add_masks: bool,
    #[command(flatten)]
    pub(super) reports: ReportArgs,
}

/// What the exit code insists on; each flag stands in place of the profile's key.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Gate")]
pub(super) struct GateArgs {
    /// Checks that must be judged (as IDS) [default: the profile's `gate.required`].
    #[arg(long, value_name = "IDS")]
    pub(super) require: Vec<String>,
    /// So many checks must conform, else exit 4 [default: the profile's `gate.min_checks`].
    #[arg(long, value_name = "N")]
    pub(super) min_checks: Option<u32>,
    /// What else fails the run, among checks that gate [default: the profile's `gate.fail_on`].
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    pub(super) fail_on: Vec<FailOnArg>,
    /// Only these scenarios gate; others warn [default: the profile's `gate.scenarios`].
    #[arg(long, value_name = "SCENARIO", value_delimiter = ',')]
    pub(super) gate_scenario: Vec<String>,
    /// Only scenarios of this priority gate [default: the profile's `gate.priorities`].
    #[arg(long, value_enum)]
    pub(super) gate_priority: Option<PriorityArg>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOnArg {
    /// A check that was not verified: exit 4.
    NotVerified,
    /// A check that could not be judged: exit 3.
    Inconclusive,
    /// A deviation from a SHOULD: exit 1.
    Warning,
}

impl GateArgs {
    /// The same as assignments to keys of the profile.
    pub(super) fn sets(&self) -> Vec<String> {
        let list = |key: &str, values: Vec<String>| {
            (!values.is_empty()).then(|| format!("gate.{key}={}", serde_json::Value::from(values)))
        };
        let fail_on = self.fail_on.iter().filter_map(ValueEnum::to_possible_value);
        let fail_on = fail_on.map(|value| value.get_name().to_owned()).collect();
        let priority = self.gate_priority.iter().map(|priority| crate::model::Priority::from(*priority).to_string());
        [
            list("required", self.require.clone()),
            self.min_checks.map(|checks| format!("gate.min_checks={checks}")),
            list("fail_on", fail_on),
            list("scenarios", self.gate_scenario.clone()),
            list("priorities", priority.collect()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Which reports are written.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct ReportArgs {
    /// Write junit.xml, report.json, report.html, summary.md and evidence/ to this directory.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Write JUnit XML.
    #[arg(long, value_name = "PATH")]
    pub(super) junit: Option<PathBuf>,
    /// Write JSON.
    #[arg(long, value_name = "PATH")]
    pub(super) json: Option<PathBuf>,
    /// Write HTML.
    #[arg(long, value_name = "PATH")]
    pub(super) html: Option<PathBuf>,
    /// Write Markdown.
    #[arg(long, value_name = "PATH")]
    pub(super) markdown: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) profile: ProfileArgs,
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
}

#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    pub(super) profile: ProfileArgs,
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// The revision that must be deployed [default: the profile's `ready.revision.expect`].
    #[arg(long, value_name = "REV", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) expect_revision: Option<String>,
    /// Text or JSON.
    #[arg(long, value_enum, default_value_t = DoctorFormat::Text)]
    pub(super) format: DoctorFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DoctorFormat {
    Text,
    Json,
}

#[derive(Args, Debug)]
pub(super) struct ShowArgs {
    /// What `run --out` wrote: the directory, or a JSON report alone.
    pub(super) dir: PathBuf,
    /// A check of the run.
    pub(super) id: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    /// Table or JSON.
    #[arg(long, value_enum, default_value_t = ListFormat::Table)]
    pub(super) format: ListFormat,
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ListFormat {
    Table,
    Json,
}

#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// A check, a defect or a variation.
    pub(super) id: String,
}

/// A profile, named as `--profile` or alone.
#[derive(Args, Debug)]
pub(super) struct WhichProfile {
    /// Name of a profile, or path of a profile file; in place of `--profile`.
    #[arg(value_name = "NAME|PATH")]
    name: Option<String>,
    #[command(flatten)]
    profile: ProfileArgs,
}

impl WhichProfile {
    /// The same as options; the bare name before the variable NETRA_CHECK_PROFILE.
    pub(super) fn args(&self) -> ProfileArgs {
        let profile = self.name.clone().or_else(|| self.profile.profile.clone());
        ProfileArgs { profile, sets: self.profile.sets.clone() }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum ProfileCommand {
    /// Write a commented profile to ./profiles.
    Init {
        /// Name of the profile.
        name: String,
        /// Where the auth service is, the backend and, if there is one, the frontend.
        #[arg(long, value_name = "URL", num_args = 2..=3, value_parser = http_url)]
        from: Vec<Url>,
    },
    /// Check a profile; all errors at once.
    Validate(WhichProfile),
    /// Show a profile with every layer merged and secrets hidden.
    Show(WhichProfile),
    /// Print the JSON Schema of profiles, for editors.
    Schema,
}

#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    /// Only one of the services.
    #[arg(long, value_enum)]
    pub(super) only: Option<ServiceArg>,
    /// Switch a defect on.
    #[arg(long = "defect", value_name = "ID")]
    pub(super) defects: Vec<String>,
    /// Switch a variation on.
    #[arg(long = "variation", value_name = "ID")]
    pub(super) variations: Vec<String>,
    /// Change messages on their way out: `drop:TYPE`, `repeat:TYPE`, `omit:TYPE.FIELD`, …
    #[arg(long = "filter", value_name = "FILTER")]
    pub(super) filters: Vec<String>,
    /// Seed of ids, keys and texts.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Contract to speak: a name or a path.
    #[arg(long, value_name = "NAME|PATH", default_value = "netra-v1")]
    pub(super) contract: String,
    /// Port of the auth service; 0 takes a free one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) auth_port: u16,
    /// Port of the backend; 0 takes a free one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) backend_port: u16,
    /// Port of the frontend; 0 takes a free one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) frontend_port: u16,
    /// Where the auth service is, when it is not served here.
    #[arg(long, value_name = "URL")]
    pub(super) auth_url: Option<url::Url>,
    /// Where the backend is, when it is not served here.
    #[arg(long, value_name = "URL")]
    pub(super) backend_url: Option<url::Url>,
    /// Write a profile that points at what is served.
    #[arg(long, value_name = "PATH")]
    pub(super) profile_out: Option<PathBuf>,
    /// Loopback address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(super) bind: std::net::IpAddr,
    /// Serve over TLS, under an authority made at the start.
    #[arg(long, conflicts_with = "only")]
    pub(super) tls: bool,
    /// Write the authority's certificate here [default: beside --profile-out].
    #[arg(long, value_name = "PATH", requires = "tls")]
    pub(super) ca_out: Option<PathBuf>,
    /// Let in only who shows a client certificate of that authority; one is written beside its certificate.
    #[arg(long, requires = "tls")]
    pub(super) require_client_cert: bool,
    /// Stand behind a gateway: whoever does not bring this header gets 403 and a web page.
    #[arg(long, value_name = "NAME: VALUE")]
    pub(super) require_header: Option<String>,
    /// Write that header into the profile, too.
    #[arg(long, requires_all = ["require_header", "profile_out"])]
    pub(super) profile_with_header: bool,
    /// Every octet comes so many milliseconds later, in both directions.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(super) delay: u64,
    /// The delay varies by up to so many milliseconds to either side.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(super) jitter: u64,
    /// Close the logins for tests, as production does.
    #[arg(long)]
    pub(super) production: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ServiceArg {
    Auth,
    Backend,
    Frontend,
}

#[derive(Args, Debug)]
pub(super) struct ProveArgs {
    /// What the references speak: a built-in contract, or the path of a contract file. Under another contract than
    /// netra-v1 the checks are proved that it lets judge, but for those that tell its known gaps.
    #[arg(long, value_name = "NAME|PATH", default_value = "netra-v1")]
    pub(super) contract: String,
    /// Only what concerns these checks (ids, scenarios or globs).
    #[arg(long = "check", value_name = "IDS")]
    pub(super) checks: Vec<String>,
    /// Only these defects or variations.
    #[arg(long = "defect", value_name = "ID")]
    pub(super) defects: Vec<String>,
    /// Under each defect run the other checks that consult its switch, too, and list those that fall.
    #[arg(long)]
    pub(super) collateral: bool,
    /// Run the generated mutants of all messages and bodies, and list the survivors.
    #[arg(long)]
    pub(super) generated: bool,
    /// Only these mutants, as `serve --filter` takes them; neither defects nor variations.
    #[arg(long = "filter", value_name = "FILTER", conflicts_with_all = ["generated", "collateral", "defects"])]
    pub(super) filters: Vec<String>,
    /// Reference environments side by side [default: 12 for each processor, fewer where open files are few].
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<usize>,
    /// Write the proof as JSON.
    #[arg(long, value_name = "PATH")]
    pub(super) json: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ContractCommand {
    /// The text of a contract; without a name those that are built in.
    Show {
        /// A built-in contract, or the path of a contract file.
        #[arg(value_name = "NAME|PATH")]
        name: Option<String>,
    },
    /// Whether a file is a contract, and what it holds.
    Validate {
        /// A built-in contract, or the path of a contract file.
        #[arg(value_name = "NAME|PATH")]
        name: String,
    },
    /// The JSON Schema of contract files, for editors.
    Schema,
    /// What two contracts say differently.
    Diff {
        /// A built-in contract, or the path of a contract file.
        #[arg(value_name = "NAME|PATH")]
        left: String,
        /// The other one.
        #[arg(value_name = "NAME|PATH")]
        right: String,
    },
}

#[derive(Args, Debug)]
pub(super) struct ObserveArgs {
    #[command(flatten)]
    pub(super) profile: ProfileArgs,
    /// What is said.
    #[arg(long, value_name = "TEXT")]
    pub(super) prompt: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct SweepArgs {
    #[command(flatten)]
    pub(super) profile: ProfileArgs,
    /// Only what runs left that began so long ago: `90s`, `15m`, `1h`, `2d`.
    #[arg(long, value_name = "AGE", default_value = "1h", value_parser = super::sweep::age)]
    pub(super) older_than: Duration,
    /// Only tell what would be removed.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// What `profile init --from` was told.
pub(super) fn whereabouts(from: &[Url]) -> Option<Whereabouts> {
    let [auth, backend, frontend @ ..] = from else { return None };
    Some(Whereabouts { auth: auth.clone(), backend: backend.clone(), frontend: frontend.first().cloned() })
}

/// Where a service may be.
fn http_url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty() => Ok(url),
        _ => Err("expected a URL like `https://auth.example.com`, without credentials".into()),
    }
}
