//! A value of an operator's file, read as what was asked for or told as a problem.

use toml::Spanned;
use toml::de::DeValue;

use super::fields::Fields;
use super::page::quoted;
use crate::policy::draft::Rows;
use crate::policy::{At, Level, Problem, nearest};

/// The longest name, pattern or other text in a field, in bytes.
pub(super) const LONGEST_TEXT: usize = 512;

/// A value with its span.
pub(super) type Value<'p> = Spanned<DeValue<'p>>;

impl<'p> Fields<'p> {
    /// `value` as a text.
    pub(super) fn as_text(&self, label: &str, value: &Value<'p>) -> Option<At<String>> {
        self.text_of(&quoted(label), value)
    }

    /// `value` as a list of texts; those that are none are told and left out.
    pub(super) fn as_texts(&self, label: &str, value: &Value<'p>) -> Option<Vec<At<String>>> {
        let DeValue::Array(items) = value.get_ref() else {
            return self.wrong_type(label, "a list of strings", value);
        };
        let what = format!("an item of {}", quoted(label));
        Some(items.iter().filter_map(|item| self.text_of(&what, item)).collect())
    }

    fn text_of(&self, what: &str, value: &Value<'p>) -> Option<At<String>> {
        match value.get_ref().as_str() {
            Some(text) => self.fit(what, At::new(text, self.place_of(value))),
            None => self.mismatch(what, "a string", value, None),
        }
    }

    /// `value` as a level.
    pub(super) fn as_level(&self, label: &str, value: &Value<'p>) -> Option<Level> {
        self.as_choice(label, value, &Level::ALL, Level::name)
    }

    /// `value` as a table.
    pub(super) fn as_table(&self, label: &str, value: &'p Value<'p>) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(entries) => Some(self.within(self.place_of(value), entries)),
            _ => self.wrong_type(label, "a table", value),
        }
    }

    /// `value` as a table of names, in the order of the file.
    pub(super) fn as_names(
        &self,
        label: &str,
        value: &'p Value<'p>,
    ) -> Option<Vec<(At<String>, &'p Value<'p>)>> {
        let DeValue::Table(table) = value.get_ref() else {
            return self.wrong_type(label, "a table", value);
        };
        let what = format!("a name in {}", quoted(label));
        let mut names: Vec<_> = table
            .iter()
            .filter_map(|(key, value)| {
                let place = self.page().place(&key.span());
                Some((self.fit(&what, At::new(key.get_ref().as_ref(), place))?, value))
            })
            .collect();
        names.sort_by_key(|(name, _)| name.place);
        Some(names)
    }

    /// `value` as levels by name; a name without a readable level is told and left out.
    pub(super) fn as_rows(&self, label: &str, value: &'p Value<'p>) -> Option<Rows> {
        let names = self.as_names(label, value)?.into_iter();
        let row = |(name, value): (At<String>, &Value<'p>)| {
            let level = self.as_level(&name.value, value)?;
            Some((name, level))
        };
        Some(names.filter_map(row).collect())
    }

    /// `value` as one of a few words.
    pub(super) fn as_choice<T: Copy>(
        &self,
        label: &str,
        value: &Value<'p>,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Option<T> {
        let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
        let known = || format!("it is one of {}", list(&names));
        if value.get_ref().as_str().is_none() {
            return self.mismatch(&quoted(label), "a string", value, Some(known()));
        }
        let written = self.as_text(label, value)?;
        let found = all.iter().copied().find(|one| name(*one) == written.value);
        if found.is_none() {
            let message = format!("`{label}` cannot be {}", quoted(&written.value));
            let problem = Problem::error(written.place, message);
            self.report(match nearest(&written.value, names.iter().copied()) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint(known()),
            });
        }
        found
    }

    /// A text that can be shown, logged and put into a header.
    fn fit(&self, what: &str, text: At<&str>) -> Option<At<String>> {
        let wrong = if text.value.is_empty() {
            "is empty".to_owned()
        } else if text.value.len() > LONGEST_TEXT {
            format!("is longer than {LONGEST_TEXT} bytes")
        } else if text.value.chars().any(char::is_control) {
            "has a control character in it".to_owned()
        } else {
            return Some(At::new(text.value.to_owned(), text.place));
        };
        self.report(Problem::error(text.place, format!("{what} {wrong}")));
        None
    }

    /// Reports that the value of `label` is of another type.
    pub(super) fn wrong_type<T>(&self, label: &str, wanted: &str, value: &Value<'p>) -> Option<T> {
        self.mismatch(&quoted(label), wanted, value, None)
    }

    /// What the parser put in place of a value that it could not read has no span: there the
    /// syntax error says enough.
    fn mismatch<T>(
        &self,
        what: &str,
        wanted: &str,
        value: &Value<'p>,
        hint: Option<String>,
    ) -> Option<T> {
        if !value.span().is_empty() {
            let message = format!("{what} must be {wanted}, not {}", kind(value));
            self.report(Problem { hint, ..Problem::error(self.place_of(value), message) });
        }
        None
    }
}

/// What `value` is, in the reader's words.
fn kind(value: &Value<'_>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Names in backticks, with commas.
pub(super) fn list(names: &[&str]) -> String {
    let mut names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.dedup();
    names.join(", ")
}
