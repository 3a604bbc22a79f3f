//! A review for people.

use std::io::{self, Write};

use super::Review;
use super::code::Severity;
use super::finding::{Finding, counted};

/// Findings of one code that are shown: nobody reads more of the same.
const ROWS: usize = 20;

pub(super) fn write(review: &Review, colours: bool, out: &mut impl Write) -> io::Result<()> {
    let list = &review.findings.list;
    for same in list.chunk_by(|one, other| one.severity == other.severity) {
        let Some(first) = same.first() else { continue };
        let title = first.severity.name().to_uppercase();
        writeln!(out, "{}", painted(&title, colour(first.severity), colours))?;
        for rows in same.chunk_by(|one, other| one.code == other.code) {
            block(review, rows, colours, out)?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{}", review.findings.summary())?;
    for note in notes(review) {
        writeln!(out, "note: {note}")?;
    }
    Ok(())
}

/// Findings of one code: what to do, then where.
fn block(review: &Review, rows: &[Finding], colours: bool, out: &mut impl Write) -> io::Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    let name = painted(first.code.name(), BOLD, colours);
    writeln!(out, "  {name}: {}", first.code.remedy())?;
    let shown = rows.iter().take(ROWS);
    let shown: Vec<_> = shown.map(|row| (review.report.place(row.place), row)).collect();
    let width = |text: &str| text.chars().count();
    let place_width = shown.iter().map(|(place, _)| width(place)).max().unwrap_or_default();
    let subject_width = shown.iter().map(|(_, row)| width(&row.subject)).max().unwrap_or_default();
    for (place, Finding { subject, fact, .. }) in shown {
        writeln!(out, "    {place:<place_width$}  {subject:<subject_width$}  {fact}")?;
    }
    match rows.len().saturating_sub(ROWS) {
        0 => Ok(()),
        more => writeln!(out, "    and {more} more: `--output csv` has them all"),
    }
}

/// What could not be looked at, and what somebody else says.
pub(super) fn notes(review: &Review) -> Vec<String> {
    let mut notes = review.findings.notes.clone();
    if review.warnings > 0 {
        let warnings = counted(review.warnings, "warning");
        notes.push(format!("`sidegate check` has {warnings} beside these"));
    }
    notes
}

const BOLD: &str = "1";

fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::High => "1;31",
        Severity::Info => "1;36",
        Severity::Low => "1",
        Severity::Medium => "1;33",
    }
}

fn painted(text: &str, colour: &str, colours: bool) -> String {
    if colours { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
}
