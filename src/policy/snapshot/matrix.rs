//! Who has which level on what, as a table: a row a member, a column a scope.

use super::catalog::Row;
use super::workspaces::Member;
use super::{Snapshot, WorkspaceView};
use crate::policy::difference::ScopeName;
use crate::policy::level::Level;
use crate::policy::reason::DenyReason;
use crate::policy::time::UnixSeconds;

/// Which columns a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns<'a> {
    /// Every area.
    Areas,
    /// Every product, as a whole.
    Products,
    /// The product of that name itself, then each of its permissions.
    Rows(&'a str),
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column<'s> {
    /// What it is of.
    pub scope: ScopeName<'s>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Area(u32),
    Product(u32),
    Row(u32, Row),
}

/// A member's level in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// The workspace does not have the product.
    Absent,
    /// The level; of a product as a whole, the highest in it.
    Level {
        /// What the member has, as far as the subscription lets it through.
        level: Level,
        /// Whether it is less on some rows of the product.
        partly: bool,
    },
}

/// A member of a workspace, for who lists members.
#[derive(Debug, Clone, Copy)]
pub struct MemberView<'s> {
    workspace: WorkspaceView<'s>,
    member: Member,
}

impl Snapshot {
    /// Every workspace, in the order of the policy, and its name.
    pub fn workspace_views(&self) -> impl Iterator<Item = (&str, WorkspaceView<'_>)> {
        let view = |number| WorkspaceView { snapshot: self, number };
        self.workspaces.names.iter().zip((0..).map(view))
    }

    /// The columns of a table; none where there is no product of that name.
    pub fn columns(&self, which: Columns<'_>) -> Vec<Column<'_>> {
        let catalog = &self.catalog;
        match which {
            Columns::Areas => catalog
                .areas
                .iter()
                .zip(0..)
                .map(|(name, at)| Column { scope: ScopeName::Area(name), kind: Kind::Area(at) })
                .collect(),
            Columns::Products => catalog
                .products
                .iter()
                .zip(0..)
                .map(|(name, at)| {
                    let scope = ScopeName::Product(name, None);
                    Column { scope, kind: Kind::Product(at) }
                })
                .collect(),
            Columns::Rows(product) => {
                let Some((number, rows)) = catalog
                    .products
                    .number(product)
                    .and_then(|number| Some((number, catalog.rows_of(number)?)))
                else {
                    return Vec::new();
                };
                let name = catalog.products.text(number);
                rows.all()
                    .map(|row| {
                        let scope = ScopeName::Product(name, catalog.permission(number, row));
                        Column { scope, kind: Kind::Row(number, row) }
                    })
                    .collect()
            }
        }
    }
}

impl<'s> WorkspaceView<'s> {
    /// Whether it is closed to everybody.
    pub fn is_suspended(&self) -> bool {
        self.snapshot.workspaces.workspace_at(self.number).is_some_and(|it| it.suspended)
    }

    /// Its members, in an order that stays while the generation does.
    pub fn member_views(self) -> impl Iterator<Item = MemberView<'s>> {
        let workspace = self.snapshot.workspaces.workspace_at(self.number).into_iter();
        let members = workspace.flat_map(|workspace| workspace.members());
        members.map(move |member| MemberView { workspace: self, member })
    }
}

impl<'s> MemberView<'s> {
    /// The account.
    pub fn account(&self) -> &'s str {
        self.workspace.snapshot.workspaces.accounts().name(self.member.account)
    }

    /// Its role.
    pub fn role(&self) -> &'s str {
        self.workspace.snapshot.catalog.roles.text(self.member.role)
    }

    /// Whether the role gives everything, whatever the grants say.
    pub fn bypasses(&self) -> bool {
        let levels = self.workspace.snapshot.catalog.levels_of(self.member.role);
        levels.is_some_and(|levels| levels.bypass)
    }

    /// Why it is refused whatever it asks for, where it is.
    pub fn closed(&self) -> Option<DenyReason> {
        if self.workspace.is_suspended() {
            return Some(DenyReason::WorkspaceSuspended);
        }
        let suspended =
            self.workspace.snapshot.workspaces.accounts().is_suspended(self.member.account);
        suspended.then_some(DenyReason::AccountSuspended)
    }

    /// Its level in a column of the same snapshot at `now`.
    pub fn cell(&self, column: &Column<'_>, now: UnixSeconds) -> Cell {
        let Snapshot { workspaces, tables, catalog, .. } = self.workspace.snapshot;
        let access = tables.table(self.member.access);
        let open = self.closed().is_none();
        let level = |level: Level| if open { level } else { Level::None };
        let of_row = |row| access.map_or(Level::None, |access| access.row(row));
        let product = match column.kind {
            Kind::Area(area) => {
                let held = access.map_or(Level::None, |access| access.area(area));
                return Cell::Level { level: level(held), partly: false };
            }
            Kind::Product(product) | Kind::Row(product, _) => product,
        };
        let workspace = workspaces.workspace_at(self.workspace.number);
        let Some(paid) = workspace.and_then(|it| it.subscription(product)) else {
            return Cell::Absent;
        };
        let limit = paid.limit(now);
        match column.kind {
            Kind::Row(_, row) => {
                Cell::Level { level: level(of_row(row).min(limit)), partly: false }
            }
            Kind::Area(_) | Kind::Product(_) => {
                let rows = catalog.rows_of(product).into_iter().flat_map(|rows| rows.all());
                let levels = rows.map(|row| level(of_row(row).min(limit)));
                let (least, most) = levels.fold((Level::Full, Level::None), |(least, most), it| {
                    (least.min(it), most.max(it))
                });
                Cell::Level { level: most, partly: least < most }
            }
        }
    }
}
