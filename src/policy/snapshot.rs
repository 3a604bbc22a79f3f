//! The compiled policy: names are numbers, rules are levels, every lookup is a table.

mod access;
mod accounts;
mod branches;
mod catalog;
mod ceiling;
mod held;
mod holder;
mod idle;
mod keys;
mod matrix;
mod members;
mod names;
mod parts;
mod pattern;
mod places;
mod reached;
mod record;
mod routes;
mod trie;
mod unheld;
mod workspaces;

use std::sync::Arc;

use super::draft::{Draft, DraftKey};
use super::key::KeyDigest;
use super::problem::Problem;
use super::rules::Rules;
pub(super) use access::AccessId;
use access::AccessTables;
pub(super) use catalog::Catalog;
pub use held::KeyView;
pub(super) use keys::{Keys, Search, Times, Told as ToldKey};
pub use matrix::{Cell, Column, Columns, MemberView};
pub(super) use names::Map;
use parts::Parts;
pub(super) use pattern::{HostPattern, PathPattern, Step};
pub(super) use record::{Key, KeyState};
pub use routes::Route;
pub(super) use routes::{RouteWorkspace, Routes, Scope, Told};
pub use unheld::Unheld;
pub(super) use workspaces::{Member, Workspace, Workspaces};

/// A compiled policy: immutable, and whole. A clone shares all of it.
///
/// INVARIANT: only [`compile`] makes one, and [`amended`](Snapshot::amended) another of it, so every
/// number in it is one of its own tables'.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The sidecar's pin: the environment whose keys are good. `u32::MAX`, which no workspace has,
    /// where no workspace lives in the pinned one.
    pub(super) pin: Option<u32>,
    pub(super) hide_none: bool,
    pub(super) catalog: Arc<Catalog>,
    pub(super) workspaces: Arc<Workspaces>,
    pub(super) tables: Arc<AccessTables>,
    pub(super) routes: Arc<Routes>,
    pub(super) keys: Keys,
    warnings: Arc<[Problem]>,
    /// What it was compiled from, where somebody may ask why.
    rules: Option<Arc<Rules>>,
}

/// Compiles a draft.
///
/// # Errors
///
/// Every problem of the draft at once, warnings included, in the order of their places.
pub fn compile(mut draft: Draft) -> Result<Snapshot, Vec<Problem>> {
    let keys = std::mem::take(&mut draft.keys);
    compile_with(&draft, keys)
}

/// Compiles what a draft says with `keys` in place of its own, for who asks the draft afterwards
/// why a decision is what it is.
///
/// # Errors
///
/// As [`compile`].
pub fn compile_with(draft: &Draft, keys: Vec<DraftKey>) -> Result<Snapshot, Vec<Problem>> {
    let mut parts = Parts::compile(draft);
    let Parts { catalog, workspaces, problems, .. } = &mut parts;
    let keys = Keys::compile(keys, draft.pepper.clone(), catalog, workspaces, problems);
    parts.finish(draft, keys)
}

/// Compiles what a draft says with the keys of `before`: what [`compile_with`] would make of their
/// records, at the cost of what a record says of a policy. Nothing where that has to be asked: where
/// there is an error, or where a key may have a problem, were it a warning.
pub fn compile_under(draft: &Draft, before: &Snapshot) -> Option<Snapshot> {
    let mut parts = Parts::compile(draft);
    if parts.is_refused() {
        return None;
    }
    let was = (&*before.catalog, &*before.workspaces);
    let is = (&parts.catalog, &mut parts.workspaces);
    let keys = before.keys.carried(was, is, draft.pepper.as_ref())?;
    parts.finish(draft, keys).ok()
}

impl Snapshot {
    /// The same policy without the keys of these digests, and with `came`: what [`compile`] would
    /// make of it, at the cost of what changed. Nothing where that has to be asked: where it may have
    /// a problem, a warning, a name that is not the policy's yet, or where much has changed since.
    pub fn amended(&self, gone: &[KeyDigest], came: &[DraftKey]) -> Option<Self> {
        let keys = self.keys.amended(gone, came, &self.catalog, &self.workspaces)?;
        Some(Self { keys, ..self.clone() })
    }

    /// The same, with the rules that it was compiled from.
    #[must_use]
    pub fn with_rules(self, rules: Rules) -> Self {
        Self { rules: Some(Arc::new(rules)), ..self }
    }

