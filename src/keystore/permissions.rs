//! Who else may read a file of secrets.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::policy::{FileId, Lint, Place, Problem};

/// What is done about a file that group or others can read or write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permissions {
    /// Let through, with a warning.
    Insecure,
    /// Refused.
    Private,
}

impl Permissions {
    /// The problem with a file of this mode, if there is one.
    pub(crate) fn judge(self, path: &Path, metadata: &Metadata, file: FileId) -> Option<Problem> {
        let mode = metadata.mode() & 0o777;
        if mode & 0o066 == 0 {
            return None;
        }
        let place = Place { file, ..Place::default() };
        let message = format!("mode {mode:04o} lets group or others read or write it");
        let way_out = format!("`chmod 600 {}`", path.display());
        Some(match self {
            Self::Insecure => Problem::warning(Lint::OthersRead, place, message).hint(way_out),
            Self::Private => {
                Problem::error(place, message).hint(format!("{way_out}, or --insecure-permissions"))
            }
        })
    }
}

/// Opens a regular file. What is not one is refused first: opening a pipe could wait for ever.
pub(super) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}
