//! What holders reach, compared table by table.

use std::fmt;
use std::rc::Rc;

use super::row::LevelChange;
use crate::policy::level::Level;
use crate::policy::snapshot::{AccessId, Map, Scope, Snapshot};
use crate::policy::time::UnixSeconds;

/// The ceiling that a holder has who has none.
const OPEN: u32 = 0;
const ALWAYS: UnixSeconds = UnixSeconds::DISTANT_PAST;
const NEVER: UnixSeconds = UnixSeconds::DISTANT_FUTURE;

/// A scope of a workspace, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScopeName<'s> {
    /// An area.
    Area(&'s str),
    /// A product, or one of its permissions.
    Product(&'s str, Option<&'s str>),
}

impl fmt::Display for ScopeName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Area(area) => write!(f, "area {area}"),
            Self::Product(product, None) => f.write_str(product),
            Self::Product(product, Some(permission)) => write!(f, "{product}/{permission}"),
        }
    }
}

/// A level from one second on until another, and nothing before and after.
///
/// INVARIANT: a level of none is that of [`Reach::NOTHING`]; any other holds for a second at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    level: Level,
    from: UnixSeconds,
    until: UnixSeconds,
}

impl Reach {
    /// Nothing, ever.
    pub const NOTHING: Self = Self { level: Level::None, from: NEVER, until: ALWAYS };

    /// The level.
    pub fn level(self) -> Level {
        self.level
    }

    /// Its first second, where that is yet to come.
    pub fn from(self) -> Option<UnixSeconds> {
        (!self.is_none() && self.from != ALWAYS).then_some(self.from)
    }

    /// The first second after it, where there is one.
    pub fn until(self) -> Option<UnixSeconds> {
        (!self.is_none() && self.until != NEVER).then_some(self.until)
    }

    /// Whether it is nothing.
    pub fn is_none(self) -> bool {
        self.level == Level::None
    }

    /// Whether there is a second in which it is more than `other`.
    pub fn exceeds(self, other: Self) -> bool {
        !self.is_none()
            && (self.level > other.level || self.from < other.from || self.until > other.until)
    }

    fn within(self, life: Life) -> Self {
        let from = self.from.max(life.from);
        let until = self.until.min(life.until);
        if self.is_none() || from >= until { Self::NOTHING } else { Self { from, until, ..self } }
    }
}

/// When a holder is good, from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    from: UnixSeconds,
    until: UnixSeconds,
}

impl Life {
    pub(super) const NONE: Self = Self { from: NEVER, until: ALWAYS };
    pub(super) const ENDLESS: Self = Self { from: ALWAYS, until: NEVER };

    /// From `from` until `until`, as far as that is not over at `now`.
    pub(super) fn new(
        from: Option<UnixSeconds>,
        until: Option<UnixSeconds>,
        now: UnixSeconds,
    ) -> Self {
        let from = from.filter(|from| *from > now).unwrap_or(ALWAYS);
        let until = until.unwrap_or(NEVER);
        if until <= from.max(now) { Self::NONE } else { Self { from, until } }
    }
}

impl Default for Life {
    fn default() -> Self {
        Self::NONE
    }
}

/// All that a holder's level on any scope depends on, but its own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Class {
    pub(super) workspace: u32,
    pub(super) access: AccessId,
    pub(super) ceiling: u32,
}

impl Class {
    /// That of a member without a ceiling. Nothing where no scope is reached whatever the table says.
    pub(super) fn of(
        snapshot: &Snapshot,
        workspace: u32,
        account: u32,
        access: Option<AccessId>,
    ) -> Option<Self> {
        let found = snapshot.workspaces.workspace_at(workspace)?;
        let pinned = snapshot.pin.is_none_or(|pin| found.environment == pin);
        let suspended = found.suspended || snapshot.workspaces.accounts().is_suspended(account);
        let access = access.filter(|_| pinned && !suspended)?;
        Some(Self { workspace, access, ceiling: OPEN })
    }

    pub(super) fn under(self, ceiling: u32) -> Self {
        Self { ceiling, ..self }
    }
}

/// What two classes reach in one workspace, scope by scope; scopes that neither reaches are left out.
#[derive(Debug)]
pub(super) struct Compared<'s> {
    workspace: &'s str,
    scopes: Vec<(ScopeName<'s>, Reach, Reach)>,
    differ: bool,
}

