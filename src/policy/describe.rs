//! What a decision was made of, in words.

use super::decide::Facts;
use super::level::Level;
use super::snapshot::{Route, Scope, Snapshot};

/// [`Facts`] in words. What was not known is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Description<'s> {
    /// The route's label.
    pub route: Option<&'s str>,
    /// Host and prefix as the policy writes them.
    pub template: Option<&'s str>,
    /// The key's id.
    pub key_id: Option<&'s str>,
    /// Whose key it is.
    pub account: Option<&'s str>,
    /// The key's workspace.
    pub workspace: Option<&'s str>,
    /// The environment of that workspace.
    pub environment: Option<&'s str>,
    /// The product that the route needs.
    pub product: Option<&'s str>,
    /// The permission that the route needs.
    pub permission: Option<&'s str>,
    /// The area that the route needs.
    pub area: Option<&'s str>,
    /// The level that the request needs.
    pub needed: Option<Level>,
    /// The level that the caller has.
    pub level: Option<Level>,
}

impl Snapshot {
    /// The numbers of a decision of this snapshot, in words.
    pub fn describe(&self, facts: &Facts) -> Description<'_> {
        let route = facts.route.and_then(|number| self.routes.route(number));
        Description {
            route: route.map(Route::name),
            template: route.map(Route::template),
            ..self.identify(facts)
        }
    }

    /// The same without the names of the route, which are for operators: of many routes, they are far.
    pub fn identify(&self, facts: &Facts) -> Description<'_> {
        let route = facts.route.and_then(|number| self.routes.route(number));
        let key = facts.key.and_then(|number| self.keys.key(number));
        let workspace = key.and_then(|key| self.workspaces.workspace_at(key.workspace));
        let mut words = Description {
            key_id: facts.key.map(|number| self.keys.id(number)),
            account: key.map(|key| self.workspaces.accounts().name(key.account)),
            workspace: key
                .filter(|_| workspace.is_some())
                .map(|key| self.workspaces.names.text(key.workspace)),
            environment: workspace
                .map(|workspace| self.workspaces.environments.text(workspace.environment)),
            needed: facts.needed,
            level: facts.level,
            ..Description::default()
        };
        match route.map(|route| route.scope) {
            Some(Scope::Area(area)) => words.area = Some(self.catalog.areas.text(area)),
            Some(Scope::Product(product, row)) => {
                words.product = Some(self.catalog.products.text(product));
                words.permission = self.catalog.permission(product, row);
            }
            Some(Scope::Public) | None => {}
        }
        words
    }

    /// The workspace's number of a decision's key, for who keeps one thing a workspace.
    pub fn workspace_number(&self, facts: &Facts) -> Option<usize> {
        let key = self.keys.key(facts.key?)?;
        (key.workspace != u32::MAX).then_some(key.workspace as usize)
    }
}
