//! The arguments of every subcommand.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

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
    /// List the checks.
    List(ListArgs),
    /// Show the page of a check.
    Explain(ExplainArgs),
    /// Make, check and show profiles.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Serve the built-in reference environment in the foreground.
    Serve(ServeArgs),
    /// Prove that every check can fail and that nobody is accused unjustly.
    Prove(ProveArgs),
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
    #[command(flatten)]
    pub(super) reports: ReportArgs,
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

#[derive(Debug, Subcommand)]
pub(super) enum ProfileCommand {
    /// Write a commented profile to ./profiles.
    Init {
        /// Name of the profile.
        name: String,
    },
    /// Check a profile; all errors at once.
    Validate(ProfileArgs),
    /// Show a profile with every layer merged and secrets hidden.
    Show(ProfileArgs),
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ServiceArg {
    Auth,
    Backend,
    Frontend,
}

#[derive(Args, Debug)]
pub(super) struct ProveArgs {
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
    /// Reference environments side by side [default: 4 for each processor].
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<usize>,
    /// Write the proof as JSON.
    #[arg(long, value_name = "PATH")]
    pub(super) json: Option<PathBuf>,
}
