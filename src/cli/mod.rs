//! The command line: the one place that wires everything together.

use std::process::ExitCode;

/// Run the command that the process was started with.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
