//! Why the key file was not changed.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::policy::Problem;

/// Why nothing was changed.
#[derive(Debug)]
pub enum Refusal {
    /// Another process changed the record with this id since it was read.
    Changed(String),
    /// The file is not whole, or others can read it.
    Damaged(Vec<Problem>),
    /// Rows that were to be taken up are wrong.
    Foreign(Vec<Problem>),
    /// The system refused.
    Io {
        /// What could not be done.
        what: String,
        /// Why.
        error: io::Error,
    },
    /// Another process holds the lock of this folder.
    Locked(PathBuf),
    /// No record has the id.
    Unknown {
        /// What was asked for.
        id: String,
        /// An id that could be meant.
        nearest: Option<String>,
    },
}

impl Refusal {
    pub(super) fn io(what: impl Into<String>, error: io::Error) -> Self {
        Self::Io { what: what.into(), error }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(id) => {
                write!(
                    f,
                    "the record of `{id}` was changed by somebody else just now — run it again"
                )
            }
            Self::Damaged(problems) => write!(f, "{} problems in the key records", problems.len()),
            Self::Foreign(problems) => write!(f, "{} problems in the rows", problems.len()),
            Self::Io { what, error } => write!(f, "{what}: {error}"),
            Self::Locked(folder) => write!(
                f,
                "another process has held the lock of the folder `{}` for 30 seconds — find it \
                 with `fuser {}`",
                folder.display(),
                folder.display()
            ),
            Self::Unknown { id, nearest } => {
                write!(f, "no key has the id `{}`", id.escape_debug())?;
                match nearest {
                    Some(near) => write!(f, " — did you mean `{near}`?"),
                    None => write!(f, " — `sidegate key list` shows them all"),
                }
            }
        }
    }
}

impl std::error::Error for Refusal {}
