//! What is counted of refusals.

use std::sync::Arc;

use super::cell::Count;
use super::ledger::{Ledger, Series};
use super::page::{Family, Kind, Page, labels};
use super::route::NONE;
use crate::policy::{Denial, DenyReason, Description, Level, Snapshot};

/// So many series of refusals know which workspace it was. Past them it is [`OTHER`] for what is new.
const NAMED: usize = 10_000;
/// What a request needs: none, view, full, or it was not known yet.
const LEVELS: usize = 4;
/// Any workspace that has no label of its own.
pub(super) const OTHER: &str = "other";

/// Series of refusals.
pub(super) type DeniedSeries = Ledger<Labels, Count>;

const DENIALS: Family<'_> = Family {
    name: "sidegate_denials_total",
    kind: Kind::Counter,
    help: "Requests refused, by reason.",
};

/// How many series there may be where a new one is to be.
pub(super) fn most(snapshot: &Snapshot, is_named: bool) -> usize {
    let others = DenyReason::ALL.len() * (snapshot.route_count() + 1) * LEVELS;
    NAMED + if is_named { 0 } else { others }
}

/// The labels of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Labels {
    reason: &'static str,
    route: Box<str>,
    workspace: Box<str>,
    product: Box<str>,
    level: &'static str,
}

impl Labels {
    /// `named` says whether the workspace has a label of its own.
    pub(super) fn of(denial: &Denial, words: &Description<'_>, named: bool) -> Self {
        let workspace = if named { words.workspace.unwrap_or(NONE) } else { OTHER };
        Self {
            reason: denial.reason.code(),
            route: words.route.unwrap_or(NONE).into(),
            workspace: workspace.into(),
            product: words.product.unwrap_or(NONE).into(),
            level: words.needed.map_or(NONE, Level::name),
        }
    }

    /// As they are written, in the order of their names.
    pub(super) fn text(&self) -> String {
        labels([
            ("level", self.level),
            ("product", &self.product),
            ("reason", self.reason),
            ("route", &self.route),
            ("workspace", &self.workspace),
        ])
    }

    pub(super) fn route(&self) -> &str {
        &self.route
    }

    pub(super) fn workspace(&self) -> &str {
        &self.workspace
    }

    pub(super) fn product(&self) -> &str {
        &self.product
    }
}

/// Writes all that is known of refusals.
pub(super) fn write(page: &mut Page, denials: &[Arc<Series<Labels, Count>>]) {
    page.begin(&DENIALS);
    for series in denials {
        page.sample(&DENIALS, &series.labels, series.cells().map(Count::value).sum());
    }
}
