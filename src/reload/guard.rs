//! Between compiled and in force: is it a change that somebody should have meant?
//!
//! `[reload]` says what is too much. What is refused here has no fault, so it can be let in: by its
//! id, which is that of its content, so that no other edit comes in by it.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::content;
use super::fingerprint::{Fingerprint, Sources};
use crate::config::ReloadRules;
use crate::current::ChangeId;
use crate::policy::difference::{Loss, loss};
use crate::policy::{Snapshot, UnixSeconds};

/// Names that a sentence has room for.
const NAMED: usize = 5;

/// What lets a policy in or holds it back.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) rules: ReloadRules,
    pub(super) sources: Sources,
    pub(super) consents: Arc<Consents>,
}

/// Why a policy is held back, and what lets it in: nothing, where its files have changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) problems: Vec<String>,
    pub(super) waiting: Option<ChangeId>,
}

impl Guard {
    /// Whether there is anything that it would hold back.
    pub(super) fn is_set(&self) -> bool {
        self.rules.max_revoked.is_some() || self.rules.keep_owners
    }

    /// Whether `is`, whose files looked as in `seen` before they were read, may follow `was`. The id
    /// of what was let in only because somebody said so.
    pub(super) fn judge(
        &self,
        was: &Snapshot,
        is: &Snapshot,
        seen: &Fingerprint,
        now: UnixSeconds,
    ) -> Result<Option<ChangeId>, Held> {
        if !self.is_set() {
            return Ok(None);
        }
        let mut problems = objections(&self.rules, was, is, now);
        if problems.is_empty() {
            return Ok(None);
        }
        let id = content::id(&self.sources, seen);
        // Only then is it the id of what was read.
        let unchanged = self.sources.look().fingerprint == *seen;
        let waiting = id.ok().filter(|_| unchanged);
        if waiting.as_ref().is_some_and(|id| self.consents.has(id)) {
            return Ok(waiting);
        }
        problems.push(match &waiting {
            Some(id) => format!(
                "this may be meant: see `sidegate diff`, then `sidegate reload --accept {id}` lets in \
                 exactly this change"
            ),
            None => "the files have changed since: they are looked at again".to_owned(),
        });
        Err(Held { problems, waiting })
    }
}

/// What speaks against it, one sentence a line.
fn objections(rules: &ReloadRules, was: &Snapshot, is: &Snapshot, now: UnixSeconds) -> Vec<String> {
    // A bug on one pair of policies must not end all reloads to come, nor let one in.
    let found = catch_unwind(AssertUnwindSafe(|| sentences(rules, &loss(was, is, now))));
    found.unwrap_or_else(|_| {
        vec!["comparing policies broke off, which is a bug in sidegate".to_owned()]
    })
}

fn sentences(rules: &ReloadRules, loss: &Loss<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(most) = rules.max_revoked {
        // One key alone is somebody's deliberate act, however few there are.
        let one = usize::from(most.of(10_000) > 0);
        let is_fine = |working| loss.keys <= most.of(working).max(one);
        let working = loss.working(is_fine);
        if !is_fine(working) {
            let names = list(loss.named.iter().map(ToString::to_string), loss.keys);
            problems.push(format!(
                "`max_revoked` is {most}: {} of {working} working keys would stop working: {names}",
                loss.keys
            ));
        }
    }
    if rules.keep_owners {
        for (workspace, owners) in loss.orphaned.iter().take(NAMED) {
            let names = list(owners.iter().map(|name| format!("`{name}`")), owners.len());
            problems.push(format!(
                "`keep_owners`: workspace `{workspace}` would lose all its owners: {names}"
            ));
        }
        for (workspace, keys) in loss.removed.iter().take(NAMED) {
            let keys = if *keys == 1 { "1 key".to_owned() } else { format!("{keys} keys") };
            problems.push(format!(
                "`keep_owners`: workspace `{workspace}` would be gone, {keys} of it work"
            ));
        }
        let untold = [loss.orphaned.len(), loss.removed.len()];
        let untold: usize = untold.iter().map(|count| count.saturating_sub(NAMED)).sum();
        if untold > 0 {
            problems.push(format!("`keep_owners`: the same of {untold} more workspaces"));
        }
    }
    problems
}

/// The first few, and how many more of `all`.
fn list(names: impl Iterator<Item = String>, all: usize) -> String {
    let named: Vec<_> = names.take(NAMED).collect();
    let mut text = named.join(", ");
    if all > named.len() {
        // Writing to a text cannot fail.
        _ = write!(text, ", {} more", all - named.len());
    }
    text
}

/// Ids of changes that somebody waits to see let in.
#[derive(Debug, Default)]
pub(super) struct Consents(Mutex<Vec<ChangeId>>);

impl Consents {
    pub(super) fn give(&self, id: &ChangeId) {
        self.lock().push(id.clone());
    }

    /// Takes one back; as many are needed as were given.
    pub(super) fn take_back(&self, id: &ChangeId) {
        let mut given = self.lock();
        if let Some(at) = given.iter().position(|one| one == id) {
            given.swap_remove(at);
        }
    }

    fn has(&self, id: &ChangeId) -> bool {
        self.lock().iter().any(|one| one == id)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ChangeId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
