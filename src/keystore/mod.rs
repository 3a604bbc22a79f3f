//! Key records on disk (being built).

use std::path::Path;

use crate::policy::draft::DraftKey;
use crate::policy::{FileId, Problem};

/// What becomes of a secret file that others can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permissions {
    /// It is refused.
    Private,
    /// It is used, with a warning.
    Insecure,
}

/// Reads key records.
pub fn read(_: &Path, _: FileId, _: Permissions) -> (Vec<DraftKey>, Vec<Problem>) {
    (Vec::new(), Vec::new())
}
