//! What is told of routes to who compares two snapshots.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{Route, RouteWorkspace, Scope};
use crate::policy::disputed::Disputed;
use crate::policy::level::Level;
use crate::policy::limits::RouteLimits;
use crate::policy::method::Methods;
use crate::policy::snapshot::Snapshot;

/// A route in words, equal where the route does the same. Its name and place are not among them.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::policy) struct Told<'s> {
    pub(in crate::policy) workspace: &'s str,
    pub(in crate::policy) scope: Cow<'s, str>,
    /// Nothing where it takes all.
    pub(in crate::policy) methods: Option<BTreeSet<String>>,
    pub(in crate::policy) view_methods: BTreeSet<String>,
    pub(in crate::policy) upgrade: Level,
    pub(in crate::policy) preflight: bool,
    pub(in crate::policy) keeps: Disputed,
    /// Role and area.
    pub(in crate::policy) protect: BTreeMap<&'s str, &'s str>,
    pub(in crate::policy) strips: bool,
    pub(in crate::policy) limits: RouteLimits,
}

impl Route {
    pub(in crate::policy) fn told<'s>(&'s self, snapshot: &'s Snapshot) -> Told<'s> {
        let catalog = &snapshot.catalog;
        let by_default = || ["GET", "HEAD", "OPTIONS"].map(str::to_owned).into();
        Told {
            workspace: match self.workspace {
                RouteWorkspace::Fixed(number) => snapshot.workspaces.names.text(number),
                RouteWorkspace::Host | RouteWorkspace::Segment(_) => "{workspace}",
                RouteWorkspace::None => "",
            },
            scope: match self.scope {
                Scope::Area(area) => format!("area {}", catalog.areas.text(area)).into(),
                Scope::Product(product, row) => match catalog.permission(product, row) {
                    Some(permission) => {
                        format!("{}/{permission}", catalog.products.text(product)).into()
                    }
                    None => catalog.products.text(product).into(),
                },
                Scope::Public => "public".into(),
            },
            methods: self.methods.as_ref().map(set),
            view_methods: self.view_methods.as_ref().map_or_else(by_default, set),
            upgrade: self.upgrade,
            preflight: self.preflight,
            keeps: self.keeps,
            protect: self
                .protect
                .iter()
                .rev() // Of two for one role, the first counts.
                .map(|(role, area)| (catalog.roles.text(*role), catalog.areas.text(*area)))
                .collect(),
            strips: self.strip > 0,
            limits: self.limits().copied().unwrap_or_default(),
        }
    }
}

fn set(methods: &Methods) -> BTreeSet<String> {
    let all = methods.allow();
    all.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
