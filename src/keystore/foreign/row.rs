//! A row, whatever it was written as.

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::keystore::api_key::ApiKey;
use crate::keystore::record::Ceiling;
use crate::keystore::text::Text;
use crate::keystore::timestamp::Timestamp;
use crate::policy::key::{DigestKind, KeyDigest};
use crate::policy::{Place, Problem};

/// What a row can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// The account that the key speaks for.
    Account,
    /// What it reaches at most; in JSON only.
    Ceiling,
    /// When it was made.
    Created,
    /// When it ends.
    Expires,
    /// What is kept of it.
    Hash,
    /// The key itself.
    Key,
    /// What somebody calls it.
    Label,
    /// When it begins.
    NotBefore,
    /// Who is asked about it.
    Owner,
    /// The workspace that it is of.
    Workspace,
}

impl Column {
    /// Every column, in the order of its number.
    pub(super) const ALL: [Self; 10] = [
        Self::Account,
        Self::Ceiling,
        Self::Created,
        Self::Expires,
        Self::Hash,
        Self::Key,
        Self::Label,
        Self::NotBefore,
        Self::Owner,
        Self::Workspace,
    ];

    /// Their names, likewise.
    pub(super) const NAMES: [&'static str; 10] = [
        "account",
        "ceiling",
        "created",
        "expires",
        "hash",
        "key",
        "label",
        "not_before",
        "owner",
        "workspace",
    ];

    pub(super) fn name(self) -> &'static str {
        Self::NAMES.get(self as usize).copied().unwrap_or_default()
    }
}

/// What is wrong with a row, in the reader's words. Never what stands in `key`.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// In which column, where it is one.
    pub column: Option<Column>,
    /// Where in the line that is known to be, in characters from 1; 0 where it is not.
    pub(super) at: u32,
    /// What.
    pub message: String,
    /// The way out, where there is one.
    pub hint: Option<String>,
}

impl Wrong {
    /// Something that is wrong with a column.
    pub fn new(column: Column, message: impl Into<String>) -> Self {
        Self { column: Some(column), at: 0, message: message.into(), hint: None }
    }

    /// Something that is wrong with the row at that character.
    pub(super) fn of_row(at: u32, message: impl Into<String>) -> Self {
        Self { column: None, at, message: message.into(), hint: None }
    }

    /// The same with a way out.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub(super) fn into_problem(self, place: Place) -> Problem {
        let message = match self.column {
            Some(column) => format!("`{}`: {}", column.name(), self.message),
            None => self.message,
        };
        Problem { hint: self.hint, ..Problem::error(place, message) }
    }
}

/// A key, or what is kept of one.
#[derive(Debug)]
pub enum Secret {
    /// The hash, as records have it.
    Hash(KeyDigest),
    /// The key.
    Key(ApiKey),
}

/// A key from elsewhere.
#[derive(Debug)]
pub struct Row {
    /// The key, or what is kept of it.
    pub secret: Secret,
    /// The workspace that it is of.
    pub workspace: Text<'static>,
    /// The account that it speaks for.
    pub account: Text<'static>,
    /// What somebody calls it.
    pub label: Option<Text<'static>>,
    /// Who is asked about it.
    pub owner: Option<Text<'static>>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Not valid before.
    pub not_before: Option<Timestamp>,
    /// Not valid from this second on.
    pub expires: Option<Timestamp>,
    /// What it can reach at most.
    pub ceiling: Option<Ceiling>,
}

/// What a row says, before it is known whether that can be.
#[derive(Debug, Default)]
pub(super) struct Raw<'a> {
    pub(super) account: Option<Cow<'a, str>>,
    pub(super) created: Option<Cow<'a, str>>,
    pub(super) expires: Option<Cow<'a, str>>,
    pub(super) hash: Option<Cow<'a, str>>,
    pub(super) key: Option<Zeroizing<String>>,
    pub(super) label: Option<Cow<'a, str>>,
    pub(super) not_before: Option<Cow<'a, str>>,
    pub(super) owner: Option<Cow<'a, str>>,
    pub(super) workspace: Option<Cow<'a, str>>,
    pub(super) ceiling: Option<Ceiling>,
}

impl Raw<'_> {
    pub(super) fn parse(self) -> Result<Row, Wrong> {
        let wrong = |column| move |why: &str| Wrong::new(column, why);
        let secret = match (self.key, self.hash) {
            (Some(key), None) => {
                Secret::Key(ApiKey::parse(key).map_err(|why| Wrong::new(Column::Key, why))?)
            }
            (None, Some(hash)) => Secret::Hash(digest(&hash)?),
            (None, None) => return Err(Wrong::of_row(0, "it has neither `key` nor `hash`")),
            (Some(_), Some(_)) => return Err(Wrong::of_row(0, "it has both `key` and `hash`")),
        };
        let text = |column, text: Option<Cow<'_, str>>| {
            let parse = |text: Cow<'_, str>| Text::parse(text.into_owned()).map_err(wrong(column));
            text.map(parse).transpose()
        };
        let needed = |column, value| match text(column, value) {
            Ok(None) => Err(Wrong::new(column, "there is none")),
            Ok(Some(text)) => Ok(text),
            Err(wrong) => Err(wrong),
        };
        let row = Row {
            secret,
            workspace: needed(Column::Workspace, self.workspace)?,
            account: needed(Column::Account, self.account)?,
            label: text(Column::Label, self.label)?,
            owner: text(Column::Owner, self.owner)?,
            created: time(Column::Created, self.created)?,
            not_before: time(Column::NotBefore, self.not_before)?,
            expires: time(Column::Expires, self.expires)?,
            ceiling: self.ceiling,
        };
        if row.not_before.zip(row.expires).is_some_and(|(begins, ends)| ends <= begins) {
            return Err(Wrong::new(Column::Expires, "it ends before it begins, at `not_before`"));
        }
        Ok(row)
    }
}

fn digest(text: &str) -> Result<KeyDigest, Wrong> {
    // What begins otherwise is not repeated: it may be a key.
    let kind = text.split_once(':').map(|(kind, _)| kind);
    let is_hash = DigestKind::ALL.iter().any(|known| Some(known.name()) == kind);
    KeyDigest::parse(if is_hash { text } else { "" }).map_err(|why| Wrong::new(Column::Hash, why))
}

/// The text is not repeated: where columns are mixed up, it may be a key.
fn time(column: Column, text: Option<Cow<'_, str>>) -> Result<Option<Timestamp>, Wrong> {
    let parse = |text: Cow<'_, str>| {
        Timestamp::parse(&text)
            .or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")))
            .ok_or_else(|| {
                let such = "`2027-02-18T10:00:00Z` or `2027-02-18`";
                Wrong::new(column, format!("it is no time such as {such}"))
            })
    };
    text.map(parse).transpose()
}
