//! One TOML file while it is read: its text, where things stand in it, what is wrong with it.

use std::cell::RefCell;
#[cfg(test)]
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;

use crate::policy::{FileId, Place, Problem, key};

/// Above this many bytes only the first syntax error is told: a large file that is not TOML at all
/// has millions of them.
const EVERY_ERROR: usize = 256 * 1024;

/// Problems of one file that are told; a reader does not mend more of them in one go.
const MOST_PROBLEMS: usize = 1000;

/// Bytes between two marks on a long line, so that finding a column does not read all of it.
const STRIDE: usize = 1024;

/// What readers noticed on the way.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// What is wrong.
    pub(super) problems: Vec<Problem>,
    /// Names whose declaration could not be read: problems that speak of them may only follow from
    /// that.
    pub(super) lost: BTreeSet<String>,
    /// So much is missing that nothing can be said of names.
    pub(super) hollow: bool,
}

impl Notes {
    /// Adds what another reader noticed.
    pub(super) fn absorb(&mut self, other: Self) {
        self.problems.extend(other.problems);
        self.lost.extend(other.lost);
        self.hollow |= other.hollow;
    }
}

/// A place in the text that is known without counting.
#[derive(Debug, Clone, Copy)]
struct Mark {
    offset: usize,
    line: u32,
    column: u32,
}

/// One TOML file while it is read.
#[derive(Debug)]
pub(super) struct Page<'t> {
    file: FileId,
    text: &'t str,
    marks: Vec<Mark>,
    broken_lines: BTreeSet<u32>,
    notes: RefCell<Notes>,
    /// By the address of a table: the fields that its reader asked for.
    #[cfg(test)]
    asked: RefCell<BTreeMap<usize, Vec<&'static str>>>,
}

impl<'t> Page<'t> {
    /// Parses `text`; syntax errors become problems and what could be made out is returned.
    pub(super) fn parse(file: FileId, text: &'t str) -> (Self, Spanned<DeTable<'t>>) {
        let mut page = Self {
            file,
            text,
            marks: marks(text),
            broken_lines: BTreeSet::new(),
            notes: RefCell::default(),
            #[cfg(test)]
            asked: RefCell::default(),
        };
        let (root, errors) = match DeTable::parse(text) {
            Ok(root) => (root, Vec::new()),
            Err(first) if text.len() > EVERY_ERROR => {
                (Spanned::new(0..0, DeTable::new()), vec![first])
            }
            Err(_) => DeTable::parse_recoverable(text),
        };
        for error in errors {
            let span = error.span().unwrap_or(text.len()..text.len());
            let place = page.place(&span);
            let message = match (error.message(), text.get(span)) {
                ("duplicate key", Some(key)) => format!("{} is declared twice", quoted(key)),
                (message, _) => format!("not TOML: {message}"),
            };
            page.add(Problem::error(place, message));
            page.broken_lines.insert(place.line);
            page.notes.borrow_mut().hollow = true;
        }
        page.refuse_keys();
        (page, root)
    }

    /// A key in any place of the file would be a name in metrics and logs, or is there for whoever
    /// can read the file.
    fn refuse_keys(&self) {
        let mut after = 0;
        while let Some(rest) = self.text.get(after..)
            && let Some(found) = key::find(rest)
        {
            let place = self.place(&(after + found.start..after + found.end));
            let problem = Problem::error(place, "a key stands here");
            self.add(problem.hint("take it out and revoke it: keys belong in no file"));
            after += found.end;
        }
    }

    /// Whether syntax errors keep the page from being read as a whole.
    pub(super) fn is_broken(&self) -> bool {
        !self.broken_lines.is_empty()
    }

    /// Where the first byte of `span` stands.
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        let after = self.marks.partition_point(|mark| mark.offset <= span.start);
        let mark = after.checked_sub(1).and_then(|at| self.marks.get(at)).copied();
        let mark = mark.unwrap_or(Mark { offset: span.start, line: 1, column: 1 });
        let between = self.text.get(mark.offset..span.start).unwrap_or_default();
        let column = mark.column.saturating_add(count(between));
        Place { file: self.file, line: mark.line, column }
    }

    /// Where the page as a whole stands.
    pub(super) fn whole(&self) -> Place {
        Place { file: self.file, line: 0, column: 0 }
    }

    /// Notes a problem, unless it stands on a line that is not TOML anyway.
    pub(super) fn report(&self, problem: Problem) {
        if !self.broken_lines.contains(&problem.place.line) {
            self.add(problem);
        }
    }

    /// Whether no more problems are told.
    pub(super) fn is_full(&self) -> bool {
        self.notes.borrow().problems.len() > MOST_PROBLEMS
    }

    /// Notes that `name` is spoken of but could not be read.
    pub(super) fn lose(&self, name: &str) {
        self.notes.borrow_mut().lost.insert(name.to_owned());
    }

    /// Notes that nothing can be said of names.
    pub(super) fn hollow(&self) {
        self.notes.borrow_mut().hollow = true;
    }

    /// What was noticed.
    pub(super) fn into_notes(self) -> Notes {
        self.notes.into_inner()
    }

    /// Notes which fields a reader asked a table for.
    #[cfg(test)]
    pub(super) fn note_asked(&self, table: &DeTable<'_>, asked: &[&'static str]) {
        self.asked.borrow_mut().insert(std::ptr::from_ref(table).addr(), asked.to_vec());
    }

    /// By the address of a table: the fields that its reader asked for.
    #[cfg(test)]
    pub(super) fn asked(&self) -> BTreeMap<usize, Vec<&'static str>> {
        self.asked.borrow().clone()
    }

    fn add(&self, problem: Problem) {
        let mut notes = self.notes.borrow_mut();
        match notes.problems.len() {
            0..MOST_PROBLEMS => notes.problems.push(problem),
            MOST_PROBLEMS => {
                let more = format!("more than {MOST_PROBLEMS} problems");
                notes.problems.push(Problem::error(self.whole(), more).hint("mend these first"));
            }
            _ => {}
        }
    }
}

