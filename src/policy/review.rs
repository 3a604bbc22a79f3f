//! What members hold, for who reviews it.
//!
//! A *holder* is a member of a workspace; what it *holds* are levels on the workspace's areas and on
//! the products that the workspace has, before subscriptions and ceilings take something away.

use super::difference::{ScopeName, scopes};
use super::level::Level;
use super::snapshot::{AccessId, Map, Scope, Snapshot};

/// What the members of one workspace hold.
#[derive(Debug)]
pub struct Holdings<'s> {
    workspace: &'s str,
    scopes: Vec<ScopeName<'s>>,
    /// A level for each of `scopes`; members that hold the same share one.
    tables: Vec<Box<[Level]>>,
    holders: Vec<Holder<'s>>,
}

/// A member of a workspace.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'s> {
    /// Who it is.
    pub account: &'s str,
    /// Its role there.
    pub role: &'s str,
    /// Holders of one workspace with the same number hold the same.
    pub table: usize,
}

/// The holdings of every workspace, in the order in which the policy has them.
pub fn holdings(snapshot: &Snapshot) -> Vec<Holdings<'_>> {
    let all: Vec<_> = scopes(snapshot).collect();
    let numbered = snapshot.workspaces().zip(0..);
    numbered.map(|(name, number)| Holdings::of(snapshot, name, number, &all)).collect()
}

impl<'s> Holdings<'s> {
    fn of(
        snapshot: &'s Snapshot,
        workspace: &'s str,
        number: u32,
        all: &[(ScopeName<'s>, Scope)],
    ) -> Self {
        let found = snapshot.workspaces.workspace_at(number);
        let has = |scope: Scope| match scope {
            Scope::Area(_) => true,
            Scope::Product(product, _) => {
                found.is_some_and(|found| found.subscription(product).is_some())
            }
            Scope::Public => false,
        };
        let here: Vec<_> = all.iter().filter(|(_, scope)| has(*scope)).collect();
        let mut numbers: Map<AccessId, usize> = Map::default();
        let mut tables = Vec::new();
        let members = found.into_iter().flat_map(|found| found.members());
        let holders = members.map(|member| {
            let table = *numbers.entry(member.access).or_insert_with(|| {
                let access = snapshot.tables.table(member.access);
                let level = |scope: Scope| match scope {
                    Scope::Area(area) => access.map(|access| access.area(area)),
                    Scope::Product(_, row) => access.map(|access| access.row(row)),
                    Scope::Public => None,
                };
                tables.push(here.iter().map(|(_, it)| level(*it).unwrap_or_default()).collect());
                tables.len() - 1
            });
            let account = snapshot.workspaces.accounts().name(member.account);
            Holder { account, role: snapshot.catalog.roles.text(member.role), table }
        });
        let holders = holders.collect();
        let scopes = here.iter().map(|(name, _)| *name).collect();
        Self { workspace, scopes, tables, holders }
    }

    /// The workspace.
    pub fn workspace(&self) -> &'s str {
        self.workspace
    }

    /// Its members.
    pub fn holders(&self) -> &[Holder<'s>] {
        &self.holders
    }

    /// How many different things its members hold; [`Holder::table`] is below it.
    pub fn table_count(&self) -> usize {
        self.tables.len()
    }

    /// What the holders of that number hold: every scope that the workspace has, with its level.
    pub fn levels(&self, table: usize) -> impl Iterator<Item = (ScopeName<'s>, Level)> {
        let levels = self.tables.get(table).map(|levels| &**levels).unwrap_or_default();
        self.scopes.iter().copied().zip(levels.iter().copied())
    }
}
