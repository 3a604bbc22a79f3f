//! Names to numbers: what the operator writes becomes an index.

use hashbrown::HashMap;

use crate::policy::problem::{At, Place, Problem};

/// A fixed seed is fine: nobody but the operator chooses what is in these tables.
pub(in crate::policy) type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// Names of one kind, numbered in the order in which they came.
#[derive(Debug, Default)]
pub(in crate::policy) struct Names {
    texts: Vec<Box<str>>,
    places: Vec<Place>,
    numbers: Map<Box<str>, u32>,
}

impl Names {
    /// The number of a new name, or the place of the one that was there before.
    pub(super) fn insert(&mut self, name: &At<String>) -> Result<u32, Place> {
        if let Some(number) = self.number(&name.value) {
            return Err(self.places.get(number as usize).copied().unwrap_or_default());
        }
        let number = self.texts.len() as u32;
        self.texts.push(name.value.as_str().into());
        self.places.push(name.place);
        self.numbers.insert(name.value.as_str().into(), number);
        Ok(number)
    }

    /// As [`insert`](Self::insert), with a problem where the name is there already or is no name.
    pub(super) fn declare(
        &mut self,
        kind: &str,
        name: &At<String>,
        problems: &mut Vec<Problem>,
    ) -> Option<u32> {
        if !is_name(&name.value) {
            problems.push(
                Problem::error(name.place, format!("{kind} `{}` is not a name", name.value)).hint(
                    "a name has 1 to 63 letters, digits, `.`, `_` or `-`, and starts with a letter or digit",
                ),
            );
        }
        self.insert(name)
            .map_err(|before| {
                problems.push(Problem::error(
                    name.place,
                    format!(
                        "{kind} `{}` is declared twice, first in line {}",
                        name.value, before.line
                    ),
                ));
            })
            .ok()
    }

    pub(in crate::policy) fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub(in crate::policy) fn text(&self, number: u32) -> &str {
        self.texts.get(number as usize).map_or("", |text| text)
    }

    pub(in crate::policy) fn iter(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| &**text)
    }

    pub(in crate::policy) fn len(&self) -> usize {
        self.texts.len()
    }
}

/// Names of workspaces, products, roles and the like: they stand in paths, hosts, headers, labels.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Names of accounts: what an e-mail address may have, and what a header can carry.
pub(super) fn is_account(text: &str) -> bool {
    (1..=254).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b',' | b'/'))
        && !matches!(text, "." | ".." | "*")
}
