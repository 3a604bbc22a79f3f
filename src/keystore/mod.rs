//! Key records on disk (being built).

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::policy::draft::DraftKey;
use crate::policy::{FileId, Place, Problem};

/// What becomes of a secret file that others can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permissions {
    /// It is refused.
    Private,
    /// It is used, with a warning.
    Insecure,
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
            Self::Insecure => Problem::warning(place, message).hint(way_out),
            Self::Private => {
                Problem::error(place, message).hint(format!("{way_out}, or --insecure-permissions"))
            }
        })
    }
}

/// Reads key records.
pub fn read(_: &Path, _: FileId, _: Permissions) -> (Vec<DraftKey>, Vec<Problem>) {
    (Vec::new(), Vec::new())
}
