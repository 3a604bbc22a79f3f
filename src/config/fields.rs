//! A table of an operator's file, handed out field by field.
//!
//! A reader asks for every field that it knows, whatever it finds, and calls
//! [`Fields::finish`] last: a field that nobody asked for is unknown.

use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::page::{Page, quoted};
use super::value::{LONGEST_TEXT, Value, list};
use crate::policy::draft::Rows;
use crate::policy::{At, Level, Place, Problem, nearest};

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Fields<'p> {
    page: &'p Page<'p>,
    what: String,
    place: Place,
    entries: &'p DeTable<'p>,
    asked: Vec<&'static str>,
    absent: Vec<(Problem, &'static [&'static str])>,
}

impl<'p> Fields<'p> {
    /// The page's root.
    pub(super) fn root(page: &'p Page<'p>, root: &'p Spanned<DeTable<'p>>) -> Self {
        Self::new(page, page.whole(), root.get_ref())
    }

    fn new(page: &'p Page<'p>, place: Place, entries: &'p DeTable<'p>) -> Self {
        Self { page, what: String::new(), place, entries, asked: Vec::new(), absent: Vec::new() }
    }

    /// A table in this one.
    pub(super) fn within(&self, place: Place, entries: &'p DeTable<'p>) -> Self {
        Self { what: self.what.clone(), ..Self::new(self.page, place, entries) }
    }

    /// Whose fields these are, for messages: "route `x`", after what the table is in.
    pub(super) fn describe(&mut self, what: impl AsRef<str>) {
        if !self.what.is_empty() {
            self.what.push_str(": ");
        }
        self.what.push_str(what.as_ref());
    }

    /// Where the table stands.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// The page that the table is on.
    pub(super) fn page(&self) -> &'p Page<'p> {
        self.page
    }

    /// Notes a problem of this table.
    pub(super) fn report(&self, mut problem: Problem) {
        if !self.what.is_empty() {
            problem.message = format!("{}: {}", self.what, problem.message);
        }
        self.page.report(problem);
    }

    /// Whether the field stands there, readable or not.
    pub(super) fn has(&self, field: &str) -> bool {
        self.entries.contains_key(field)
    }

    /// The field as it stands there.
    pub(super) fn value(&mut self, field: &'static str) -> Option<&'p Value<'p>> {
        self.asked.push(field);
        self.entries.get(field)
    }

    /// Where the field's value stands, or the table where it is not there.
    pub(super) fn place_of_field(&self, field: &str) -> Place {
        self.entries.get(field).map_or(self.place, |value| self.place_of(value))
    }

    /// Where a value stands.
    pub(super) fn place_of(&self, value: &Value<'p>) -> Place {
        self.page.place(&value.span())
    }

    /// A text.
    pub(super) fn text(&mut self, field: &'static str) -> Option<At<String>> {
        let value = self.value(field)?;
        self.as_text(field, value)
    }

