//! What was found.

use std::collections::BTreeSet;

use serde::Serialize;

use super::code::{Code, Severity};
use crate::policy::Place;
use crate::policy::key::redacted;

/// One thing that somebody should know.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) code: Code,
    pub(super) severity: Severity,
    /// Where it can be mended.
    pub(super) place: Place,
    /// What it is about: an account, a key's id, a workspace, a route.
    pub(super) subject: String,
    /// What is so.
    pub(super) fact: String,
}

/// Who holds full on the same things in a workspace.
#[derive(Debug, Serialize)]
pub(super) struct Holding {
    pub(super) workspace: String,
    /// Whether it is all that the workspace has.
    pub(super) everything: bool,
    /// `area billing`, `vault`, `vault/reports`, or `vault/*` for a product and all its permissions.
    pub(super) scopes: Vec<String>,
    pub(super) accounts: Vec<String>,
}

/// All that was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) list: Vec<Finding>,
    pub(super) access: Vec<Holding>,
    /// What could not be looked at, and why.
    pub(super) notes: Vec<String>,
}

impl Findings {
    /// `subject` and `fact` may repeat a label, and so a key that somebody put there.
    pub(super) fn add(
        &mut self,
        code: Code,
        severity: Severity,
        place: Place,
        subject: impl AsRef<str>,
        fact: impl AsRef<str>,
    ) {
        let [subject, fact] = [subject.as_ref(), fact.as_ref()].map(|it| redacted(it).into_owned());
        self.list.push(Finding { code, severity, place, subject, fact });
    }

    /// The most urgent first, then by code and place.
    pub(super) fn sort(&mut self) {
        self.list.sort_by(|one, other| {
            let key = |it: &Finding| (std::cmp::Reverse(it.severity), it.code, it.place);
            key(one).cmp(&key(other)).then_with(|| one.subject.cmp(&other.subject))
        });
    }

    pub(super) fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Where there is something to mend.
    pub(super) fn places(&self) -> BTreeSet<Place> {
        let faults = self.list.iter().filter(|finding| finding.severity > Severity::Info);
        faults.map(|finding| finding.place).collect()
    }

    /// `2 high, 5 medium, 9 low, 6 info`
    pub(super) fn summary(&self) -> String {
        let counts = Severity::ALL.map(|it| format!("{} {}", self.count(it), it.name()));
        counts.join(", ")
    }
}

/// The first few of `names`, and how many more there are.
pub(super) fn some<S: AsRef<str>>(names: &[S]) -> String {
    const MOST: usize = 8;
    let shown: Vec<&str> = names.iter().take(MOST).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(MOST) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `1 key`, `2 keys`
pub(super) fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
