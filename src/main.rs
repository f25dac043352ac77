//! The binary: arguments to `cli`, its result to an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    scimhub::cli::main()
}
