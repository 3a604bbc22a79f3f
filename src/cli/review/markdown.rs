//! A review for an issue tracker.

use std::io::{self, Write};

use super::Review;
use super::finding::Finding;
use super::text::notes;
use crate::cli::diff::escaped;

/// Findings of one code that are shown: an issue has room for some 65,000 characters.
const ROWS: usize = 20;

pub(super) fn write(review: &Review, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "### Access review: {}", review.findings.summary())?;
    if let Some(at) = review.at {
        writeln!(out, "\nAs of {at}.")?;
    }
    let kind = |it: &Finding| (it.severity, it.code);
    for rows in review.findings.list.chunk_by(|one, other| kind(one) == kind(other)) {
        let Some(Finding { code, severity, .. }) = rows.first() else { continue };
        let severity = severity.name();
        writeln!(out, "\n**{severity}: `{code}`** {}\n", escaped(code.remedy()))?;
        writeln!(out, "| where | what | |\n|---|---|---|")?;
        for row in rows.iter().take(ROWS) {
            let place = escaped(&review.report.place(row.place));
            writeln!(out, "| {place} | {} | {} |", escaped(&row.subject), escaped(&row.fact))?;
        }
        if let more @ 1.. = rows.len().saturating_sub(ROWS) {
            writeln!(out, "\nAnd {more} more: `sidegate review --output csv` has them all.")?;
        }
    }
    for note in notes(review) {
        writeln!(out, "\nNote: {}", escaped(&note))?;
    }
    Ok(())
}
