//! Entries of a table of names, in whatever form it is written.

use std::ops::Range;

use toml_edit::{Item, Key, Table, TableLike, Value};

use super::Unable;
use super::layout::{Layout, Splice, header};
use super::list::List;

/// One that stands there by itself, not as a table of its own.
struct Entry {
    key: Range<usize>,
    value: Range<usize>,
}

/// Puts an entry behind the others of `table`.
pub(super) fn add(
    table: &Item,
    key: &str,
    value: &str,
    layout: &Layout<'_>,
) -> Result<Vec<Splice>, Unable> {
    let entry = format!("{} = {value}", name(key));
    match table {
        Item::Value(Value::InlineTable(inline)) if !inline.is_dotted() => {
            Ok(list(inline, inline.span())?.add(&entry, layout))
        }
        Item::Table(table) => {
            let (at, prefix) = match (entries(table)?.last(), header(table)) {
                (Some(Entry { key, value }), _) => {
                    let prefix = layout.slice(layout.line_start(key.start)..key.start);
                    (layout.line_end(value.end), prefix)
                }
                (None, Some(header)) => (layout.line_end(header.end), ""),
                (None, None) => return Err(Unable::form()),
            };
            let (before, newline) = (layout.break_before(at), layout.newline());
            Ok(vec![(at..at, format!("{before}{prefix}{entry}{newline}"))])
        }
        _ => Err(Unable::form()),
    }
}

/// Puts a table with one entry beside its sibling `beside`.
pub(super) fn add_table(
    workspace: &dyn TableLike,
    beside: &str,
    (table, key, value): (&str, &str, &str),
    layout: &Layout<'_>,
) -> Result<Vec<Splice>, Unable> {
    let Some((sibling, item)) = workspace.get_key_value(beside) else {
        return Err(Unable::form());
    };
    let at = sibling.span().ok_or_else(Unable::form)?;
    let entry = format!("{} = {value}", name(key));
    let newline = layout.newline();
    if let Item::Table(members) = item
        && let Some(header) = header(members)
    {
        if !(header.start..header.end).contains(&at.start) {
            return Err(Unable::form());
        }
        let prefix = layout.slice(header.start..at.start);
        let end = layout.section_end(header.start);
        let before = layout.break_before(end);
        let blank = if layout.is_set_off(header.start) { newline } else { "" };
        let text = format!("{before}{blank}{prefix}{table}]{newline}{entry}{newline}");
        return Ok(vec![(end..end, text)]);
    }
    let prefix = layout.slice(layout.line_start(at.start)..at.start);
    if prefix.contains(['{', ',']) {
        return Err(Unable::form());
    }
    let (last, text) = match item {
        Item::Table(members) => {
            let last = entries(members)?.last().map(|entry| entry.value.end);
            (last, format!("{prefix}{table}.{entry}"))
        }
        _ => (item.span().map(|span| span.end), format!("{prefix}{table} = {{ {entry} }}")),
    };
    let end = layout.line_end(last.ok_or_else(Unable::form)?);
    let before = layout.break_before(end);
    Ok(vec![(end..end, format!("{before}{text}{newline}"))])
}

/// Puts another value in the place of an entry's.
pub(super) fn set(table: &Item, key: &str, value: &str) -> Result<Vec<Splice>, Unable> {
    let item = table.as_table_like().and_then(|table| table.get(key));
    let span = item.and_then(Item::as_value).and_then(Value::span).ok_or_else(Unable::form)?;
    Ok(vec![(span, value.to_owned())])
}

/// Takes an entry out, with its line.
pub(super) fn remove(table: &Item, key: &str, layout: &Layout<'_>) -> Result<Vec<Splice>, Unable> {
    match table {
        Item::Value(Value::InlineTable(inline)) if !inline.is_dotted() => {
            let index = inline.iter().position(|(name, _)| name == key);
            let list = list(inline, inline.span())?;
            Ok(list.remove(index.ok_or_else(Unable::form)?, layout))
        }
        Item::Table(table) => match table.get_key_value(key) {
            Some((_, Item::Table(entry))) if header(entry).is_some() => Ok(sections(entry, layout)),
            Some((key, Item::Value(value))) => {
                let (key, value) = (key.span(), value.span());
                let (key, value) = key.zip(value).ok_or_else(Unable::form)?;
                let range = layout.line_start(key.start)..layout.line_end(value.end);
                Ok(vec![(range, String::new())])
            }
            _ => Err(Unable::form()),
        },
        _ => Err(Unable::form()),
    }
}

/// Takes out every section of a table, and the blank lines above it where others follow.
pub(super) fn sections(table: &Table, layout: &Layout<'_>) -> Vec<Splice> {
    let headers = super::layout::headers_of(table);
    let section = |header: &Range<usize>| {
        let mut start = layout.line_start(header.start);
        let end = layout.section_end(header.start);
        let blank_below = layout.is_blank(end..layout.line_end(end));
        while blank_below && let Some(blank) = layout.blank_above(start) {
            start = blank;
        }
        (start..end, String::new())
    };
    headers.iter().map(section).collect()
}

/// What takes out the one section of a table, if no comment stands in it.
pub(super) fn section_without_comments(table: &Table, layout: &Layout<'_>) -> Option<Vec<Splice>> {
    let splices = header(table).map(|_| sections(table, layout))?;
    let plain = |(range, _): &Splice| !layout.slice(range.clone()).contains('#');
    (splices.len() == 1 && splices.iter().all(plain)).then_some(splices)
}

/// An inline table as a list.
fn list(table: &dyn TableLike, whole: Option<Range<usize>>) -> Result<List, Unable> {
    let whole = whole.ok_or_else(Unable::form)?;
    let items = table.iter().map(|(name, item)| {
        let key = table.key(name).and_then(Key::span)?;
        Some(key.start..item.as_value()?.span()?.end)
    });
    let mut items = items.collect::<Option<Vec<_>>>().ok_or_else(Unable::form)?;
    items.sort_by_key(|item| item.start);
    Ok(List { whole, items })
}

/// The entries of a table that are no tables with a header, in the order of the text.
fn entries(table: &Table) -> Result<Vec<Entry>, Unable> {
    let mut entries = Vec::new();
    for (name, item) in table.iter() {
        let key = table.key(name).and_then(Key::span);
        match item {
            Item::Value(value) => {
                let (key, value) = key.zip(value.span()).ok_or_else(Unable::form)?;
                entries.push(Entry { key, value });
            }
            Item::Table(table) if header(table).is_some() => {}
            _ => return Err(Unable::form()),
        }
    }
    entries.sort_by_key(|entry| entry.key.start);
    Ok(entries)
}

/// A name as a key: bare where it can be.
pub(super) fn name(text: &str) -> String {
    Key::new(text).to_string()
}

/// A text as a value.
pub(super) fn text(text: &str) -> String {
    Value::from(text).to_string()
}