    /// A text that has to be there; `hint` says how it could read.
    pub(super) fn required(
        &mut self,
        field: &'static [&'static str; 1],
        hint: &'static str,
    ) -> Option<At<String>> {
        let [name] = field;
        if !self.has(name) {
            let problem = Problem::error(self.place, format!("`{name}` is missing"));
            self.absent(problem.hint(hint), field);
        }
        self.text(name)
    }

    /// Notes a problem that any of `fields` would mend: it is told at the end, unless one of them
    /// stands there with a typo in its name or may be hidden by a syntax error.
    pub(super) fn absent(&mut self, problem: Problem, fields: &'static [&'static str]) {
        self.absent.push((problem, fields));
    }

    /// `true` or `false`; false where the field is not there.
    pub(super) fn flag(&mut self, field: &'static str) -> bool {
        match self.value(field) {
            None => false,
            Some(value) => value.get_ref().as_bool().unwrap_or_else(|| {
                self.wrong_type::<()>(field, "true or false", value);
                false
            }),
        }
    }

    /// A whole number within `range`.
    pub(super) fn number(
        &mut self,
        field: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<At<u64>> {
        let value = self.value(field)?;
        let DeValue::Integer(integer) = value.get_ref() else {
            return self.wrong_type(field, "a whole number", value);
        };
        match u64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if range.contains(&number) => Some(At::new(number, self.place_of(value))),
            _ => {
                let (low, high) = range.into_inner();
                let message = format!("`{field}` must be between {low} and {high}");
                self.report(Problem::error(self.place_of(value), message));
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        field: &'static str,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Option<T> {
        let value = self.value(field)?;
        self.as_choice(field, value, all, name)
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, field: &'static str) -> Option<Vec<At<String>>> {
        let value = self.value(field)?;
        self.as_texts(field, value)
    }

    /// A table, read on as fields.
    pub(super) fn table(&mut self, field: &'static str) -> Option<Self> {
        let value = self.value(field)?;
        self.as_table(field, value)
    }

    /// A list of tables, `[[field]]`.
    pub(super) fn list(&mut self, field: &'static str) -> Vec<Self> {
        let Some(value) = self.value(field) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type::<()>(field, "a list of tables, `[[…]]`", value);
            return Vec::new();
        };
        items.iter().filter_map(|item| self.as_table(field, item)).collect()
    }

    /// A table of names, in the order of the file.
    pub(super) fn names(&mut self, field: &'static str) -> Vec<(At<String>, &'p Value<'p>)> {
        let Some(value) = self.value(field) else { return Vec::new() };
        self.as_names(field, value).unwrap_or_default()
    }

    /// A table of tables by name, `[field.NAME]`; a name that is no table is lost.
    pub(super) fn tables(&mut self, field: &'static str) -> Vec<(At<String>, Self)> {
        let mut tables = Vec::new();
        for (name, value) in self.names(field) {
            match self.as_table(&format!("{field}.{}", name.value), value) {
                Some(table) => tables.push((name, table)),
                None => self.page.lose(&name.value),
            }
        }
        tables
    }

    /// Levels by name.
    pub(super) fn rows(&mut self, field: &'static str) -> Option<Rows> {
        let value = self.value(field)?;
        self.as_rows(field, value)
    }

    /// A level.
    pub(super) fn level(&mut self, field: &'static str) -> Option<Level> {
        let value = self.value(field)?;
        self.as_level(field, value)
    }

    /// Reports every field that nobody asked for, then what is absent, and returns the fields that
    /// the unknown ones were probably meant to be.
    pub(super) fn finish(self) -> Vec<&'static str> {
        #[cfg(test)]
        self.page.note_asked(self.entries, &self.asked);
        let mut guessed = Vec::new();
        let mut unknown: Vec<_> = self
            .entries
            .iter()
            .filter(|(key, _)| !self.asked.contains(&key.get_ref().as_ref()))
            .collect();
        unknown.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in unknown {
            if self.page.is_full() {
                break;
            }
            let written = key.get_ref().as_ref();
            lose_names(self.page, value);
            let near = nearest_field(written, &self.asked);
            let unknown = format!("unknown field {}", quoted(written));
            let problem = Problem::error(self.page.place(&key.span()), unknown);
            self.report(problem.hint(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here are {}", list(&self.asked)),
            }));
            guessed.extend(near);
        }
        if !self.page.is_broken() {
            for (problem, mends) in &self.absent {
                if !mends.iter().any(|field| guessed.contains(field)) {
                    self.report(problem.clone());
                }
            }
        }
        guessed
    }
}

/// Names that an unknown field declares are spoken of elsewhere.
fn lose_names(page: &Page<'_>, value: &Value<'_>) {
    match value.get_ref() {
        DeValue::Table(table) => table.keys().for_each(|key| page.lose(key.get_ref())),
        DeValue::Array(items) => {
            items
                .iter()
                .filter_map(|item| item.get_ref().as_str())
                .for_each(|item| page.lose(item));
        }
        _ => {}
    }
}

fn nearest_field(written: &str, asked: &[&'static str]) -> Option<&'static str> {
    // Its cost grows with the length of both.
    if written.len() > LONGEST_TEXT {
        return None;
    }
    let near = nearest(written, asked.iter().copied())?;
    asked.iter().copied().find(|field| *field == near)
}
