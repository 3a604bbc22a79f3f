//! What an account or one of its keys reaches in a workspace, by name.

use super::WorkspaceView;
use super::workspaces::{Member, Workspace};
use crate::policy::difference::ScopeName;
use crate::policy::draft::DraftCeiling;
use crate::policy::level::Level;
use crate::policy::reason::DenyReason;
use crate::policy::snapshot::Scope;
use crate::policy::time::UnixSeconds;

impl<'s> WorkspaceView<'s> {
    /// Why the account is refused here whatever it asks for, in the order of the checks.
    pub fn closed_to(&self, account: &str) -> Option<DenyReason> {
        let workspace = self.compiled()?;
        if workspace.suspended {
            return Some(DenyReason::WorkspaceSuspended);
        }
        let accounts = self.snapshot.workspaces.accounts();
        if accounts.exact(account).is_some_and(|number| accounts.is_suspended(number)) {
            return Some(DenyReason::AccountSuspended);
        }
        self.member(account).is_none().then_some(DenyReason::NotAMember)
    }

    /// The products that it has, whether they are paid for or not.
    pub fn products(&self) -> impl Iterator<Item = &'s str> {
        let catalog = &self.snapshot.catalog;
        let all = catalog.products.iter().zip(0..);
        let workspace = self.compiled();
        all.filter(move |(_, product)| {
            workspace.is_some_and(|workspace| workspace.subscription(*product).is_some())
        })
        .map(|(name, _)| name)
    }

    /// The level at `now` on every scope where there is one, areas first: that of the account, or of
    /// a key of it that has this ceiling. Whether the key is good plays no part.
    pub fn reached(
        &self,
        account: &str,
        ceiling: Option<&DraftCeiling>,
        now: UnixSeconds,
    ) -> Vec<(ScopeName<'s>, Level)> {
        let found = self.compiled().zip(self.member(account));
        let Some((workspace, member)) = found.filter(|_| self.closed_to(account).is_none()) else {
            return Vec::new();
        };
        let Some(access) = self.snapshot.tables.table(member.access) else { return Vec::new() };
        let catalog = &self.snapshot.catalog;
        let areas = catalog.areas.iter().zip(0..).map(|(area, number)| {
            let highest = limit(ceiling, |it| (&it.areas, area));
            (ScopeName::Area(area), access.area(number).min(highest))
        });
        let rows = catalog.rows().filter_map(|(product, permission, scope)| {
            let Scope::Product(number, row) = scope else { return None };
            let highest = limit(ceiling, |it| (&it.products, product));
            let paid = workspace.subscription(number)?.limit(now);
            let level = access.row(row).min(paid).min(highest);
            Some((ScopeName::Product(product, permission), level))
        });
        areas.chain(rows).filter(|(_, level)| *level > Level::None).collect()
    }

    fn compiled(&self) -> Option<&'s Workspace> {
        self.snapshot.workspaces.workspace_at(self.number)
    }

    fn member(&self, account: &str) -> Option<Member> {
        let number = self.snapshot.workspaces.accounts().exact(account)?;
        self.compiled()?.member(number)
    }
}

/// The level above which a ceiling lets nothing on the scope of that name.
fn limit<'c>(
    ceiling: Option<&'c DraftCeiling>,
    named: impl FnOnce(&'c DraftCeiling) -> (&'c Option<Vec<String>>, &'c str),
) -> Level {
    let Some(ceiling) = ceiling else { return Level::Full };
    let (list, name) = named(ceiling);
    let open = ceiling.products.is_none() && ceiling.areas.is_none();
    let listed = list.as_deref().unwrap_or_default().iter().any(|listed| listed == name);
    if open || listed { ceiling.level } else { Level::None }
}
