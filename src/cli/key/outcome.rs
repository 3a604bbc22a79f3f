//! How a command ends that does not end well.

use std::fmt;
use std::io;
use std::path::Path;

use crate::cli::Exit;
use crate::config::Obstacle;
use crate::keystore::Refusal;
use crate::policy::key::redacted;
use crate::policy::{Problem, Severity};

/// Why a command failed: whole lines for the operator.
#[derive(Debug)]
pub(in crate::cli) enum Failure {
    /// The system refused.
    Broke(String),
    /// The files are wrong, or do not have what the arguments name.
    Invalid(String),
    /// The answer is no.
    No(String),
    /// The arguments are wrong by themselves.
    Usage(String),
}

impl Failure {
    pub(in crate::cli) fn exit(&self) -> Exit {
        match self {
            Self::Broke(_) => Exit::Broke,
            Self::Invalid(_) => Exit::Invalid,
            Self::No(_) => Exit::No,
            Self::Usage(_) => Exit::Usage,
        }
    }

    /// The failure that `problems` of the file at `path` are, if one of them is an error.
    pub(super) fn of_problems(path: &Path, problems: &[Problem]) -> Option<Self> {
        let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
        let lines: Vec<_> = errors.map(|problem| line(path, problem)).collect();
        (!lines.is_empty()).then(|| Self::Invalid(lines.join("\n")))
    }

    pub(super) fn of_refusal(path: &Path, refusal: Refusal) -> Self {
        match refusal {
            Refusal::Damaged(problems) | Refusal::Foreign(problems) => {
                Self::of_problems(path, &problems)
                    .unwrap_or_else(|| Self::Invalid(format!("{}: damaged", path.display())))
            }
            Refusal::Unknown { .. } => Self::Invalid(refusal.to_string()),
            Refusal::Changed(_) | Refusal::Io { .. } | Refusal::Locked(_) => {
                Self::Broke(refusal.to_string())
            }
        }
    }
}

impl From<Obstacle> for Failure {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::Broke(lines) => Self::Broke(lines),
            Obstacle::Invalid(lines) => Self::Invalid(lines),
            Obstacle::No(lines) => Self::No(lines),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // Whoever has read enough wants no words.
            io::ErrorKind::BrokenPipe => Self::Broke(String::new()),
            _ => Self::Broke(format!("cannot print: {error}")),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broke(lines) if lines.is_empty() => Ok(()),
            Self::Broke(lines) | Self::Invalid(lines) | Self::No(lines) | Self::Usage(lines) => {
                // Arguments are repeated, and may be a key in the place of its id.
                writeln!(f, "{}", redacted(lines.trim_end()))
            }
        }
    }
}

fn line(path: &Path, problem: &Problem) -> String {
    let path = path.display();
    match (problem.place.line, problem.place.column) {
        (0, _) => format!("{path}: {problem}"),
        (line, 0) => format!("{path}:{line}: {problem}"),
        (line, column) => format!("{path}:{line}:{column}: {problem}"),
    }
}