impl<'s> Compared<'s> {
    /// Whether they reach different things while both are good.
    pub(super) fn differ(&self) -> bool {
        self.differ
    }

    pub(super) fn within(&self, was: Life, is: Life) -> impl Iterator<Item = LevelChange<'s>> {
        let workspace = self.workspace;
        let changes = self.scopes.iter().map(move |(scope, before, after)| LevelChange {
            workspace,
            scope: *scope,
            was: before.within(was),
            is: after.within(is),
        });
        changes.filter(|change| change.was != change.is)
    }
}

type Pair = (Option<Class>, Option<Class>);

/// Compares each pair of classes once.
#[derive(Debug)]
pub(super) struct Tables<'s> {
    was: &'s Snapshot,
    is: &'s Snapshot,
    now: UnixSeconds,
    scopes: Vec<(ScopeName<'s>, Option<Scope>, Option<Scope>)>,
    compared: Map<Pair, Rc<Compared<'s>>>,
}

impl<'s> Tables<'s> {
    pub(super) fn new(was: &'s Snapshot, is: &'s Snapshot, now: UnixSeconds) -> Self {
        let mut both: Map<ScopeName<'s>, (Option<Scope>, Option<Scope>)> = Map::default();
        for (name, scope) in scopes(was) {
            both.entry(name).or_default().0 = Some(scope);
        }
        for (name, scope) in scopes(is) {
            both.entry(name).or_default().1 = Some(scope);
        }
        let mut scopes: Vec<_> =
            both.into_iter().map(|(name, (was, is))| (name, was, is)).collect();
        scopes.sort_unstable_by_key(|(name, ..)| *name);
        Self { was, is, now, scopes, compared: Map::default() }
    }

    /// Two classes of one workspace.
    pub(super) fn compare(&mut self, was: Option<Class>, is: Option<Class>) -> Rc<Compared<'s>> {
        if let Some(known) = self.compared.get(&(was, is)) {
            return Rc::clone(known);
        }
        let reached = |snapshot, class: Option<Class>, scope: Option<Scope>| {
            let reached =
                class.zip(scope).and_then(|(class, s)| reach(snapshot, class, s, self.now));
            reached.unwrap_or(Reach::NOTHING)
        };
        let scopes: Vec<_> = self
            .scopes
            .iter()
            .map(|(name, before, after)| {
                (*name, reached(self.was, was, *before), reached(self.is, is, *after))
            })
            .filter(|(_, was, is)| !(was.is_none() && is.is_none()))
            .collect();
        let workspace = match (was, is) {
            (_, Some(class)) => self.is.workspaces.names.text(class.workspace),
            (Some(class), None) => self.was.workspaces.names.text(class.workspace),
            (None, None) => "",
        };
        let differ = scopes.iter().any(|(_, was, is)| was != is);
        let compared = Rc::new(Compared { workspace, scopes, differ });
        self.compared.insert((was, is), Rc::clone(&compared));
        compared
    }
}

/// Every scope of a policy: the areas, then each product followed by its permissions.
pub(in crate::policy) fn scopes(
    snapshot: &Snapshot,
) -> impl Iterator<Item = (ScopeName<'_>, Scope)> {
    let areas = snapshot.catalog.areas.iter().zip(0..);
    let areas = areas.map(|(name, area)| (ScopeName::Area(name), Scope::Area(area)));
    let products = snapshot.catalog.rows();
    areas.chain(products.map(|(name, row, scope)| (ScopeName::Product(name, row), scope)))
}

/// As `decide` sees it, at every time from `now` on in which the key is good.
pub(super) fn reach(
    snapshot: &Snapshot,
    class: Class,
    scope: Scope,
    now: UnixSeconds,
) -> Option<Reach> {
    let access = snapshot.tables.table(class.access)?;
    let ceiling = snapshot.keys.ceiling_at(class.ceiling)?;
    let (level, until) = match scope {
        Scope::Area(area) => (access.area(area).min(ceiling.area(area)), NEVER),
        Scope::Product(product, row) => {
            let workspace = snapshot.workspaces.workspace_at(class.workspace)?;
            let subscribed = workspace.subscription(product)?;
            let level = access.row(row).min(ceiling.product(product)).min(subscribed.limit(now));
            (level, subscribed.ends())
        }
        Scope::Public => return None,
    };
    (level > Level::None).then_some(Reach { level, from: ALWAYS, until })
}
