//! A difference in numbers.

use std::fmt;

use super::row::{Kind, Row, Subject};

/// Rows of one kind of subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Those that were not there.
    pub came: usize,
    /// Those that are there no more.
    pub went: usize,
    /// Keys that were revoked.
    pub revoked: usize,
    /// Those that changed otherwise.
    pub changed: usize,
    /// Of all, those that gained.
    pub gained: usize,
    /// Of all, those that lost.
    pub lost: usize,
}

impl Counts {
    /// All rows.
    pub fn rows(&self) -> usize {
        self.came + self.went + self.revoked + self.changed
    }
}

/// How many rows of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Of the policy as a whole.
    pub settings: Counts,
    /// Routes.
    pub routes: Counts,
    /// Members of workspaces.
    pub members: Counts,
    /// Keys.
    pub keys: Counts,
}

impl Summary {
    pub(super) fn of(rows: &[Row<'_>]) -> Self {
        let mut summary = Self::default();
        for row in rows {
            let counts = match row.subject() {
                Subject::Setting(_) => &mut summary.settings,
                Subject::Route(_) => &mut summary.routes,
                Subject::Member { .. } => &mut summary.members,
                Subject::Key { .. } => &mut summary.keys,
            };
            *match row.kind() {
                Kind::Came => &mut counts.came,
                Kind::Went => &mut counts.went,
                Kind::Revoked => &mut counts.revoked,
                Kind::Changed => &mut counts.changed,
            } += 1;
            counts.gained += usize::from(row.effect().gained);
            counts.lost += usize::from(row.effect().lost);
        }
        summary
    }

    /// Every kind of subject by its name, in the order of rows.
    pub fn kinds(&self) -> [(&'static str, Counts); 4] {
        [
            ("settings", self.settings),
            ("routes", self.routes),
            ("members", self.members),
            ("keys", self.keys),
        ]
    }

    /// All rows.
    pub fn rows(&self) -> usize {
        self.kinds().iter().map(|(_, counts)| counts.rows()).sum()
    }
}

/// `routes: 1 came; keys: 2 revoked, 1 changed (1 gained, 2 lost)`, or `nothing changed`.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = |words: &[(usize, &str)]| {
            let words = words.iter().filter(|(count, _)| *count > 0);
            words.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
        };
        let mut kinds = Vec::new();
        for (name, counts) in self.kinds() {
            let Counts { came, went, revoked, changed, gained, lost } = counts;
            if counts.rows() == 0 {
                continue;
            }
            let rows = [(came, "came"), (went, "went"), (revoked, "revoked"), (changed, "changed")];
            let effects = some(&[(gained, "gained"), (lost, "lost")]);
            let effects = if effects.is_empty() { effects } else { format!(" ({effects})") };
            kinds.push(format!("{name}: {}{effects}", some(&rows)));
        }
        if kinds.is_empty() {
            f.write_str("nothing changed")
        } else {
            f.write_str(&kinds.join("; "))
        }
    }
}
