//! Who may change who is in a workspace, and what they are granted.
//!
//! The rules are Alludium's: owners change anybody, administrators change members that are no
//! owners, nobody else changes anything. Nobody who is not an owner makes an owner or gives more
//! than he reaches himself, and a workspace keeps an owner, whoever asks.
//!
//! An *administrator* has `full` on the area `members`, or `people`, or `users`: the first that the
//! policy has. Where it has none, the role `admin` makes one.
//!
//! A change is judged by the two snapshots that it lies between: start at [`judge`].

use std::fmt;

use super::level::Level;
use super::snapshot::{Member, Scope, Snapshot, Workspace};

/// The areas that administration may be the name of, the first that is there counts.
const AREAS: [&str; 3] = ["members", "people", "users"];

/// Why an account may not make a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overreach {
    /// It gives more than it reaches.
    Beyond {
        /// Who would get it.
        account: String,
        /// On what.
        scope: String,
        /// What would be had.
        level: Level,
    },
    /// It makes an owner, and is none.
    MakesOwner(String),
    /// It administers nothing.
    NoAdministrator,
    /// It is not in the workspace, or it or the workspace is suspended.
    NoMember,
    /// It changes an owner, and is none.
    Owner(String),
}

impl fmt::Display for Overreach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beyond { account, scope, level } => write!(
                f,
                "it would give `{account}` {} on {scope}, which it does not have itself",
                level.name()
            ),
            Self::MakesOwner(account) => write!(f, "only an owner makes `{account}` an owner"),
            Self::NoAdministrator => {
                write!(f, "it does not administer the members of this workspace")
            }
            Self::NoMember => write!(f, "it is not an active member of this workspace"),
            Self::Owner(account) => write!(f, "`{account}` is an owner, whom only owners change"),
        }
    }
}

/// Whether `by` may make `is` of what `was`, in this workspace. Both have the same roles, areas and
/// products.
///
/// # Errors
///
/// Everything in which it goes too far.
pub fn judge(
    was: &Snapshot,
    is: &Snapshot,
    workspace: &str,
    by: &str,
) -> Result<(), Vec<Overreach>> {
    let Some(actor) = Holder::of(was, workspace, by).filter(Holder::is_active) else {
        return Err(vec![Overreach::NoMember]);
    };
    if actor.is_owner() {
        return Ok(());
    }
    if !actor.administers() {
        return Err(vec![Overreach::NoAdministrator]);
    }
    let mut accounts: Vec<_> = [was, is]
        .into_iter()
        .filter_map(|snapshot| snapshot.workspace(workspace))
        .flat_map(|view| view.members().collect::<Vec<_>>())
        .collect();
    accounts.sort_unstable();
    accounts.dedup();
    let found: Vec<_> = accounts
        .into_iter()
        .filter_map(|account| {
            let [was, is] = [was, is].map(|snapshot| Holder::of(snapshot, workspace, account));
            actor.goes_too_far(account, was, is)
        })
        .collect();
    if found.is_empty() { Ok(()) } else { Err(found) }
}

impl Snapshot {
    /// Whether the workspace would have no owner without this one. Owners that are suspended do not
    /// count.
    pub fn is_last_owner(&self, workspace: &str, account: &str) -> bool {
        let owners = self.workspace(workspace).into_iter().flat_map(|it| it.owners());
        owners.eq([account])
    }

    /// Whether members with the role of this name are owners.
    pub fn makes_owner(&self, role: &str) -> bool {
        self.catalog.roles.number(role).is_some_and(|role| self.catalog.is_owner(role))
    }
}

/// A member of a workspace, in one of the snapshots.
#[derive(Clone, Copy)]
struct Holder<'s> {
    snapshot: &'s Snapshot,
    workspace: &'s Workspace,
    member: Member,
}

impl<'s> Holder<'s> {
    fn of(snapshot: &'s Snapshot, workspace: &str, account: &str) -> Option<Self> {
        let workspaces = &snapshot.workspaces;
        let workspace = workspaces.workspace_at(workspaces.names.number(workspace)?)?;
        let accounts = workspaces.accounts();
        let number = accounts.find(account).filter(|number| accounts.name(*number) == account)?;
        Some(Self { snapshot, workspace, member: workspace.member(number)? })
    }

    fn is_active(&self) -> bool {
        let accounts = self.snapshot.workspaces.accounts();
        !self.workspace.suspended && !accounts.is_suspended(self.member.account)
    }

    fn is_owner(&self) -> bool {
        self.snapshot.catalog.is_owner(self.member.role)
    }

    fn administers(&self) -> bool {
        let catalog = &self.snapshot.catalog;
        match AREAS.iter().find_map(|area| catalog.areas.number(area)) {
            Some(area) => self.level(Scope::Area(area)) == Level::Full,
            None => catalog.roles.text(self.member.role) == "admin",
        }
    }

    /// What it reaches, whatever is subscribed to.
    fn level(&self, scope: Scope) -> Level {
        let Some(table) = self.snapshot.tables.table(self.member.access) else {
            return Level::None;
        };
        match scope {
            Scope::Area(area) => table.area(area),
            Scope::Product(_, row) => table.row(row),
            Scope::Public => Level::None,
        }
    }

    fn goes_too_far(
        &self,
        account: &str,
        was: Option<Self>,
        is: Option<Self>,
    ) -> Option<Overreach> {
        let scopes = self.snapshot.scopes();
        let level = |holder: &Option<Self>, scope| holder.map_or(Level::None, |it| it.level(scope));
        let same_role = was.map(|it| it.member.role) == is.map(|it| it.member.role);
        let changed =
            !same_role || scopes.iter().any(|(_, it)| level(&was, *it) != level(&is, *it));
        match (was, is) {
            _ if !changed => None,
            (Some(was), _) if was.is_owner() => Some(Overreach::Owner(account.to_owned())),
            (_, Some(is)) if is.is_owner() => Some(Overreach::MakesOwner(account.to_owned())),
            _ => scopes.into_iter().find_map(|(name, scope)| {
                let (before, after) = (level(&was, scope), level(&is, scope));
                (after > before && after > self.level(scope)).then(|| Overreach::Beyond {
                    account: account.to_owned(),
                    scope: name,
                    level: after,
                })
            }),
        }
    }
}

impl Snapshot {
    /// Everything that levels are had on, by name.
    fn scopes(&self) -> Vec<(String, Scope)> {
        let areas = self.catalog.areas.iter().zip(0..);
        let areas = areas.map(|(name, number)| (format!("area `{name}`"), Scope::Area(number)));
        let rows = self.catalog.rows().map(|(product, permission, scope)| {
            let name = match permission {
                None => format!("product `{product}`"),
                Some(permission) => format!("permission `{permission}` of product `{product}`"),
            };
            (name, scope)
        });
        areas.chain(rows).collect()
    }
}
