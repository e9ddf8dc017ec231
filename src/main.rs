//! The thin binary: parse, run, map to the exit code.

use netra_check::model::ExitCode;

fn main() -> ExitCode {
    netra_check::cli::main()
}
