//! Key records as lists show them.

use super::names::Names;
use super::record::{Key, KeyState};
use super::{Snapshot, ToldKey};
use crate::policy::draft::DraftCeiling;
use crate::policy::reason::DenyReason;
use crate::policy::time::UnixSeconds;

/// A key's record, for who lists keys. It knows no text and shows no digest.
#[derive(Debug, Clone, Copy)]
pub struct KeyView<'s> {
    snapshot: &'s Snapshot,
    id: &'s str,
    key: &'s Key,
}

impl Snapshot {
    /// Every key record, in an order that stays while the generation does.
    pub fn key_views(&self) -> impl Iterator<Item = KeyView<'_>> {
        self.keys.told().map(|ToldKey { id, key, .. }| KeyView { snapshot: self, id, key })
    }

    /// The record of that id.
    pub fn key_view(&self, id: &str) -> Option<KeyView<'_>> {
        self.key_views().find(|key| key.id == id)
    }
}

impl<'s> KeyView<'s> {
    /// The record's id.
    pub fn id(&self) -> &'s str {
        self.id
    }

    /// Whose key it is.
    pub fn account(&self) -> &'s str {
        self.snapshot.workspaces.accounts().name(self.key.account)
    }

    /// Its workspace; nothing where that is gone, or of another environment than the key.
    pub fn workspace(&self) -> Option<&'s str> {
        let known = self.snapshot.workspaces.workspace_at(self.key.workspace).is_some();
        known.then(|| self.snapshot.workspaces.names.text(self.key.workspace))
    }

    /// The environment of its workspace.
    pub fn environment(&self) -> Option<&'s str> {
        let workspaces = &self.snapshot.workspaces;
        let workspace = workspaces.workspace_at(self.key.workspace)?;
        Some(workspaces.environments.text(workspace.environment))
    }

    /// Not valid before.
    pub fn not_before(&self) -> Option<UnixSeconds> {
        self.key.times().not_before
    }

    /// Not valid from this second on.
    pub fn expires(&self) -> Option<UnixSeconds> {
        self.key.times().expires
    }

    /// Not valid from this second on, by somebody's word.
    pub fn revoked(&self) -> Option<UnixSeconds> {
        self.key.times().revoked
    }

    /// Why the key itself is no good at `now`; nothing where it is.
    pub fn fault(&self, now: UnixSeconds) -> Option<DenyReason> {
        match self.key.state(now) {
            KeyState::Expired => Some(DenyReason::KeyExpired),
            KeyState::Good => None,
            KeyState::NotYetValid => Some(DenyReason::KeyNotYetValid),
            KeyState::Revoked => Some(DenyReason::KeyRevoked),
        }
    }

    /// What it reaches at most, where that is less than what its account does.
    pub fn ceiling(&self) -> Option<DraftCeiling> {
        let ceiling = self.snapshot.keys.ceiling(self.key).filter(|it| !it.is_open())?;
        let catalog = &self.snapshot.catalog;
        let names = |list: &[u32], names: &Names| {
            list.iter().map(|number| names.text(*number).to_owned()).collect::<Vec<_>>()
        };
        let lists = ceiling.only.as_ref().map(|only| {
            (names(&only.products, &catalog.products), names(&only.areas, &catalog.areas))
        });
        // Where one of them is empty, whether it stood there makes no difference.
        let (products, areas) = match lists {
            None => (None, None),
            Some((products, areas)) if areas.is_empty() => (Some(products), None),
            Some((products, areas)) if products.is_empty() => (None, Some(areas)),
            Some((products, areas)) => (Some(products), Some(areas)),
        };
        Some(DraftCeiling { level: ceiling.level, products, areas })
    }
}
