//! Comma-separated rows (RFC 4180), one a line.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::row::{Column, Raw, Row, Wrong};
use crate::policy::nearest;

/// Which column is where.
#[derive(Debug)]
pub(super) struct Header(Vec<Column>);

/// A field, and the character of the line that it begins at, from 1.
#[derive(Debug, PartialEq, Eq)]
struct Field<'a> {
    text: Cow<'a, str>,
    at: u32,
}

impl Header {
    pub(super) fn parse(line: &str) -> Result<Self, Wrong> {
        let mut columns = Vec::new();
        for (field, number) in fields(line)?.into_iter().zip(1..) {
            let column = column(&field, number)?;
            if columns.contains(&column) {
                let message = format!("the header has `{}` twice", column.name());
                return Err(Wrong::of_row(field.at, message));
            }
            columns.push(column);
        }
        for needed in [Column::Workspace, Column::Account] {
            if !columns.contains(&needed) {
                let message = format!("the header has no `{}`", needed.name());
                return Err(Wrong::of_row(0, message).hint(known()));
            }
        }
        match (columns.contains(&Column::Key), columns.contains(&Column::Hash)) {
            (false, false) => {
                Err(Wrong::of_row(0, "the header has neither `key` nor `hash`").hint(known()))
            }
            _ => Ok(Self(columns)),
        }
    }

    pub(super) fn row(&self, line: &str) -> Result<Row, Wrong> {
        let fields = fields(line)?;
        if fields.len() != self.0.len() {
            let (has, header) = (fields.len(), self.0.len());
            let message = format!("the row has {has} fields and the header {header}");
            return Err(Wrong::of_row(0, message).hint("a field with a comma in it is quoted"));
        }
        let mut raw = Raw::default();
        for (column, Field { text, .. }) in self.0.iter().zip(fields) {
            if text.is_empty() {
                continue;
            }
            match column {
                Column::Account => raw.account = Some(text),
                // No header has it.
                Column::Ceiling => {}
                Column::Created => raw.created = Some(text),
                Column::Expires => raw.expires = Some(text),
                Column::Hash => raw.hash = Some(text),
                Column::Key => raw.key = Some(Zeroizing::new(text.into_owned())),
                Column::Label => raw.label = Some(text),
                Column::NotBefore => raw.not_before = Some(text),
                Column::Owner => raw.owner = Some(text),
                Column::Workspace => raw.workspace = Some(text),
            }
        }
        raw.parse()
    }

    /// Where in the line the column is that something is wrong with.
    pub(super) fn at(&self, wrong: &Wrong, line: &str) -> u32 {
        let number = self.0.iter().position(|column| Some(*column) == wrong.column);
        let found = number.zip(fields(line).ok());
        found.and_then(|(number, fields)| Some(fields.get(number)?.at)).unwrap_or(wrong.at)
    }
}

/// The text is only repeated where it is nearly a name: without a header it may be a key.
fn column(field: &Field<'_>, number: u32) -> Result<Column, Wrong> {
    let name = field.text.trim();
    let found = Column::ALL.into_iter().find(|column| column.name() == name);
    match found.filter(|column| *column != Column::Ceiling) {
        Some(column) => Ok(column),
        None => Err(match nearest(name, Column::NAMES).filter(|near| *near != "ceiling") {
            Some(near) => Wrong::of_row(field.at, format!("unknown column `{name}`"))
                .hint(format!("did you mean `{near}`?")),
            None => Wrong::of_row(field.at, format!("column {number} of the header is unknown"))
                .hint(known()),
        }),
    }
}

fn known() -> String {
    let names = Column::NAMES.into_iter().filter(|name| *name != "ceiling");
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    format!("the first line names the columns, of {}", names.join(", "))
}

fn fields(line: &str) -> Result<Vec<Field<'_>>, Wrong> {
    let mut fields = Vec::new();
    let mut rest = line;
    let mut at = 1;
    loop {
        let (text, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted, at)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (text, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
                if let Some(quote) = text.find('"') {
                    let before = text.get(..quote).unwrap_or_default();
                    let message = "a quote stands inside a field that does not begin with one";
                    return Err(Wrong::of_row(at + length(before), message)
                        .hint("quote the whole field, and double the quotes in it"));
                }
                (Cow::Borrowed(text), after)
            }
        };
        fields.push(Field { text, at });
        let Some(next) = after.strip_prefix(',') else {
            return Ok(fields);
        };
        let read = rest.len() - next.len();
        at += length(rest.get(..read).unwrap_or_default());
        rest = next;
    }
}

/// A field after its first quote, and what comes after its last. `at` is where the field begins.
fn unquoted(text: &str, at: u32) -> Result<(Cow<'_, str>, &str), Wrong> {
    let mut end = 0;
    let mut doubled = false;
    loop {
        let Some(quote) = text.get(end..).and_then(|rest| rest.find('"')) else {
            return Err(Wrong::of_row(at, "a quote is not closed on its line"));
        };
        end += quote;
        let after = text.get(end + 1..).unwrap_or_default();
        if after.starts_with('"') {
            doubled = true;
            end += 2;
            continue;
        }
        if !after.is_empty() && !after.starts_with(',') {
            let before = text.get(..end).unwrap_or_default();
            let message = "after a closing quote there is no comma";
            return Err(Wrong::of_row(at + 2 + length(before), message));
        }
        let inside = text.get(..end).unwrap_or_default();
        let inside = match doubled {
            true => Cow::Owned(inside.replace("\"\"", "\"")),
            false => Cow::Borrowed(inside),
        };
        return Ok((inside, after));
    }
}

fn length(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}
