//! `/api/reloads`: what the last reloads changed.

use serde::Serialize;

use super::Viewed;
use crate::admin::status::{Change, Failing, Generation};
use crate::current::ChangedRow;

/// Problems that are told, at most.
const MOST: usize = 100;

#[derive(Debug, Serialize)]
pub(super) struct Reloads {
    generation: Generation,
    failing: Option<Failing>,
    /// The latest first.
    rows: Vec<Reload>,
}

#[derive(Debug, Serialize)]
struct Reload {
    #[serde(flatten)]
    change: Change,
    /// What changed, one by one.
    rows: Vec<Row>,
    /// How many more things changed.
    left_out: usize,
}

#[derive(Debug, Serialize)]
struct Row {
    words: String,
    gained: bool,
    lost: bool,
}

pub(super) fn answer(view: &Viewed<'_>) -> Reloads {
    let status = view.state.current.status();
    let rows = status.changes.iter().map(|change| {
        let row = |ChangedRow { words, gained, lost }: &ChangedRow| Row {
            words: words.clone(),
            gained: *gained,
            lost: *lost,
        };
        Reload {
            left_out: change.summary.rows().saturating_sub(change.rows.len()),
            rows: change.rows.iter().map(row).collect(),
            change: Change::of(change),
        }
    });
    let mut failing = status.failing.map(Failing::of);
    if let Some(failing) = &mut failing {
        failing.problems.truncate(MOST);
    }
    Reloads { generation: view.generation(), failing, rows: rows.collect() }
}
