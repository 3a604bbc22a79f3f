//! Routes that nobody passes, for who asks: no reload needs to know.

use super::routes::{Route, RouteWorkspace, Scope};
use super::workspaces::Workspace;
use super::{AccessId, Snapshot};
use crate::policy::level::Level;

/// Why nobody passes a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unheld {
    /// No workspace that it is for has the product.
    NoProduct,
    /// Nobody in them has a level.
    Nobody,
}

impl Snapshot {
    /// Routes that nobody passes, whatever the time, by their index in [`Snapshot::routes`].
    pub fn unheld_routes(&self) -> impl Iterator<Item = (usize, Unheld)> {
        let workspaces: Vec<_> = (0..self.workspaces.names.len() as u32)
            .filter_map(|number| self.workspaces.workspace_at(number))
            .map(|workspace| (workspace, distinct(workspace)))
            .collect();
        let routes = self.routes.iter().enumerate();
        routes.filter_map(move |(index, route)| Some((index, self.unheld(route, &workspaces)?)))
    }

    fn unheld(&self, route: &Route, workspaces: &[(&Workspace, Vec<AccessId>)]) -> Option<Unheld> {
        let meant = match route.workspace {
            RouteWorkspace::None => return None,
            RouteWorkspace::Fixed(number) => workspaces.get(number as usize..=number as usize)?,
            RouteWorkspace::Host | RouteWorkspace::Segment(_) => workspaces,
        };
        let has = |workspace: &Workspace| match route.scope {
            Scope::Product(product, _) => workspace.subscription(product).is_some(),
            Scope::Area(_) | Scope::Public => true,
        };
        let mut having = meant.iter().filter(|(workspace, _)| has(workspace)).peekable();
        if having.peek().is_none() {
            return Some(Unheld::NoProduct);
        }
        let level = |access: &AccessId| match (self.tables.table(*access), route.scope) {
            (Some(table), Scope::Area(area)) => table.area(area),
            (Some(table), Scope::Product(_, row)) => table.row(row),
            (None, _) | (_, Scope::Public) => Level::None,
        };
        let held = having.any(|(_, tables)| tables.iter().any(|it| level(it) > Level::None));
        (!held).then_some(Unheld::Nobody)
    }
}

/// The tables of a workspace's members, each once.
fn distinct(workspace: &Workspace) -> Vec<AccessId> {
    let mut tables: Vec<_> = workspace.members().map(|member| member.access).collect();
    tables.sort_unstable_by_key(|access| access.number());
    tables.dedup();
    tables
}
