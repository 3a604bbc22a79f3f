//! Who else can write what decides.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::config::draft;
use crate::policy::{Lint, Place, Problem};

/// Bits that let group and others write.
const OTHERS_WRITE: u32 = 0o022;
/// In such a directory only its owner takes a file away.
const STICKY: u32 = 0o1000;

/// The file at `path`, or a folder and the `*.toml` in it; told at `place`.
pub(super) fn writable(path: &Path, place: Place) -> Vec<Problem> {
    let mut problems: Vec<_> = judge(path, None, place).into_iter().collect();
    for file in draft::names(path).into_iter().flatten() {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        problems.extend(judge(&file, name, place));
    }
    problems
}

fn judge(path: &Path, name: Option<String>, place: Place) -> Option<Problem> {
    let mode = fs::metadata(path).ok()?.mode() & 0o7777;
    if mode & OTHERS_WRITE == 0 || (path.is_dir() && mode & STICKY != 0) {
        return None;
    }
    let what = name.map(|name| format!("`{name}`: ")).unwrap_or_default();
    let message = format!("{what}mode {mode:04o} lets group or others write what decides");
    let hint = format!("`chmod go-w {}`", path.display());
    Some(Problem::warning(Lint::OthersWrite, place, message).hint(hint))
}
