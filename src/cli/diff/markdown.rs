//! A difference for a pull request.

use std::io::{self, Write};

use super::rfc3339;
use crate::policy::difference::{Difference, Row};

/// Rows at most: a comment has room for some 65,000 characters.
const ROWS: usize = 200;
/// Levels of a row at most.
const LEVELS: usize = 8;

pub(super) fn write(found: &Difference<'_>, out: &mut impl Write) -> io::Result<()> {
    let effect = found.effect();
    let verdict = match (effect.gained, effect.lost) {
        (true, true) => "access is gained and lost",
        (true, false) => "access is gained",
        (false, true) => "access is lost",
        (false, false) => "nobody gains or loses access",
    };
    writeln!(out, "### Policy: {verdict}\n\n{}", escaped(&found.summary().to_string()))?;
    if found.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n| | who or what | change |\n|---|---|---|")?;
    for row in found.rows().iter().take(ROWS) {
        write_row(row, out)?;
    }
    match found.rows().len().saturating_sub(ROWS) {
        0 => Ok(()),
        more => writeln!(out, "\n{more} more: `sidegate diff` prints them."),
    }
}

fn write_row(row: &Row<'_>, out: &mut impl Write) -> io::Result<()> {
    let subject = row.subject().to_string();
    let words = row.words(LEVELS, rfc3339);
    let change = words.strip_prefix(&subject).and_then(|rest| rest.strip_prefix(": "));
    let change = change.unwrap_or(&words);
    writeln!(out, "| `{}` | {} | {} |", row.sign(), escaped(&subject), escaped(change))
}

/// What stands in names is text: no markup, no cell's end, nobody who is called.
pub(in crate::cli) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '@' => escaped.push_str("&#64;"),
            '<' => escaped.push_str("&lt;"),
            '#' => escaped.push_str("&#35;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '>' | '|' | '~' | '!' | '&' => {
                escaped.push('\\');
                escaped.push(character);
            }
            other => escaped.push(other),
        }
    }
    escaped
}