    /// What it was compiled from, where that was kept.
    pub fn rules(&self) -> Option<&Arc<Rules>> {
        self.rules.as_ref()
    }

    /// The environment whose keys alone are good, where there is one that a workspace lives in.
    pub fn pinned(&self) -> Option<&str> {
        Some(self.workspaces.environments.text(self.pin?))
    }

    /// What is kept of the key that was the nth of those that were compiled, whatever was amended
    /// since.
    pub fn compiled_digest(&self, nth: usize) -> Option<KeyDigest> {
        self.keys.digest_of_nth(nth)
    }

    /// Whether only the keys of one was amended to be the other.
    pub(super) fn shares_policy(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.catalog, &other.catalog)
            && Arc::ptr_eq(&self.workspaces, &other.workspaces)
            && Arc::ptr_eq(&self.tables, &other.tables)
            && Arc::ptr_eq(&self.routes, &other.routes)
    }

    /// Problems that did not keep the policy from being used, but for those that it allows.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Key records, revoked and expired ones included.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// What every key's number is below, for who keeps one thing a key.
    pub fn key_numbers(&self) -> usize {
        self.keys.numbers()
    }

    /// The id of the key of that number; nothing where no key has it.
    pub fn key_id(&self, number: usize) -> &str {
        u32::try_from(number).map_or("", |number| self.keys.id(number))
    }

    /// Routes.
    pub fn route_count(&self) -> usize {
        self.routes.len()
    }

    /// Workspaces.
    pub fn workspace_count(&self) -> usize {
        self.workspaces.names.len()
    }

    /// The routes, in the order in which the policy has them.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }

    /// Names of the areas.
    pub fn areas(&self) -> impl Iterator<Item = &str> {
        self.catalog.areas.iter()
    }

    /// Names of the products.
    pub fn products(&self) -> impl Iterator<Item = &str> {
        self.catalog.products.iter()
    }

    /// Names of the workspaces.
    pub fn workspaces(&self) -> impl Iterator<Item = &str> {
        self.workspaces.names.iter()
    }

    /// The workspace of that name.
    pub fn workspace(&self, name: &str) -> Option<WorkspaceView<'_>> {
        let number = self.workspaces.names.number(name)?;
        Some(WorkspaceView { snapshot: self, number })
    }

    /// When each live key stops being good, for those that do.
    pub fn key_expiries(&self) -> impl Iterator<Item = super::UnixSeconds> {
        self.keys.iter().filter_map(Key::expiry)
    }
}

/// A workspace, for who asks about one by name.
#[derive(Debug, Clone, Copy)]
pub struct WorkspaceView<'s> {
    snapshot: &'s Snapshot,
    number: u32,
}

impl<'s> WorkspaceView<'s> {
    /// The environment that it lives in.
    pub fn environment(&self) -> &'s str {
        let workspaces = &self.snapshot.workspaces;
        let number = workspaces.workspace_at(self.number).map(|workspace| workspace.environment);
        number.map_or("", |number| workspaces.environments.text(number))
    }

    /// The role of a member, by the account's exact name.
    pub fn role_of(&self, account: &str) -> Option<&'s str> {
        let accounts = self.snapshot.workspaces.accounts();
        let number = accounts.find(account).filter(|number| accounts.name(*number) == account)?;
        let member = self.snapshot.workspaces.workspace_at(self.number)?.member(number)?;
        Some(self.snapshot.catalog.roles.text(member.role))
    }

    /// The accounts of its owners, but for those that are suspended.
    pub fn owners(&self) -> impl Iterator<Item = &'s str> + use<'s> {
        let Snapshot { workspaces, catalog, .. } = self.snapshot;
        let members = workspaces.workspace_at(self.number).into_iter().flat_map(|w| w.members());
        let accounts = workspaces.accounts();
        let owners = members.filter(|member| catalog.is_owner(member.role));
        owners
            .filter(|member| !accounts.is_suspended(member.account))
            .map(|member| accounts.name(member.account))
    }

    /// The accounts of its members.
    pub fn members(&self) -> impl Iterator<Item = &'s str> {
        let workspaces = &self.snapshot.workspaces;
        let members = workspaces.workspace_at(self.number).into_iter();
        members.flat_map(|w| w.members()).map(|member| workspaces.accounts().name(member.account))
    }
}
