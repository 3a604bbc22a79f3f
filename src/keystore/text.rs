//! Names and labels in key records.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use crate::policy::key;

/// Characters of a key of ours whose environment has one. What is shorter need not be searched.
const SHORTEST_KEY: usize = 5 + key::RANDOM_CHARACTERS + 1 + key::CHECKSUM_CHARACTERS;

/// A name or a label: not empty, and nothing in it that would move a terminal's cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Text<'a>(Cow<'a, str>); // INVARIANT: only `parse` makes one

impl<'a> Text<'a> {
    /// The text, if it can stand in a record.
    ///
    /// # Errors
    ///
    /// In the reader's words, what is wrong with it.
    pub fn parse(text: impl Into<Cow<'a, str>>) -> Result<Self, &'static str> {
        let text = text.into();
        if text.is_empty() {
            return Err("a name or label is not empty (null is no label)");
        }
        let plain = text.bytes().all(|byte| (b' '..0x7f).contains(&byte));
        if !plain && text.chars().any(char::is_control) {
            return Err("a name or label has no control characters");
        }
        if text.len() >= SHORTEST_KEY && key::find(&text).is_some() {
            return Err("a name or label has a key in it: revoke that key");
        }
        Ok(Self(text))
    }

    /// The same text, with a memory of its own.
    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Text::parse(text).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
        Text::parse(text.to_owned()).map_err(E::custom)
    }
}
