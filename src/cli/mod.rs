//! The commands (being built).

pub mod check;
pub mod init;

use std::process::ExitCode;

mod key;

/// Runs the command line.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
