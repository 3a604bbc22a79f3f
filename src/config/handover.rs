//! `[handover]`: where a process that is to follow this one asks for its sockets.

use std::path::{Path, PathBuf};

use super::fields::Fields;
use super::listen::LONGEST_SOCKET;
use super::page::quoted;
use crate::policy::Problem;

/// The socket's path, if there is to be one.
pub(super) fn socket(fields: &mut Fields<'_>, folder: &Path) -> Option<PathBuf> {
    let mut table = fields.table("handover")?;
    table.describe("`[handover]`");
    let hint = "name a path that only this user can write to: `/run/sidegate/handover.sock`";
    let written = table.required(&["socket"], hint);
    let wrong = written.as_ref().and_then(|written| match written.value.as_str() {
        "" => Some("is no path".to_owned()),
        text if text.starts_with("unix:") || text.starts_with('@') => {
            Some("is no path: the socket has a file, whose mode says who may ask".to_owned())
        }
        text if folder.join(text).as_os_str().len() > LONGEST_SOCKET => {
            Some(format!("is longer than {LONGEST_SOCKET} bytes"))
        }
        _ => None,
    });
    if let (Some(wrong), Some(written)) = (wrong, &written) {
        let message = format!("`socket`: {} {wrong}", quoted(&written.value));
        table.report(Problem::error(written.place, message).hint(hint));
    }
    table.finish();
    written.map(|written| folder.join(written.value))
}
