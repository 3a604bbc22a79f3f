//! The commands (being built).

use std::process::ExitCode;

mod key;

/// Runs the command line.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
