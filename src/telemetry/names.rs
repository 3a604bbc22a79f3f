//! The names of a policy that are labels.

use hashbrown::HashSet;

use super::denied::{Labels, OTHER};
use super::route::NONE;
use super::worker::LABELLED_WORKSPACES;
use crate::policy::{Route, Snapshot};

/// What a policy has names for, and what stands where there is none.
pub(super) struct Names<'s> {
    routes: Set<'s>,
    workspaces: Set<'s>,
    products: Set<'s>,
}

type Set<'s> = HashSet<&'s str, foldhash::fast::FixedState>;

impl<'s> Names<'s> {
    pub(super) fn of(snapshot: &'s Snapshot) -> Self {
        let workspaces = snapshot.workspaces().take(LABELLED_WORKSPACES);
        Self {
            routes: snapshot.routes().map(Route::name).chain([NONE]).collect(),
            workspaces: workspaces.chain([NONE, OTHER]).collect(),
            products: snapshot.products().chain([NONE]).collect(),
        }
    }

    pub(super) fn has_route(&self, name: &str) -> bool {
        self.routes.contains(name)
    }

    pub(super) fn has(&self, labels: &Labels) -> bool {
        self.has_route(labels.route())
            && self.workspaces.contains(labels.workspace())
            && self.products.contains(labels.product())
    }
}
