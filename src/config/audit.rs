//! `[audit]`: where it is kept what was refused and what was changed.

use std::path::Path;

use super::fields::Fields;
use super::settings::{BUFFERS, as_usize};
use crate::policy::Problem;
use crate::telemetry::{AuditSettings, OnFailure};

/// Entries that wait, where nobody says otherwise.
const BUFFER: usize = 16_384;
const ON_FAILURE: [OnFailure; 2] = [OnFailure::Continue, OnFailure::Deny];

/// The audit log's settings, if there is to be one.
pub(super) fn audit(fields: &mut Fields<'_>, folder: &Path) -> Option<AuditSettings> {
    let mut table = fields.table("audit")?;
    table.describe("`[audit]`");
    let hint = "name the file: `file = \"/var/log/sidegate/audit.jsonl\"`";
    let file = table.required(&["file"], hint);
    let writes = table.flag("writes");
    let place = table.place_of_field("on_failure");
    let on_failure = table.choice("on_failure", &ON_FAILURE, name).unwrap_or(OnFailure::Continue);
    let buffer = table.number("buffer", BUFFERS).map_or(BUFFER, |it| as_usize(it.value));
    if on_failure == OnFailure::Deny && !writes {
        let message = "`on_failure = \"deny\"` without `writes`: there is nothing to deny";
        let hint = "say `writes = true`: then a write is refused that could not be recorded";
        table.absent(Problem::error(place, message).hint(hint), &["writes"]);
    }
    table.finish();
    Some(AuditSettings { file: folder.join(file?.value), writes, on_failure, buffer })
}

fn name(on_failure: OnFailure) -> &'static str {
    match on_failure {
        OnFailure::Continue => "continue",
        OnFailure::Deny => "deny",
    }
}
