//! What a change of policy changed: the exact difference between two snapshots.
//!
//! # Words
//!
//! A *holder* is a key, or a member: an account in a workspace. What it *reaches* is a level on a
//! scope (a product, a permission or an area) from one second until another: a level that begins
//! later or ends sooner is a change, too. A *row* is all that changed of one holder, route or
//! setting.
//!
//! # Invariants
//!
//! - Exact: a holder has gained on a scope where, and only where, there is a second from `now` on in
//!   which it reaches more there than before, and lost likewise. What is over changes nothing.
//! - Things are the same by name: workspaces, products and the like, accounts, ids of keys, names of
//!   routes. Their order means nothing.
//! - Tables are compared once for each pair of tables that keys of both snapshots have, not for each
//!   key. Of snapshots of which one was amended to be the other, only what was amended is looked at;
//!   where it has the keys of the other, only what one holder's keys come to.
//!
//! What is absent: which requests a route takes from another. One that came, went or moved may do
//! both, so it counts as gained and as lost.
//!
//! Start at [`difference`].

mod holders;
mod known;
mod loss;
mod pairs;
mod reach;
mod routes;
mod row;
mod summary;
#[cfg(test)]
mod tests;

use super::snapshot::Snapshot;
use super::time::UnixSeconds;
use holders::Holders;
pub use loss::{Loss, loss};
pub(super) use reach::scopes;
pub use reach::{Reach, ScopeName};
pub use row::{Effect, Field, Kind, LevelChange, Row, Subject, Value};
pub use summary::{Counts, Summary};

/// One of the two snapshots.
#[derive(Debug, Clone, Copy)]
pub struct Side<'s> {
    /// The policy.
    pub snapshot: &'s Snapshot,
    /// Names of the upstreams that it was compiled with.
    pub upstreams: &'s [String],
}

/// What changed.
#[derive(Debug)]
pub struct Difference<'s> {
    rows: Vec<Row<'s>>,
}

impl<'s> Difference<'s> {
    /// Settings, then routes, members and keys; each in an order that does not depend on the files'.
    pub fn rows(&self) -> &[Row<'s>] {
        &self.rows
    }

    /// Whether nothing changed, at any time from then on.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether anything gained, and whether anything lost.
    pub fn effect(&self) -> Effect {
        self.rows.iter().fold(Effect::default(), |all, row| all | row.effect())
    }

    /// The rows, counted.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.rows)
    }
}

/// What changes where `is` follows `was` at `now`.
pub fn difference<'s>(was: Side<'s>, is: Side<'s>, now: UnixSeconds) -> Difference<'s> {
    let mut rows = Vec::new();
    let mut holders = Holders::new(was.snapshot, is.snapshot, now);
    if !was.snapshot.shares_policy(is.snapshot) || was.upstreams != is.upstreams {
        rows.extend(settings(was.snapshot, is.snapshot));
        rows.extend(routes::compare(was, is));
        rows.extend(holders.members());
    }
    rows.extend(holders.keys());
    rows.sort_by(|one, other| one.subject().cmp(other.subject()));
    Difference { rows }
}

fn settings<'s>(was: &'s Snapshot, is: &'s Snapshot) -> Vec<Row<'s>> {
    let pin = |snapshot: &'s Snapshot| {
        snapshot.pin.map(|pin| snapshot.workspaces.environments.text(pin)).into()
    };
    let hide = |snapshot: &Snapshot| Value::from(if snapshot.hide_none { "true" } else { "false" });
    let pepper = |other: bool| Value::from(if other { "another" } else { "one" });
    let same_pepper = was.keys.pepper() == is.keys.pepper();
    let changes = [
        // What it does to keys is told of the keys.
        ("environment", pin(was), pin(is), Effect::NONE),
        ("hide_none", hide(was), hide(is), Effect::NONE),
        ("pepper", pepper(false), pepper(!same_pepper), Effect::BOTH),
    ];
    let changed = changes.into_iter().filter(|(_, was, is, _)| was != is);
    changed
        .map(|(name, was, is, effect)| {
            let field = Field { name: "value", was, is };
            Row::new(Subject::Setting(name), Kind::Changed, effect, vec![field])
        })
        .collect()
}
