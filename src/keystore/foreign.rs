//! Keys that come from elsewhere: rows of CSV or lines of JSON, one key each.
//!
//! A row has a `key` as it is sent, in any spelling, or a `hash` as records have it; `workspace` and
//! `account`; and where there is something to say `label`, `owner`, `created`, `not_before`,
//! `expires`, in JSON also `ceiling`. Times are as in records, or dates alone.
//!
//! CSV is that of RFC 4180 with a header that names the columns, in any order; an empty field is
//! one that says nothing, and none has a line's end in it.
//!
//! INVARIANT: what was read is wiped from memory, and no problem repeats what stands in `key`.
//!
//! Start at [`each_row`].

mod csv;
mod json;
mod row;
mod wiped;

use std::io::{BufRead as _, Read};

use zeroize::Zeroizing;

use crate::policy::{FileId, Problem};

use super::damage::Damage;
use csv::Header;
pub use row::{Column, Row, Secret, Wrong};
use wiped::Wiped;

/// Bytes of a row with its end.
const LONGEST_ROW: usize = 64 * 1024;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated, with a header.
    Csv,
    /// A JSON object a line.
    JsonLines,
}

/// Gives `each` every row with the number of its line. What is no row, and what `each` says is wrong
/// with one, comes back as problems.
pub(super) fn each_row(
    input: impl Read,
    format: Format,
    file: FileId,
    mut each: impl FnMut(u32, Row) -> Result<(), Wrong>,
) -> Vec<Problem> {
    let mut damage = Damage::with_fields(file, &Column::NAMES);
    let mut reader = Wiped::new(input);
    // Room for all of it at once: a buffer that grows leaves copies of keys behind.
    let mut buffer = Zeroizing::new(Vec::with_capacity(LONGEST_ROW));
    let mut header: Option<Header> = None;
    let mut rows = 0_usize;
    let mut line = 0_u32;
    while !damage.is_hopeless() {
        buffer.clear();
        line = line.saturating_add(1);
        match reader.by_ref().take(LONGEST_ROW as u64).read_until(b'\n', &mut buffer) {
            Ok(0) => break,
            Ok(_) => rows += usize::from(format == Format::JsonLines || header.is_some()),
            Err(error) => {
                damage.add(line, 0, |place| {
                    Problem::error(place, format!("cannot read on: {error}"))
                });
                return damage.into_problems();
            }
        }
        let text = match text(&buffer, line) {
            Ok(text) => text,
            Err(message) => {
                if !buffer.ends_with(b"\n") {
                    // A failure here is met again by the next read.
                    let _ = reader.skip_until(b'\n');
                }
                damage.add(line, 0, |place| Problem::error(place, message));
                continue;
            }
        };
        let (row, columns) = match (format, &header) {
            (Format::JsonLines, _) => match json::parse(text) {
                Ok(row) => (row, None),
                Err(error) => {
                    damage.line(line, text.as_bytes(), &error);
                    continue;
                }
            },
            (Format::Csv, Some(header)) => (header.row(text), Some(header)),
            (Format::Csv, None) => match Header::parse(text) {
                Ok(parsed) => {
                    header = Some(parsed);
                    continue;
                }
                // Without it no row says anything.
                Err(wrong) => {
                    damage.add(line, wrong.at, |place| wrong.into_problem(place));
                    return damage.into_problems();
                }
            },
        };
        if let Err(wrong) = row.and_then(|row| each(line, row)) {
            let at = columns.map_or(0, |header| header.at(&wrong, text));
            damage.add(line, at, |place| wrong.into_problem(place));
        }
    }
    if rows == 0 {
        damage.add(0, 0, |place| Problem::error(place, "there is no row in it"));
    }
    damage.into_problems()
}

/// The row without its end. The last one need not have any.
fn text(bytes: &[u8], line: u32) -> Result<&str, String> {
    let ended = bytes.strip_suffix(b"\n");
    if ended.is_none() && bytes.len() == LONGEST_ROW {
        return Err(format!("the row is longer than {LONGEST_ROW} bytes"));
    }
    let text = ended.unwrap_or(bytes);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    // Spreadsheets begin files with a mark.
    let text = if line == 1 { text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) } else { text };
    if text.trim_ascii().is_empty() {
        return Err("the line is blank".to_owned());
    }
    std::str::from_utf8(text)
        .map_err(|wrong| format!("not UTF-8 from byte {} of the line on", wrong.valid_up_to() + 1))
}

#[cfg(test)]
mod tests;
