//! Grants of a workspace: a new one behind the others, and one taken out.

use toml_edit::{Array, Item, TableLike, Value};

use super::Unable;
use super::change::{Given, NewGrant};
use super::entries::{self, name, sections, text};
use super::layout::{Layout, Splice, Workspace, header, headers_of, walk};
use super::list::List;

impl NewGrant {
    /// Its fields, as they are written.
    fn fields(&self) -> Vec<(&'static str, String)> {
        let rows = |rows: &[(String, crate::policy::Level)]| {
            let rows =
                rows.iter().map(|(row, level)| format!("{} = {}", name(row), text(level.name())));
            format!("{{ {} }}", rows.collect::<Vec<_>>().join(", "))
        };
        let mut fields = vec![("to", text(&self.to))];
        let product = |product: &String| ("product", text(product));
        match &self.gives {
            Given::Areas(areas) => fields.push(("areas", rows(areas))),
            Given::Level(of, level) => {
                fields.extend([product(of), ("level", text(level.name()))]);
            }
            Given::Permissions(of, permissions) => {
                fields.extend([product(of), ("permissions", rows(permissions))]);
            }
            Given::Role(of, role) => fields.extend([product(of), ("role", text(role))]),
        }
        fields
    }

    fn inline(&self) -> String {
        let fields = self.fields().into_iter().map(|(field, value)| format!("{field} = {value}"));
        format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
    }

    fn block(&self, newline: &str) -> String {
        let fields = self.fields().into_iter();
        fields.map(|(field, value)| format!("{field} = {value}{newline}")).collect()
    }
}

/// Puts a grant behind the others of the workspace, or behind the workspace.
pub(super) fn add(
    workspace: Workspace<'_>,
    named: &str,
    grant: &NewGrant,
    layout: &Layout<'_>,
) -> Result<Vec<Splice>, Unable> {
    let newline = layout.newline();
    let (end, heading, blank) = match workspace.table.get("grant") {
        Some(Item::Value(Value::Array(array))) => {
            return Ok(list(array)?.add(&grant.inline(), layout));
        }
        Some(Item::ArrayOfTables(grants)) => {
            let last = grants.iter().last().ok_or_else(Unable::form)?;
            let head = header(last).ok_or_else(Unable::form)?;
            let ends = headers_of(last).into_iter().map(|header| layout.section_end(header.start));
            let end = ends.max().ok_or_else(Unable::form)?;
            (end, layout.slice(head.clone()).to_owned(), layout.is_set_off(head.start))
        }
        Some(_) => return Err(Unable::form()),
        None => {
            if let Some(item) = workspace.in_braces() {
                return entries::add(item, "grant", &format!("[{}]", grant.inline()), layout);
            }
            let (mut headers, mut ends) = (Vec::new(), Vec::new());
            walk(workspace.table, &mut headers, &mut ends);
            let places = headers.iter().map(|header| header.start).chain(ends);
            let end = places.map(|at| layout.section_end(at)).max().ok_or_else(Unable::form)?;
            let blank = headers.iter().any(|header| layout.is_set_off(header.start));
            (end, format!("[[workspace.{}.grant]]", name(named)), blank || headers.is_empty())
        }
    };
    let before = layout.break_before(end);
    let blank = if blank { newline } else { "" };
    let block = grant.block(newline);
    Ok(vec![(end..end, format!("{before}{blank}{heading}{newline}{block}"))])
}

/// Takes out the grant at `index`.
pub(super) fn remove(
    workspace: &dyn TableLike,
    index: usize,
    layout: &Layout<'_>,
) -> Result<Vec<Splice>, Unable> {
    match workspace.get("grant") {
        Some(Item::Value(Value::Array(array))) => Ok(list(array)?.remove(index, layout)),
        Some(Item::ArrayOfTables(grants)) => {
            let grant = grants.get(index).ok_or_else(Unable::form)?;
            Ok(sections(grant, layout))
        }
        _ => Err(Unable::form()),
    }
}

/// An array as a list.
pub(super) fn list(array: &Array) -> Result<List, Unable> {
    let items = array.iter().map(Value::span).collect::<Option<Vec<_>>>();
    let whole = array.span().ok_or_else(Unable::form)?;
    Ok(List { whole, items: items.ok_or_else(Unable::form)? })
}
