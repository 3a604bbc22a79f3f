//! One row of a difference.

use std::borrow::Cow;
use std::fmt;
use std::ops::BitOr;
use std::rc::Rc;

use super::reach::{Compared, Life, Reach, ScopeName};
use crate::policy::time::UnixSeconds;

/// Of what a row tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject<'s> {
    /// Something of the whole policy.
    Setting(&'s str),
    /// A route, by its name; where that changed, by the new one.
    Route(&'s str),
    /// An account in a workspace.
    Member {
        /// The workspace.
        workspace: &'s str,
        /// The account.
        account: &'s str,
    },
    /// A key, as it is now, or as it was where it went.
    Key {
        /// `k_…`
        id: &'s str,
        /// Whose it is.
        account: &'s str,
        /// Where. Empty where there is no such workspace.
        workspace: &'s str,
    },
}

/// What became of the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It was not there.
    Came,
    /// It is there no more.
    Went,
    /// A key was revoked, now or for a time to come.
    Revoked,
    /// Anything else.
    Changed,
}

impl Kind {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Came => "came",
            Self::Went => "went",
            Self::Revoked => "revoked",
            Self::Changed => "changed",
        }
    }
}

/// Which way a change goes. It can go both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effect {
    /// Something is allowed that was not.
    pub gained: bool,
    /// Something was allowed that is not.
    pub lost: bool,
}

impl Effect {
    /// No decision changes its outcome.
    pub const NONE: Self = Self { gained: false, lost: false };
    /// Both.
    pub const BOTH: Self = Self { gained: true, lost: true };
}

impl BitOr for Effect {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self { gained: self.gained | other.gained, lost: self.lost | other.lost }
    }
}

/// What a field held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'s> {
    /// Nothing.
    Nothing,
    /// Words.
    Text(Cow<'s, str>),
    /// A time.
    Time(UnixSeconds),
}

impl<'s> From<&'s str> for Value<'s> {
    fn from(text: &'s str) -> Self {
        Self::Text(text.into())
    }
}

impl<'s> From<Option<&'s str>> for Value<'s> {
    fn from(text: Option<&'s str>) -> Self {
        text.map_or(Self::Nothing, Self::from)
    }
}

impl From<Option<UnixSeconds>> for Value<'_> {
    fn from(time: Option<UnixSeconds>) -> Self {
        time.map_or(Self::Nothing, Self::Time)
    }
}

/// A field of the subject that holds something else now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'s> {
    /// As files write it, where they do.
    pub name: &'static str,
    /// What it held.
    pub was: Value<'s>,
    /// What it holds.
    pub is: Value<'s>,
}

/// A scope on which a holder reaches more or less than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelChange<'s> {
    /// The workspace of the scope.
    pub workspace: &'s str,
    /// The scope.
    pub scope: ScopeName<'s>,
    /// What was reached.
    pub was: Reach,
    /// What is reached.
    pub is: Reach,
}

impl LevelChange<'_> {
    /// Which way it goes.
    pub fn effect(&self) -> Effect {
        Effect { gained: self.is.exceeds(self.was), lost: self.was.exceeds(self.is) }
    }
}

/// All that changed of one subject.
#[derive(Debug)]
pub struct Row<'s> {
    subject: Subject<'s>,
    kind: Kind,
    effect: Effect,
    fields: Vec<Field<'s>>,
    levels: Levels<'s>,
}

/// Where the levels of a row come from: tables that rows share, and the holder's own time.
#[derive(Debug, Default)]
pub(super) struct Levels<'s> {
    pub(super) compared: Vec<Rc<Compared<'s>>>,
    pub(super) was: Life,
    pub(super) is: Life,
}

impl<'s> Levels<'s> {
    pub(super) fn iter(&self) -> impl Iterator<Item = LevelChange<'s>> {
        self.compared.iter().flat_map(|compared| compared.within(self.was, self.is))
    }
}

impl<'s> Row<'s> {
    pub(super) fn new(
        subject: Subject<'s>,
        kind: Kind,
        effect: Effect,
        fields: Vec<Field<'s>>,
    ) -> Self {
        Self { subject, kind, effect, fields, levels: Levels::default() }
    }

    pub(super) fn with_levels(mut self, levels: Levels<'s>) -> Self {
        self.effect = levels.iter().fold(self.effect, |all, level| all | level.effect());
        self.levels = levels;
        self
    }

    /// Of what it tells.
    pub fn subject(&self) -> &Subject<'s> {
        &self.subject
    }

    /// What became of it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it gained, and whether it lost.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Every field that holds something else; none where the subject came or went.
    pub fn fields(&self) -> &[Field<'s>] {
        &self.fields
    }

    /// Every scope on which a holder reaches more or less.
    pub fn levels(&self) -> impl Iterator<Item = LevelChange<'s>> {
        self.levels.iter()
    }

    /// `+` where it came or only gained, `-` where it went or only lost, else `~`.
    pub fn sign(&self) -> char {
        match (self.kind, self.effect) {
            (Kind::Came, _) | (Kind::Changed, Effect { gained: true, lost: false }) => '+',
            (Kind::Went | Kind::Revoked, _) | (_, Effect { gained: false, lost: true }) => '-',
            (Kind::Changed, _) => '~',
        }
    }

    /// All of it in one line, with as many levels as `most`; `time` writes times.
    pub fn words(&self, most: usize, time: impl Fn(UnixSeconds) -> String) -> String {
        let value = |value: &Value<'_>| match value {
            Value::Nothing => "none".to_owned(),
            Value::Text(text) => text.clone().into_owned(),
            Value::Time(at) => time(*at),
        };
        let field = |field: &Field<'_>| match (field.name, &field.was) {
            ("revoked", Value::Nothing) => format!("revoked {}", value(&field.is)),
            (name, was) => format!("{name} {} → {}", value(was), value(&field.is)),
        };
        let whole = matches!(self.kind, Kind::Came | Kind::Went);
        let kind = whole.then(|| self.kind.name().to_owned());
        let mut parts: Vec<String> =
            kind.into_iter().chain(self.fields.iter().map(field)).collect();
        let mut levels = self.levels();
        parts.extend(levels.by_ref().take(most).map(|change| level(&change, &time)));
        match levels.count() {
            0 => {}
            more => parts.push(format!("{more} more")),
        }
        format!("{}: {}", self.subject, parts.join(", "))
    }
}

/// `vault/reports none → view until 2027-03-31T00:00:00Z`
fn level(change: &LevelChange<'_>, time: &impl Fn(UnixSeconds) -> String) -> String {
    let reach = |reach: Reach| {
        let bound = |word: &str, at: Option<UnixSeconds>| {
            at.map_or(String::new(), |at| format!(" {word} {}", time(at)))
        };
        let (from, until) = (bound("from", reach.from()), bound("until", reach.until()));
        format!("{}{from}{until}", reach.level())
    };
    format!("{} {} → {}", change.scope, reach(change.was), reach(change.is))
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(name) => write!(f, "setting {name}"),
            Self::Route(name) => write!(f, "route {name}"),
            Self::Member { workspace, account } => write!(f, "member {account} of {workspace}"),
            Self::Key { id, account, workspace } => {
                write!(f, "key {id} of {account} in {workspace}")
            }
        }
    }
}
