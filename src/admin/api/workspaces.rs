//! `/api/workspaces`: names to choose from.

use serde::Serialize;

use super::query::Fields;
use super::{Viewed, has};
use crate::admin::status::Generation;

/// Products that are named, at most.
const PRODUCTS: usize = 500;

#[derive(Debug, Serialize)]
pub(super) struct Workspaces {
    generation: Generation,
    /// How many there are.
    total: usize,
    rows: Vec<Row>,
    /// Names of the policy's products.
    products: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    environment: String,
    suspended: bool,
}

pub(super) fn answer(view: &Viewed<'_>, fields: &mut Fields) -> Result<Workspaces, String> {
    let (text, limit) = (fields.part("text"), fields.limit()?);
    let snapshot = &view.generation.snapshot;
    let found = snapshot.workspace_views().filter(|(name, _)| has(name, &text)).take(limit);
    let rows = found.map(|(name, workspace)| Row {
        name: name.to_owned(),
        environment: workspace.environment().to_owned(),
        suspended: workspace.is_suspended(),
    });
    Ok(Workspaces {
        generation: view.generation(),
        total: snapshot.workspace_count(),
        rows: rows.collect(),
        products: snapshot.products().take(PRODUCTS).map(str::to_owned).collect(),
    })
}