/// `text` in backticks, as far as it is fit to be shown.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 64;
    let mut shown: String = text.chars().take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("`{shown}`")
}

fn marks(text: &str) -> Vec<Mark> {
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut last = Mark { offset: start, line: 1, column: 1 };
    let mut marks = vec![last];
    let mut column = 1_u32;
    for (offset, character) in text.char_indices().skip_while(|(offset, _)| *offset < start) {
        if offset >= last.offset + STRIDE {
            last = Mark { offset, line: last.line, column };
            marks.push(last);
        }
        column = column.saturating_add(1);
        if character == '\n' {
            last = Mark { offset: offset + 1, line: last.line.saturating_add(1), column: 1 };
            marks.push(last);
            column = 1;
        }
    }
    marks
}

fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place_of(text: &str, needle: &str) -> (u32, u32) {
        let offset = text.find(needle).unwrap();
        let (page, _) = Page::parse(FileId(0), text);
        let place = page.place(&(offset..offset));
        (place.line, place.column)
    }

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let long = format!("a = [{}]", "\"ü\", ".repeat(3000) + "9");
        let cases = [
            ("a = 1\nb = 2\n", "a", (1, 1)),
            ("a = 1\nb = 2\n", "b", (2, 1)),
            ("a = 1\r\n  b = 2\r\n", "b", (2, 3)),
            ("\"ü\" = 2", "2", (1, 7)),
            ("\u{feff}a = 1", "a", (1, 1)),
            ("\n\n\nx = 1", "x", (4, 1)),
            (&long, "9", (1, 15_006)),
        ];
        for (text, needle, expected) in cases {
            assert_eq!(place_of(text, needle), expected, "{needle} in {text:.40}");
        }
    }

    #[test]
    fn every_syntax_error_is_told_with_its_place() {
        let (page, _) = Page::parse(FileId(0), "a = \nb = x\n[c]\n[c]\nd = 1 2\n");
        let told: Vec<_> = page
            .into_notes()
            .problems
            .iter()
            .map(|p| format!("{}:{}: {p}", p.place.line, p.place.column))
            .collect();
        insta::assert_debug_snapshot!(told);
    }

    #[test]
    fn a_key_is_refused_wherever_it_stands() {
        let body = format!("sg_production_{}_", "7".repeat(key::RANDOM_CHARACTERS));
        let key = format!("{body}{}", std::str::from_utf8(&key::checksum(&body)).unwrap());
        for (text, line, column) in [
            (format!("a = \"{key}\""), 1, 6),
            (format!("\n# é {key}!\n"), 2, 5),
            (format!("[role.{key}]\n"), 1, 7),
            (format!("a = = {key}"), 1, 7),
        ] {
            let (page, _) = Page::parse(FileId(0), &text);
            let problems = page.into_notes().problems;
            let told = problems.iter().find(|problem| problem.message == "a key stands here");
            let place = told.unwrap_or_else(|| panic!("{text}: {problems:?}")).place;
            assert_eq!((place.line, place.column), (line, column), "{text}");
        }
        let harmless = format!("a = \"{key}0\"\nb = \"sg_x\"");
        let (page, _) = Page::parse(FileId(0), &harmless);
        assert_eq!(page.into_notes().problems, []);
    }

    #[test]
    fn a_large_file_that_is_not_toml_is_one_problem() {
        let text = "= = =\n".repeat(EVERY_ERROR / 6 + 1);
        let (page, _) = Page::parse(FileId(0), &text);
        assert_eq!(page.into_notes().problems.len(), 1);
    }

    #[test]
    fn quotes_are_short() {
        assert_eq!(quoted("a"), "`a`");
        assert_eq!(quoted(&"ü".repeat(65)), format!("`{}…`", "ü".repeat(64)));
    }
}
