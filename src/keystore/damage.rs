//! What is wrong with a line, in the reader's words.

use std::fmt::Write as _;

use serde_json::error::Category;

use crate::policy::key::redacted;
use crate::policy::{FileId, Place, Problem};

use super::record::Record;

/// Problems of one file that are told one by one; of the rest, how many there are.
const TOLD: usize = 100;
/// Damaged lines after which a file is given up: it is none of ours, and may be endless.
const BEARABLE: usize = 10_000;
/// Characters of a message, which may repeat what was written.
const LONGEST_MESSAGE: usize = 240;

/// The problems of one file.
pub(super) struct Damage {
    file: FileId,
    fields: &'static [&'static str],
    problems: Vec<Problem>,
    untold: usize,
    last: u32,
}

impl Damage {
    pub(super) fn new(file: FileId) -> Self {
        Self::with_fields(file, &Record::FIELDS)
    }

    /// Of a file whose lines have fields of these names.
    pub(super) fn with_fields(file: FileId, fields: &'static [&'static str]) -> Self {
        Self { file, fields, problems: Vec::new(), untold: 0, last: 0 }
    }

    /// Whether the message of one more problem would be told.
    fn is_full(&self) -> bool {
        self.problems.len() >= TOLD
    }

    pub(super) fn add(&mut self, line: u32, column: u32, problem: impl FnOnce(Place) -> Problem) {
        self.last = line;
        if self.is_full() {
            self.untold += 1;
        } else {
            self.problems.push(problem(Place { file: self.file, line, column }));
        }
    }

    /// Notes that a line could not be read.
    pub(super) fn line(&mut self, line: u32, bytes: &[u8], error: &serde_json::Error) {
        let fields = self.fields;
        self.add(line, column(bytes, error.column()), |place| explain(place, bytes, error, fields));
    }

    /// Whether there is so much that nobody needs to read on.
    pub(super) fn is_hopeless(&self) -> bool {
        self.problems.len() + self.untold >= BEARABLE
    }

    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        if self.untold > 0 {
            let place = Place { file: self.file, line: self.last, column: 0 };
            let end = match self.is_hopeless() {
                true => "after which the file was not read on",
                false => "this one being the last",
            };
            let message = format!("and {} more damaged lines, {end}", self.untold);
            self.problems.push(Problem::error(place, message));
        }
        self.problems
    }
}

/// The parser counts bytes, and a place counts characters.
fn column(bytes: &[u8], column: usize) -> u32 {
    let before = bytes.get(..column).unwrap_or(bytes);
    u32::try_from(String::from_utf8_lossy(before).chars().count()).unwrap_or(0)
}

fn explain(place: Place, bytes: &[u8], error: &serde_json::Error, fields: &[&str]) -> Problem {
    if bytes.contains(&0) {
        let problem = Problem::error(place, "the line has a NUL byte, which no record has");
        return problem.hint("a crash may have cut the file: restore the line from a backup");
    }
    if let Err(wrong) = std::str::from_utf8(bytes) {
        let at = wrong.valid_up_to();
        let place = Place { column: column(bytes, at + 1), ..place };
        return Problem::error(place, format!("not UTF-8 from byte {} of the line on", at + 1));
    }
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    match error.classify() {
        Category::Eof => Problem::error(place, "the record is cut off before its end")
            .hint("restore the line from a backup, or delete it"),
        Category::Syntax | Category::Io => {
            Problem::error(place, format!("not a JSON object: {}", printable(text)))
        }
        Category::Data => explain_data(place, text, fields),
    }
}

fn explain_data(place: Place, text: &str, fields: &[&str]) -> Problem {
    if let Some((unknown, _)) = text.split_once(", expected")
        && let Some(name) = unknown.strip_prefix("unknown field `")
    {
        let problem = Problem::error(place, printable(unknown));
        return problem.did_you_mean(name.trim_end_matches('`'), fields.iter().copied());
    }
    // The value may be a key that somebody pasted: say what kind of thing it is, not what it says.
    if let Some(kinds) = text.strip_prefix("invalid type: ")
        && let Some((found, expected)) = kinds.rsplit_once(", expected ")
    {
        let found = found.split([' ', '`']).next().unwrap_or_default();
        return Problem::error(place, format!("{} instead of {expected}", kind(found)));
    }
    Problem::error(place, printable(text))
}

/// The parser's words for kinds of values, in JSON's.
fn kind(found: &str) -> &str {
    match found {
        "boolean" => "true or false",
        "floating" | "integer" => "a number",
        "map" => "an object",
        "null" => "null",
        "sequence" => "a list",
        "string" => "a string",
        other => other,
    }
}

/// What was written, as far as it can be shown: no control characters, nothing like a key, not long.
fn printable(text: &str) -> String {
    let mut printable = String::new();
    for (index, character) in redacted(text).chars().enumerate() {
        if index == LONGEST_MESSAGE {
            printable.push('…');
            break;
        }
        if character.is_control() {
            let _ = write!(printable, "{}", character.escape_default());
        } else {
            printable.push(character);
        }
    }
    printable
}
