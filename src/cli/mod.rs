//! The command line: one file a subcommand.

mod args;
mod ci;
mod contract;
mod doctor;
#[cfg(test)]
mod examples;
mod explain;
mod interrupt;
mod list;
mod observe;
mod plan;
pub mod profile;
mod prove;
mod repetition;
mod run;
mod serve;
mod show;
mod sweep;
mod wire;

use std::io::{self, Write as _};

use clap::{CommandFactory as _, Parser as _};
use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};

use crate::model::ExitCode;
use crate::profile::LoadRequest;
use args::{Cli, Color, Command, ProfileArgs, ProfileCommand};

/// Parses the arguments, runs the subcommand, and gives the process's exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for = !error.use_stderr();
            // Nothing is left to tell when even this cannot be printed.
            let _ = error.print();
            return if asked_for { ExitCode::Conforms } else { ExitCode::Usage };
        }
    };
    raise_file_limit();
    match dispatch(cli) {
        Ok(code) => code,
        // Who reads our output has closed the pipe: that is no failure of ours.
        Err(error) if is_broken_pipe(&error) => ExitCode::Conforms,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::Internal
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let color = cli.color;
    match cli.command {
        Command::Run(args) => run::run(args, color),
        Command::Plan(args) => plan::plan(args, color),
        Command::Doctor(args) => doctor::doctor(args, color),
        Command::Show(args) => show::show(&args, color),
        Command::List(args) => list::list(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Profile(command) => profile_command(command, color),
        Command::Contract(command) => contract::contract(&command),
        Command::Observe(args) => observe::observe(args, color),
        Command::Serve(args) => serve::serve(args),
        Command::Prove(args) => prove::prove(args),
        Command::Sweep(args) => sweep::sweep(args, color),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "netra-check", &mut io::stdout());
            Ok(ExitCode::Conforms)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Many sockets are held at once: the soft limit of open files becomes the hard one.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Refused only where the limit is fixed; the run then lives with what there is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

fn profile_command(command: ProfileCommand, color: Color) -> anyhow::Result<ExitCode> {
    let directory = std::env::current_dir()?;
    let environment = |name: &str| std::env::var(name).ok();
    let colour = color.on_stdout();
    let mut out = io::stdout().lock();
    let with = |args: &ProfileArgs, act: Act, out: &mut dyn io::Write| -> anyhow::Result<ExitCode> {
        let Some(name) = &args.profile else { return run::no_profile() };
        let request = LoadRequest {
            name_or_path: name,
            sets: &args.sets,
            overrides: None,
            env: &environment,
            directory: &directory,
        };
        Ok(act(request, colour, out)?)
    };
    match &command {
        ProfileCommand::Init { name, from } => {
            let from = args::whereabouts(from);
            Ok(profile::init(&directory, name, from.as_ref(), &mut out)?)
        }
        ProfileCommand::Validate(args) => with(&args.args(), profile::validate, &mut out),
        ProfileCommand::Show(args) => with(&args.args(), profile::show, &mut out),
        ProfileCommand::Schema => Ok(profile::schema(&mut out)?),
    }
}

/// What a subcommand does with a profile.
type Act = fn(LoadRequest<'_>, bool, &mut dyn io::Write) -> io::Result<ExitCode>;

/// Tells a mistake in what the user asked for.
fn usage(what: &dyn std::fmt::Display) -> anyhow::Result<ExitCode> {
    writeln!(io::stderr(), "error: {what}")?;
    Ok(ExitCode::Usage)
}

/// An empty table as wide as the terminal.
fn table<const N: usize>(header: [&str; N]) -> Table {
    let line = LineStyle::none().fill('─').junction('─');
    let style = TableStyle::new().top_border(line).header_separator(line).bottom_border(line);
    let mut table = Table::new();
    table
        .load_style(style)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(terminal_size::terminal_size().map_or(100, |(width, _)| width.0))
        .set_header(header);
    table
}

impl From<args::Color> for anstream::ColorChoice {
    fn from(color: args::Color) -> Self {
        match color {
            args::Color::Auto => Self::Auto,
            args::Color::Always => Self::Always,
            args::Color::Never => Self::Never,
        }
    }
}

impl args::Color {
    /// Whether standard output is coloured.
    fn on_stdout(self) -> bool {
        self.on(&io::stdout())
    }

    /// Whether standard error is coloured.
    fn on_stderr(self) -> bool {
        self.on(&io::stderr())
    }

    fn on(self, stream: &impl anstream::stream::RawStream) -> bool {
        match self {
            Self::Auto => anstream::AutoStream::choice(stream) != anstream::ColorChoice::Never,
            Self::Always => true,
            Self::Never => false,
        }
    }
}
