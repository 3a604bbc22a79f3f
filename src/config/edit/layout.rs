//! Where things stand in a file's text: lines, headers, and the ends of sections.

use std::ops::Range;

use toml_edit::{Document, Item, Table, TableLike, Value};

use super::Unable;

/// A part of the text, and what takes its place.
pub(super) type Splice = (Range<usize>, String);

/// A file's text with its tree.
pub(super) struct Layout<'t> {
    pub(super) text: &'t str,
    document: Document<&'t str>,
    /// `[…]` and `[[…]]`, in the order of the text.
    headers: Vec<Range<usize>>,
    /// Where values end, likewise.
    ends: Vec<usize>,
}

/// A workspace's table.
#[derive(Clone, Copy)]
pub(super) struct Workspace<'d> {
    pub(super) item: &'d Item,
    pub(super) table: &'d dyn TableLike,
}

impl<'d> Workspace<'d> {
    /// Itself, where all of it stands in braces.
    pub(super) fn in_braces(self) -> Option<&'d Item> {
        Some(self.item).filter(|item| item.is_inline_table())
    }
}

impl<'t> Layout<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, Unable> {
        let document = Document::parse(text).map_err(|error| Unable(error.to_string()))?;
        let (mut headers, mut ends) = (Vec::new(), Vec::new());
        walk(document.as_table(), &mut headers, &mut ends);
        headers.sort_by_key(|header| header.start);
        ends.sort_unstable();
        Ok(Self { text, document, headers, ends })
    }

    /// `[workspace.NAME]`, in whatever form.
    pub(super) fn workspace(&self, name: &str) -> Result<Workspace<'_>, Unable> {
        let workspaces = self.document.get("workspace").and_then(Item::as_table_like);
        let item = workspaces.and_then(|table| table.get(name));
        let table = item.and_then(Item::as_table_like);
        let both = item.zip(table).map(|(item, table)| Workspace { item, table });
        both.ok_or_else(|| Unable(format!("workspace `{name}` does not stand there")))
    }

    pub(super) fn slice(&self, range: Range<usize>) -> &'t str {
        self.text.get(range).unwrap_or_default()
    }

    pub(super) fn line_start(&self, at: usize) -> usize {
        self.slice(0..at).rfind('\n').map_or(0, |newline| newline + 1)
    }

    /// Behind the line's newline, if it has one.
    pub(super) fn line_end(&self, at: usize) -> usize {
        let rest = self.slice(at..self.text.len());
        rest.find('\n').map_or(self.text.len(), |newline| at + newline + 1)
    }

    /// How lines end here.
    pub(super) fn newline(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    /// What separates a new line from the text before `at`: nothing, but at the end of a file whose
    /// last line has no end.
    pub(super) fn break_before(&self, at: usize) -> &'static str {
        match self.slice(0..at).chars().next_back() {
            None | Some('\n') => "",
            Some(_) => self.newline(),
        }
    }

    /// Behind the line of the last thing in the section that `at` is in.
    pub(super) fn section_end(&self, at: usize) -> usize {
        let begun = self.headers.partition_point(|header| header.start <= at);
        let next = self.headers.get(begun).map_or(self.text.len(), |header| header.start);
        let ended = self.ends.partition_point(|end| *end <= next);
        let last = ended.checked_sub(1).and_then(|last| self.ends.get(last)).copied();
        let header = begun.checked_sub(1).and_then(|last| self.headers.get(last));
        let header = header.map_or(0, |header| header.end);
        self.line_end(last.unwrap_or_default().max(header))
    }

    /// Where the line above the one that `at` is in begins, if that is blank.
    pub(super) fn blank_above(&self, at: usize) -> Option<usize> {
        let line = self.line_above(at)?;
        self.is_blank(line.clone()).then_some(line.start)
    }

    /// Whether a blank line sets off what begins at `at`, with the comments right above it.
    pub(super) fn is_set_off(&self, at: usize) -> bool {
        let mut at = at;
        while let Some(line) = self.line_above(at)
            && self.slice(line.clone()).trim_start().starts_with('#')
        {
            at = line.start;
        }
        self.blank_above(at).is_some()
    }

    fn line_above(&self, at: usize) -> Option<Range<usize>> {
        let start = self.line_start(at);
        Some(self.line_start(start.checked_sub(1)?)..start)
    }

    pub(super) fn is_blank(&self, range: Range<usize>) -> bool {
        self.slice(range).trim().is_empty()
    }
}

/// The text after all splices, which do not overlap.
pub(super) fn spliced(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(text.len() + 256);
    let mut at = 0;
    for (range, new) in splices {
        out.push_str(text.get(at..range.start).unwrap_or_default());
        out.push_str(&new);
        at = range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Notes headers and ends of values of a table and all that is in it.
pub(super) fn walk(table: &dyn TableLike, headers: &mut Vec<Range<usize>>, ends: &mut Vec<usize>) {
    for (_, item) in table.iter() {
        match item {
            Item::None => {}
            Item::Value(Value::InlineTable(table)) if table.is_dotted() => {
                walk(table, headers, ends);
            }
            Item::Value(value) => ends.extend(value.span().map(|span| span.end)),
            Item::Table(table) => with_header(table, headers, ends),
            Item::ArrayOfTables(tables) => {
                tables.iter().for_each(|table| with_header(table, headers, ends));
            }
        }
    }
}

fn with_header(table: &Table, headers: &mut Vec<Range<usize>>, ends: &mut Vec<usize>) {
    headers.extend(header(table));
    walk(table, headers, ends);
}

/// Where the table's own `[…]` stands, if it has one.
pub(super) fn header(table: &Table) -> Option<Range<usize>> {
    if table.is_dotted() || table.is_implicit() { None } else { table.span() }
}

/// The headers of a table and of all that is in it.
pub(super) fn headers_of(table: &Table) -> Vec<Range<usize>> {
    let mut headers = Vec::new();
    with_header(table, &mut headers, &mut Vec::new());
    headers
}
