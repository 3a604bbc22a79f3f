//! A policy on its way from a draft to a snapshot: first all but its keys, then all of it.

use std::sync::Arc;

use super::access::Interner;
use super::catalog::Catalog;
use super::keys::Keys;
use super::routes::Routes;
use super::workspaces::Workspaces;
use super::{Snapshot, idle};
use crate::policy::draft::Draft;
use crate::policy::problem::{Place, Problem, Severity};

/// All of a snapshot but its keys.
pub(super) struct Parts {
    pub(super) catalog: Catalog,
    pub(super) workspaces: Workspaces,
    tables: Interner,
    routes: Routes,
    pub(super) problems: Vec<Problem>,
}

impl Parts {
    pub(super) fn compile(draft: &Draft) -> Self {
        let mut problems = Vec::new();
        let mut tables = Interner::default();
        let catalog = Catalog::compile(&draft.areas, &draft.roles, &draft.products, &mut problems);
        let workspaces = Workspaces::compile(
            &draft.workspaces,
            &draft.accounts,
            &catalog,
            &mut tables,
            &mut problems,
        );
        let (upstreams, names) = (&draft.upstreams, &workspaces.names);
        let routes = Routes::compile(&draft.routes, upstreams, &catalog, names, &mut problems);
        Self { catalog, workspaces, tables, routes, problems }
    }

    pub(super) fn is_refused(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    pub(super) fn finish(mut self, draft: &Draft, keys: Keys) -> Result<Snapshot, Vec<Problem>> {
        let environments = &self.workspaces.environments;
        let pin = draft.environment.as_ref().map(|name| {
            environments.number(name).unwrap_or_else(|| {
                let message = format!("no workspace lives in environment `{name}`");
                self.problems.push(
                    Problem::error(Place::default(), message)
                        .hint("mend `environment` in `sidegate.toml`: every key would be refused")
                        .did_you_mean(name, environments.iter()),
                );
                u32::MAX
            })
        });
        let refused = self.is_refused();
        let Self { catalog, workspaces, tables, routes, mut problems } = self;
        if !refused {
            idle::check(&draft.workspaces, &workspaces.names, &catalog, &routes, &mut problems);
        }
        problems.sort_by_key(|problem| problem.place);
        if refused {
            return Err(problems);
        }
        problems.retain(|problem| !draft.allows.iter().any(|allow| allow.covers(problem)));
        Ok(Snapshot {
            pin,
            hide_none: draft.hide_none,
            catalog: Arc::new(catalog),
            workspaces: Arc::new(workspaces),
            tables: Arc::new(tables.finish()),
            routes: Arc::new(routes),
            keys,
            warnings: problems.into(),
            rules: None,
        })
    }
}
