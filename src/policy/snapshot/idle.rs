//! Grants that can never act. They are warnings: nothing is open that should not be, but whoever
//! wrote one thinks that it gives something.
//!
//! INVARIANT: only a policy without errors comes here, so every name is known.

use hashbrown::HashSet;

use super::catalog::{Catalog, RoleLevels};
use super::members::gift;
use super::names::{Map, Names};
use super::routes::{RouteWorkspace, Routes, Scope};
use crate::policy::draft::{DraftGrant, DraftWorkspace, Gift, Grantee};
use crate::policy::level::Level;
use crate::policy::lint::Lint;
use crate::policy::problem::Problem;

/// Warns of every grant that can never act.
pub(super) fn check(
    workspaces: &[DraftWorkspace],
    names: &Names,
    catalog: &Catalog,
    routes: &Routes,
    problems: &mut Vec<Problem>,
) {
    let asked = Asked::of(routes);
    for draft in workspaces.iter().filter(|draft| !draft.grants.is_empty()) {
        let Some(number) = names.number(&draft.name.value) else { continue };
        let members = draft.members.iter();
        let roles = members.map(|(account, role)| (account.value.as_str(), role.value.as_str()));
        let groups = draft.groups.iter();
        let groups = groups.map(|(name, accounts)| {
            (name.value.as_str(), accounts.iter().map(|it| it.value.as_str()).collect())
        });
        let workspace = Workspace {
            number,
            roles: roles.collect(),
            groups: groups.collect(),
            catalog,
            asked: &asked,
        };
        for grant in &draft.grants {
            let Some(why) = workspace.idle(grant) else { continue };
            let (kind, to) = match &grant.to.value {
                Grantee::Account(name) => ("account", name),
                Grantee::Group(name) => ("group", name),
            };
            let (why, hint) = why.words();
            let subject = format!("workspace `{}`: grant to `{kind}:{to}`", draft.name.value);
            let message = format!("{subject} can never act: {why}");
            problems.push(Problem::warning(Lint::IdleGrant, grant.place, message).hint(hint));
        }
    }
}

/// Why a grant can never act.
enum Idle {
    EmptyGroup,
    GivesNothing,
    RolesGiveIt,
    NoRoute,
}

impl Idle {
    fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::EmptyGroup => {
                ("the group is empty", "put an account into the group, or drop the grant")
            }
            Self::GivesNothing => {
                ("it gives nothing", "a grant only raises: give `view` or `full`, or drop it")
            }
            Self::NoRoute => (
                "no route of the workspace asks for what it gives",
                "add a `[[route]]` that asks for it, or drop the grant",
            ),
            Self::RolesGiveIt => (
                "whoever it is to has as much by role",
                "a grant only raises: lower the role, or drop the grant",
            ),
        }
    }
}

struct Workspace<'a> {
    number: u32,
    roles: Map<&'a str, &'a str>,
    groups: Map<&'a str, Vec<&'a str>>,
    catalog: &'a Catalog,
    asked: &'a Asked,
}

impl Workspace<'_> {
    fn idle(&self, grant: &DraftGrant) -> Option<Idle> {
        let given = self.given(&grant.gives);
        if given.is_empty() {
            return Some(Idle::GivesNothing);
        }
        let roles = self.roles_of(&grant.to.value);
        if roles.is_empty() {
            return Some(Idle::EmptyGroup);
        }
        let raises = |(scope, level): &(Scope, Level)| {
            roles.iter().any(|role| *level > level_of(role, *scope))
        };
        let mut raised = given.into_iter().filter(raises).peekable();
        if raised.peek().is_none() {
            return Some(Idle::RolesGiveIt);
        }
        let is_asked = raised.any(|(scope, _)| self.asked.has(self.number, scope));
        (!is_asked).then_some(Idle::NoRoute)
    }

    /// Each scope on which it gives a level.
    fn given(&self, gives: &Gift) -> Vec<(Scope, Level)> {
        let product = match gives {
            Gift::Areas(_) => None,
            Gift::Level(product, _) | Gift::Permissions(product, _) | Gift::Role(product, _) => {
                self.catalog.products.number(&product.value)
            }
        };
        let (areas, rows) = gift("", gives, self.catalog, &mut Vec::new());
        let areas = areas.iter().zip(0..).map(|(level, area)| (Scope::Area(area), *level));
        let rows =
            rows.iter().filter_map(|(row, level)| Some((Scope::Product(product?, *row), *level)));
        areas.chain(rows).filter(|(_, level)| *level > Level::None).collect()
    }

    /// What the roles of everybody whom a grant is to give, each once.
    fn roles_of(&self, to: &Grantee) -> Vec<&RoleLevels> {
        let accounts = match to {
            Grantee::Account(name) => vec![name.as_str()],
            Grantee::Group(name) => self.groups.get(name.as_str()).cloned().unwrap_or_default(),
        };
        let mut roles: Vec<_> =
            accounts.iter().filter_map(|account| self.roles.get(account).copied()).collect();
        roles.sort_unstable();
        roles.dedup();
        let number = |role: &&str| self.catalog.roles.number(role);
        roles.iter().filter_map(number).filter_map(|role| self.catalog.levels_of(role)).collect()
    }
}

fn level_of(role: &RoleLevels, scope: Scope) -> Level {
    match scope {
        _ if role.bypass => Level::Full,
        Scope::Area(area) => role.areas.get(area as usize).copied().unwrap_or_default(),
        Scope::Product(..) => role.products,
        Scope::Public => Level::None,
    }
}

/// What routes ask for, each with the workspace or, where it is captured, none.
struct Asked(HashSet<(Option<u32>, Scope), foldhash::fast::FixedState>);

impl Asked {
    fn of(routes: &Routes) -> Self {
        let mut asked = HashSet::default();
        for route in routes.iter() {
            let workspace = match route.workspace {
                RouteWorkspace::Fixed(workspace) => Some(workspace),
                RouteWorkspace::Host | RouteWorkspace::Segment(_) => None,
                RouteWorkspace::None => continue,
            };
            asked.insert((workspace, route.scope));
            asked.extend(route.protecting_areas().map(|area| (workspace, Scope::Area(area))));
        }
        Self(asked)
    }

    fn has(&self, workspace: u32, scope: Scope) -> bool {
        self.0.contains(&(Some(workspace), scope)) || self.0.contains(&(None, scope))
    }
}
